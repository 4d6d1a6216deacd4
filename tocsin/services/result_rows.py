"""What a probe saw, as PostgreSQL takes it in.

Instants travel as microseconds since 1970: asyncpg encodes a number for 0.03 CPU-us, and a datetime for 0.6.
"""

from datetime import datetime, timedelta
from typing import Final

from tocsin.domain.observations import Observation
from tocsin.domain.schedule import EPOCH
from tocsin.models.codes import OUTCOME_CODES, reason_code

_MICROSECOND: Final = timedelta(microseconds=1)


def instant_of(microseconds: str) -> str:
    """The SQL of an instant, from that of its microseconds."""
    return f"'epoch'::timestamptz + {microseconds} * interval '1 microsecond'"


def microseconds_of(instant: datetime) -> int:
    """The microseconds of an instant."""
    return (instant - EPOCH) // _MICROSECOND


def observation_row(seen: Observation) -> tuple[object, ...]:
    """What a probe saw, in the order of the fields of `incoming_result`, from `started_at_us` on."""
    phases, expires_at = seen.phases, seen.certificate_expires_at
    return (
        microseconds_of(seen.started_at),
        seen.duration // _MICROSECOND,
        OUTCOME_CODES[seen.outcome],
        reason_code(seen.reason),
        seen.status_code,
        _length(phases.resolve),
        _length(phases.connect),
        _length(phases.tls),
        _length(phases.processing),
        _length(phases.transfer),
        None if expires_at is None else microseconds_of(expires_at),
        seen.address,
        seen.message,
        None if seen.attempts == 1 else seen.attempts,
        seen.tls_verified,
        seen.evidence,
    )


def _length(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // _MICROSECOND
