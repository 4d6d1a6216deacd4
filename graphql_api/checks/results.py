"""How slots ended, as clients see it."""

from datetime import datetime, timedelta

import asyncpg
import strawberry

from graphql_api.checks.evidence import Evidence
from graphql_api.enums import Outcome, Reason
from graphql_api.fields import described
from tocsin.models.codes import OUTCOMES, reason_of
from tocsin.services import history

_PHASES = ("resolve", "connect", "tls", "processing", "transfer")


def milliseconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration / timedelta(milliseconds=1)


def _from_microseconds(duration_us: int | None) -> float | None:
    return None if duration_us is None else duration_us / 1000


@strawberry.type(description="How long each part of a probe took; null for a part that was not reached.")
class Phases:
    """In the order in which they follow one another."""

    resolve_ms: float | None = strawberry.field(description="Finding the address of the host.")
    connect_ms: float | None = strawberry.field(description="Opening the connection.")
    tls_ms: float | None = strawberry.field(description="Agreeing on encryption.")
    processing_ms: float | None = strawberry.field(description="From the request to the first byte of the response.")
    transfer_ms: float | None = strawberry.field(description="From the first byte of the response to the last.")


@strawberry.type(description="How one slot of a check ended at one location.")
class CheckResult:
    """A row of `results`, or what a run brought."""

    slot: datetime = strawberry.field(description="When the probe was due; of a run, when it was asked for.")
    started_at: datetime | None = strawberry.field(description="When the probe started; null when it never did.")
    duration_ms: float | None = strawberry.field(description="How long the probe took; null when it never started.")
    outcome: Outcome = strawberry.field(description="How it ended.")
    reason: Reason | None = strawberry.field(description="Why it did not end in success.")
    message: str | None = strawberry.field(description="What was seen, for a person.")
    status_code: int | None = strawberry.field(description="Status of the HTTP response.")
    phases: Phases = strawberry.field(description="Where the time went.")
    location: str = strawberry.field(description="Where the probe ran.")
    address: str | None = strawberry.field(description="IP address that was probed.")
    certificate_expires_at: datetime | None = strawberry.field(
        description="When the first certificate of the presented chain expires."
    )
    tls_verified: bool | None = strawberry.field(
        description="Whether the certificate was verified; false where the target skips it, null without TLS."
    )
    attempts: int = strawberry.field(description="How often the target was probed, as its retries say; 0 when MISSED.")
    stored_evidence: strawberry.Private[str | None]

    @described("What was kept of the failure; of failures that are alike, of few.")
    def evidence(self) -> Evidence | None:
        return Evidence.of(self.stored_evidence)

    @classmethod
    def from_row(cls, row: asyncpg.Record, location: str) -> "CheckResult":
        """Columns of `results`."""
        outcome = OUTCOMES[row["outcome"]]
        missed = outcome is Outcome.MISSED
        return cls(
            slot=row["slot"],
            started_at=None if missed else row["started_at"],
            duration_ms=None if missed else _from_microseconds(row["duration_us"]),
            outcome=outcome,
            reason=reason_of(row["reason"]),
            message=row["message"],
            status_code=row["status_code"],
            phases=Phases(**{f"{phase}_ms": _from_microseconds(row[f"{phase}_us"]) for phase in _PHASES}),
            location=location,
            address=None if row["address"] is None else str(row["address"]),
            certificate_expires_at=row["certificate_expires_at"],
            tls_verified=row["tls_verified"],
            attempts=0 if missed else row["attempts"] or 1,
            stored_evidence=row["evidence"],
        )

    @classmethod
    def from_result(cls, result: history.Result) -> "CheckResult":
        missed = result.outcome is Outcome.MISSED
        return cls(
            slot=result.key.slot,
            started_at=None if missed else result.started_at,
            duration_ms=None if missed else milliseconds(result.duration),
            outcome=result.outcome,
            reason=result.reason,
            message=result.message,
            status_code=result.status_code,
            phases=Phases(**{f"{phase}_ms": milliseconds(getattr(result.phases, phase)) for phase in _PHASES}),
            location=result.location,
            address=result.address,
            certificate_expires_at=result.certificate_expires_at,
            tls_verified=result.tls_verified,
            attempts=0 if missed else result.attempts,
            stored_evidence=result.evidence,
        )


@strawberry.type(description="How the last folded slot of a check ended, in brief; `results` has the rest.")
class LastResult:
    """The columns `last_*` of `check_states`."""

    slot: datetime = strawberry.field(description="When the probe was due.")
    started_at: datetime | None = strawberry.field(description="When the probe started; null when it never did.")
    duration_ms: float | None = strawberry.field(description="How long the probe took; null when it never started.")
    outcome: Outcome = strawberry.field(description="How it ended.")
    reason: Reason | None = strawberry.field(description="Why it did not end in success.")
    message: str | None = strawberry.field(description="What was seen, for a person.")
    status_code: int | None = strawberry.field(description="Status of the HTTP response.")

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "LastResult":
        outcome = OUTCOMES[row["last_outcome"]]
        missed = outcome is Outcome.MISSED
        return cls(
            slot=row["last_slot"],
            started_at=None if missed else row["last_started_at"],
            duration_ms=None if missed else _from_microseconds(row["last_duration_us"]),
            outcome=outcome,
            reason=reason_of(row["last_reason"]),
            message=row["last_message"],
            status_code=row["last_status_code"],
        )
