"""Targets that are tried without being saved: asked for by one organization, taken once, and soon forgotten."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tocsin.database import Connection
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import InvalidInputError, RateLimitedError, UnansweredError
from tocsin.domain.observations import Observation, Outcome
from tocsin.encryption import KeyRing
from tocsin.services import secrets, trials
from tocsin.services.check_secrets import load_named_secrets
from tocsin.services.retention import expire
from tocsin.services.run_claims import claim_run, finish_run
from tocsin.services.runs import wait_for_run
from tocsin.services.trials import MOST_UNDER_WAY, request_trial, wait_for_trial
from tocsin.settings import Retention

pytestmark = pytest.mark.usefixtures("api_orm")

OTHER, LOCATION = 2, 1
URL = "https://example.com/?key=swordfish"
FIELDS: DefinitionFields = {"target": ("http", {"url": URL}), "timeout_seconds": 2}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SEEN = Observation(Outcome.SUCCESS, NOW, timedelta(milliseconds=5), status_code=204, evidence='{"body": "hello"}')


async def test_a_target_is_taken_once_and_not_kept_then(
    connection: Connection, owner: asyncpg.Connection, organization: int
) -> None:
    run = await request_trial(organization, FIELDS)
    taken = await claim_run(connection, LOCATION, run.id)
    assert taken is not None
    assert (taken.check_id, taken.organization_id, taken.definition.kind) == (None, organization, "http")
    assert (URL in taken.definition.target, taken.definition.timeout) == (True, timedelta(seconds=2))
    assert await claim_run(connection, LOCATION, run.id) is None
    assert await owner.fetchval("SELECT target FROM runs") is None


async def test_what_a_trial_brought_is_told_to_who_asked(connection: Connection, organization: int) -> None:
    run = await request_trial(organization, FIELDS)
    await claim_run(connection, LOCATION)
    await finish_run(connection, run.id, SEEN)
    row = await wait_for_trial(organization, run)
    assert (row["status_code"], row["evidence"], row["location"]) == (204, SEEN.evidence, "default")


async def test_a_trial_of_another_organization_is_not_seen(connection: Connection, organization: int) -> None:
    run = await request_trial(organization, FIELDS)
    await finish_run(connection, run.id, SEEN)
    with pytest.raises(AssertionError):
        await wait_for_run(OTHER, run.id, timedelta(0))


async def test_who_waits_for_nobody_is_told(monkeypatch: pytest.MonkeyPatch, organization: int) -> None:
    monkeypatch.setattr(trials, "GRACE", timedelta(seconds=-1.9))
    run = await request_trial(organization, FIELDS)
    with pytest.raises(UnansweredError, match="No worker at the location default answered within"):
        await wait_for_trial(organization, run)


async def test_few_trials_of_an_organization_are_under_way(connection: Connection, organization: int) -> None:
    runs = [await request_trial(organization, FIELDS) for _ in range(MOST_UNDER_WAY)]
    with pytest.raises(RateLimitedError, match="10 tests are under way already"):
        await request_trial(organization, FIELDS)
    await finish_run(connection, runs[0].id, SEEN)
    await request_trial(organization, FIELDS)


async def test_trials_of_others_leave_room(owner: asyncpg.Connection, organization: int) -> None:
    await owner.execute("INSERT INTO organizations (id, name) VALUES ($1, 'two')", OTHER)
    for _ in range(MOST_UNDER_WAY):
        await request_trial(OTHER, FIELDS)
    assert await request_trial(organization, FIELDS)


@pytest.mark.parametrize(
    ("fields", "location", "path"),
    [
        ({"target": ("http", {"url": "no"})}, "default", ("target", "http", "url")),
        ({**FIELDS, "timeout_seconds": 61}, "default", ("timeout_seconds",)),
        (FIELDS, "atlantis", ("location",)),
        (
            {
                "target": ("http", {"url": URL, "headers": [{"name": "X-Key"}]}),
                "secrets": [(("headers", 0, "value"), "gone")],
            },
            "default",
            ("target", "http", "headers", 0, "value_secret"),
        ),
    ],
)
async def test_what_cannot_be_probed_is_refused(
    organization: int, fields: DefinitionFields, location: str, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await request_trial(organization, fields, location)
    assert [problem.path for problem in refused.value.problems] == [path]


async def test_a_trial_names_secrets_of_its_own_organization(connection: Connection, organization: int) -> None:
    keys = KeyRing({"k1": bytes(range(32))})
    await secrets.create_secret(organization, keys, "api-token", "swordfish")
    loaded = await load_named_secrets(connection, organization, ["api-token", "gone"])
    assert {name: secret.open(keys) for name, secret in loaded.items()} == {"api-token": "swordfish"}
    assert await load_named_secrets(connection, OTHER, ["api-token"]) == {}


async def test_a_trial_is_soon_forgotten(connection: Connection, owner: asyncpg.Connection, organization: int) -> None:
    await request_trial(organization, FIELDS)
    for age, left in ((timedelta(minutes=9), 1), (timedelta(minutes=11), 0)):
        now: datetime = await owner.fetchval("SELECT now()")
        await expire(connection, now + age, Retention())
        assert await owner.fetchval("SELECT count(*) FROM runs") == left
