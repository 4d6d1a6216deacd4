"""The domain's enumerations under their GraphQL names.

Types import them from here, so that they are registered with Strawberry before they are used.
"""

from enum import Enum
from typing import TYPE_CHECKING, Final

import strawberry

from tocsin.domain.facts import Source
from tocsin.domain.heartbeats import ReportKind, ReportSource
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.status import Status
from tocsin.domain.targets import KINDS
from tocsin.models import IncidentEventKind, IncidentStatus, Resolution, TokenPermission

__all__ = [
    "CheckKind",
    "IncidentEventKind",
    "IncidentStatus",
    "Outcome",
    "Reason",
    "ReportKind",
    "ReportSource",
    "Resolution",
    "Source",
    "Status",
    "TokenPermission",
]

_DESCRIPTIONS: Final[dict[type[Enum], tuple[str, str]]] = {
    Status: (
        "CheckStatus",
        "What a check's target is known to be. UNKNOWN: it could not be probed lately. PENDING: not decided yet.",
    ),
    Outcome: (
        "Outcome",
        "How a slot ended. MISSED: nothing was probed. UNKNOWN: the probe could not judge the target.",
    ),
    Source: ("Source", Source.__doc__ or ""),
    Reason: ("Reason", "Why a slot did not end in success."),
    ReportKind: ("HeartbeatReportKind", "What a report says. LOG says nothing of success or failure."),
    ReportSource: ("HeartbeatReportSource", "How a report came."),
    IncidentStatus: ("IncidentStatus", "How far an incident has come. RESOLVED is final."),
    Resolution: ("Resolution", "Why an incident ended. Only RECOVERED says that the target is well."),
    IncidentEventKind: ("IncidentEventKind", "What happened to an incident."),
    TokenPermission: ("TokenPermission", "What a token may do: READ_ONLY tokens cannot use mutations."),
}
for _enum, (_name, _description) in _DESCRIPTIONS.items():
    strawberry.enum(_enum, name=_name, description=_description)

if TYPE_CHECKING:

    class CheckKind(Enum):
        """One member for each kind."""
else:
    CheckKind = strawberry.enum(
        Enum("CheckKind", {kind.upper(): kind for kind in KINDS}), description="What kind of target a check probes."
    )
