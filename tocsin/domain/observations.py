"""What one probe of a target saw."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """How a slot ended. `MISSED` and `UNKNOWN` say nothing about the target."""

    SUCCESS = "SUCCESS"
    DEGRADED = "DEGRADED"
    FAILURE = "FAILURE"
    MISSED = "MISSED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a slot did not end in success."""

    DNS = "DNS"
    CONNECT = "CONNECT"
    TLS = "TLS"
    TIMEOUT = "TIMEOUT"
    STATUS = "STATUS"
    ASSERTION = "ASSERTION"
    PROTOCOL = "PROTOCOL"
    HEADER_LIMIT = "HEADER_LIMIT"
    BODY_LIMIT = "BODY_LIMIT"
    TOO_MANY_REDIRECTS = "TOO_MANY_REDIRECTS"
    TARGET_BLOCKED = "TARGET_BLOCKED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    # The target refers to a secret that is not stored, or cannot be used.
    SECRET_UNAVAILABLE = "SECRET_UNAVAILABLE"  # noqa: S105 - a name
    AUTHENTICATION = "AUTHENTICATION"  # a login that was refused
    NOT_PERMITTED = "NOT_PERMITTED"  # this installation may not probe so, as without the right to send ICMP
    LOCATION_IMPAIRED = "LOCATION_IMPAIRED"  # the location reached nothing else either
    HEARTBEAT_AWAITED = "HEARTBEAT_AWAITED"  # nothing has reported in yet
    HEARTBEAT_OVERDUE = "HEARTBEAT_OVERDUE"
    HEARTBEAT_FAILED = "HEARTBEAT_FAILED"  # it reported a failure itself
    LEASE_EXPIRED = "LEASE_EXPIRED"  # planned, but nobody probed it in time
    NOT_PLANNED = "NOT_PLANNED"  # due, but in no batch
    GAP = "GAP"  # nothing was planned at that time: see the recorded gap


# Failures of ours: they tell nothing about the target, so they never move its counters.
UNDECIDED_REASONS = frozenset(
    {
        Reason.TARGET_BLOCKED,
        Reason.INTERNAL_ERROR,
        Reason.SECRET_UNAVAILABLE,
        Reason.NOT_PERMITTED,
        Reason.LOCATION_IMPAIRED,
        Reason.HEARTBEAT_AWAITED,
    }
)


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each part of a probe took; None for a part that was not reached or does not exist."""

    resolve: timedelta | None = None
    connect: timedelta | None = None
    tls: timedelta | None = None
    processing: timedelta | None = None
    transfer: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe saw.

    `started_at` is on the database's clock. `message` is at most 500 characters, free of secrets, and says
    what a person on call needs. `certificate_expires_at` is the earliest expiry in the presented chain. `tls_verified`
    is False where any certificate was accepted, None without TLS. `attempts` counts how often the target was probed.
    `evidence` is what is kept beside all this, as JSON.
    """

    outcome: Outcome
    started_at: datetime
    duration: timedelta
    reason: Reason | None = None
    message: str | None = None
    status_code: int | None = None
    phases: Phases = Phases()
    address: str | None = None
    tls_version: str | None = None
    certificate_expires_at: datetime | None = None
    tls_verified: bool | None = None
    attempts: int = 1
    evidence: str | None = None
