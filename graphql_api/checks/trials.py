"""Trying a target without saving it."""

from typing import Annotated, TypeAlias

import asyncpg
import strawberry

from graphql_api.checks.evidence import SeenFact, SeenHeader
from graphql_api.checks.results import CheckResult
from graphql_api.checks.targets import TargetInput, given_target, secrets_of_target
from graphql_api.context import Info
from graphql_api.enums import Source
from graphql_api.fields import changing
from graphql_api.problems import Forbidden, InvalidInput, RateLimited, Unanswered
from tocsin.domain import evidence
from tocsin.domain.definitions import DEFAULT_TIMEOUT, MAXIMUM_TIMEOUT, MINIMUM_TIMEOUT, DefinitionFields
from tocsin.domain.locations import DEFAULT_LOCATION
from tocsin.services import trials

_TIMEOUT = (
    f"How long the probe may take, in seconds from {MINIMUM_TIMEOUT.total_seconds():g} to "
    f"{MAXIMUM_TIMEOUT.total_seconds():g}."
)


@strawberry.input(description="A target to be tried.")
class TestCheckInput:
    """The fields of a definition that one probe needs."""

    target: TargetInput = strawberry.field(description="What to probe.")
    timeout_seconds: float = strawberry.field(description=_TIMEOUT, default=DEFAULT_TIMEOUT.total_seconds())
    location: str = strawberry.field(
        description="Where to probe from; `locations` lists them.", default=DEFAULT_LOCATION
    )

    def fields(self) -> DefinitionFields:
        target, secrets = given_target(self.target), secrets_of_target(self.target)
        return {"target": target, "secrets": secrets, "timeout_seconds": self.timeout_seconds}


@strawberry.type(description="What became of an assertion or a condition of the target.")
class TestedAssertion:
    """Part of the evidence."""

    met: bool | None = strawberry.field(description="Whether it is met; null where the probe did not come so far.")
    source: Source | None = strawberry.field(description="What of the response it is about; null for a condition.")
    path: str | None = strawberry.field(description="Where in it.")
    operator: str | None = strawberry.field(description="How it is compared; null for a condition.")
    expected: str | None = strawberry.field(description="What is expected; of a condition, its expression.")
    actual: str | None = strawberry.field(description="What was seen instead; null where it is met.")
    severity: str = strawberry.field(description="What becomes of a check when it is not met: DOWN or DEGRADED.")

    @classmethod
    def of(cls, judged: evidence.JudgedAssertion) -> "TestedAssertion":
        return cls(
            met=None if judged.failed is None else not judged.failed,
            source=None if judged.source is None else Source(judged.source),
            path=judged.path,
            operator=judged.operator,
            expected=judged.expected,
            actual=judged.actual,
            severity=judged.severity,
        )


@strawberry.type(description="What was seen of a target that is not saved. Secrets in its input are masked.")
class CheckTest:
    """A row of `runs` without a check."""

    result: CheckResult = strawberry.field(description="How the probe ended.")
    tls_version: str | None = strawberry.field(description="Version of TLS, such as TLSv1.3; null without TLS.")
    headers: list[SeenHeader] = strawberry.field(description="The first headers of the response.")
    body_excerpt: str | None = strawberry.field(description="The first of the response's body, at most 2 KiB.")
    facts: list[SeenFact] = strawberry.field(description="What else was seen, such as records or the certificate.")
    assertions: list[TestedAssertion] = strawberry.field(description="Each assertion, then each condition.")

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "CheckTest":
        seen = evidence.Evidence() if row["evidence"] is None else evidence.from_json(row["evidence"])
        return cls(
            result=CheckResult.from_row(row, row["location"]),
            tls_version=seen.tls_version,
            headers=[SeenHeader(name=name, value=value) for name, value in seen.headers],
            body_excerpt=seen.body_excerpt,
            facts=[SeenFact(source=source, value=value) for source, value in seen.facts],
            assertions=[TestedAssertion.of(each) for each in seen.assertions],
        )


TestCheckResult: TypeAlias = Annotated[
    CheckTest | InvalidInput | Forbidden | RateLimited | Unanswered,
    strawberry.union("TestCheckResult", description="What was seen, or why nothing was."),
]
TestCheckArgument = Annotated[TestCheckInput, strawberry.argument(description="The target.")]


@strawberry.type
class TrialMutations:
    """Part of Mutation."""

    @changing("Probe a target once without saving it, and tell all that was seen.")
    async def test_check(self, info: Info, input: TestCheckArgument) -> TestCheckResult:  # noqa: A002
        organization_id = info.context.principal.organization_id
        run = await trials.request_trial(organization_id, input.fields(), input.location)
        info.context.hints.hint_run((run.location, run.id))
        return CheckTest.from_row(await trials.wait_for_trial(organization_id, run))
