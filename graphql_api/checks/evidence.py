"""What is kept of probes that failed, as clients see it."""

from datetime import datetime

import strawberry

from graphql_api.enums import Outcome, Reason, Source
from tocsin.domain import evidence


@strawberry.type(description="An expectation that was not met: an assertion, or a condition.")
class FailedAssertion:
    """Part of the evidence."""

    source: Source | None = strawberry.field(description="What of the response it is about; null for a condition.")
    path: str | None = strawberry.field(description="Where in it.")
    operator: str | None = strawberry.field(description="How it is compared; null for a condition.")
    expected: str | None = strawberry.field(description="What was expected; of a condition, its expression.")
    actual: str | None = strawberry.field(description="What was seen instead.")
    severity: str = strawberry.field(description="What becomes of the check: DOWN or DEGRADED.")

    @classmethod
    def of(cls, judged: evidence.JudgedAssertion) -> "FailedAssertion":
        return cls(
            source=None if judged.source is None else Source(judged.source),
            path=judged.path,
            operator=judged.operator,
            expected=judged.expected,
            actual=judged.actual,
            severity=judged.severity,
        )


@strawberry.type(description="A header of a response.")
class SeenHeader:
    """Part of the evidence."""

    name: str = strawberry.field(description="Name, as it was sent.")
    value: str = strawberry.field(description="The first of its value; *** where it gives access.")


@strawberry.type(description="Something that was seen beside headers and body.")
class SeenFact:
    """Part of the evidence."""

    source: Source = strawberry.field(description="What it is.")
    value: str = strawberry.field(description="The first of it, as JSON.")


@strawberry.type(description="An attempt that another one followed within the same run.")
class Attempt:
    """Part of the evidence."""

    started_at: datetime = strawberry.field(description="When it started.")
    duration_ms: float = strawberry.field(description="How long it took.")
    outcome: Outcome = strawberry.field(description="How it ended.")
    reason: Reason | None = strawberry.field(description="Why it did not end in success.")
    message: str | None = strawberry.field(description="What was seen, for a person.")

    @classmethod
    def of(cls, attempt: evidence.Attempt) -> "Attempt":
        return cls(
            started_at=attempt.started_at,
            duration_ms=attempt.duration.total_seconds() * 1000,
            outcome=attempt.outcome,
            reason=attempt.reason,
            message=attempt.message,
        )


@strawberry.type(
    description="What is kept of a failure: its beginning, without secrets. Control characters are escaped as in \\x00."
)
class Evidence:
    """Stored as JSON."""

    failed_assertions: list[FailedAssertion] = strawberry.field(description="What was expected and not met.")
    headers: list[SeenHeader] = strawberry.field(description="The first headers of the response.")
    body_excerpt: str | None = strawberry.field(description="The first of the response's body, at most 2 KiB.")
    facts: list[SeenFact] = strawberry.field(description="What else was seen, such as records or the certificate.")
    tls_version: str | None = strawberry.field(description="Version of TLS, such as TLSv1.3.")
    tls_verified: bool | None = strawberry.field(description="Whether the certificate was verified; null without TLS.")
    attempts: list[Attempt] = strawberry.field(description="The attempts before the last one, in their order.")

    @classmethod
    def of(cls, stored: str | None) -> "Evidence | None":
        """From JSON; None where nothing was kept."""
        return None if stored is None else cls.from_evidence(evidence.from_json(stored))

    @classmethod
    def from_evidence(cls, kept: evidence.Evidence) -> "Evidence":
        return cls(
            failed_assertions=[FailedAssertion.of(each) for each in kept.assertions if each.failed],
            headers=[SeenHeader(name=name, value=value) for name, value in kept.headers],
            body_excerpt=kept.body_excerpt,
            facts=[SeenFact(source=source, value=value) for source, value in kept.facts],
            tls_version=kept.tls_version,
            tls_verified=kept.tls_verified,
            attempts=[Attempt.of(attempt) for attempt in kept.attempts],
        )
