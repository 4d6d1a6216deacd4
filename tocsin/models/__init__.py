"""The configuration tables. Results, ticks, batches and states are plain SQL: see the migrations."""

from tocsin.models.accounts import ApiToken, Organization, TokenPermission
from tocsin.models.checks import Check, Site
from tocsin.models.incidents import Incident, IncidentEvent, IncidentEventKind, IncidentStatus, Resolution

__all__ = [
    "ApiToken",
    "Check",
    "Incident",
    "IncidentEvent",
    "IncidentEventKind",
    "IncidentStatus",
    "Organization",
    "Resolution",
    "Site",
    "TokenPermission",
]
