"""How outcomes and reasons stand in the rows of results: as small numbers that are never given a new meaning."""

from collections.abc import Mapping
from typing import Final

from tocsin.domain.observations import Outcome, Reason

OUTCOME_CODES: Final[Mapping[Outcome, int]] = {
    Outcome.SUCCESS: 1,
    Outcome.DEGRADED: 2,
    Outcome.FAILURE: 3,
    Outcome.MISSED: 4,
    Outcome.UNKNOWN: 5,
}
REASON_CODES: Final[Mapping[Reason, int]] = {
    Reason.DNS: 1,
    Reason.CONNECT: 2,
    Reason.TLS: 3,
    Reason.TIMEOUT: 4,
    Reason.STATUS: 5,
    Reason.ASSERTION: 6,
    Reason.PROTOCOL: 7,
    Reason.HEADER_LIMIT: 8,
    Reason.BODY_LIMIT: 9,
    Reason.TOO_MANY_REDIRECTS: 10,
    Reason.TARGET_BLOCKED: 11,
    Reason.INTERNAL_ERROR: 12,
    Reason.LEASE_EXPIRED: 13,
    Reason.NOT_PLANNED: 14,
    Reason.GAP: 15,
    Reason.SECRET_UNAVAILABLE: 16,
    Reason.AUTHENTICATION: 17,
    Reason.NOT_PERMITTED: 18,
    Reason.LOCATION_IMPAIRED: 19,
    Reason.HEARTBEAT_AWAITED: 20,
    Reason.HEARTBEAT_OVERDUE: 21,
    Reason.HEARTBEAT_FAILED: 22,
}
OUTCOMES: Final[Mapping[int, Outcome]] = {code: outcome for outcome, code in OUTCOME_CODES.items()}
REASONS: Final[Mapping[int, Reason]] = {code: reason for reason, code in REASON_CODES.items()}


def reason_code(reason: Reason | None) -> int | None:
    return None if reason is None else REASON_CODES[reason]


def reason_of(code: int | None) -> Reason | None:
    return None if code is None else REASONS[code]
