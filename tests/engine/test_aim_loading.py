"""What a worker asks the database for before it probes a batch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from probes.aim_loading import AimLoader
from probes.aims import Aim, SealedAim
from tests.services.conftest import MakeCheck
from tocsin.database import Connection
from tocsin.encryption import KeyRing, secret_place

REFERENCE = "api-token/value"
KEYS = KeyRing({"k1": bytes(32)})
TARGET = {"url": "http://a/", "headers": [{"name": "X-Key", "value": {"secret": REFERENCE}}]}


@asynccontextmanager
async def statements(connection: Connection) -> AsyncIterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(record: asyncpg.connection.LoggedQuery) -> None:
        sent.append(record.query)

    with connection.query_logger(note):
        yield sent
        # asyncpg tells its loggers in the loop's next round.
        await asyncio.sleep(0)


async def refer_to_secret(owner: asyncpg.Connection, check_id: int) -> None:
    for table, key in {"checks": "id", "check_versions": "check_id"}.items():
        target = f"UPDATE {table} SET kind = 'http', target = $2 WHERE {key} = $1"
        await owner.execute(target, check_id, json.dumps(TARGET))


async def store(owner: asyncpg.Connection, check_id: int, value: str) -> None:
    sealed = KEYS.seal(value, secret_place(1, check_id, REFERENCE))
    await owner.execute("INSERT INTO check_secrets VALUES ($1, 1, $2, 'uid/1', $3)", check_id, REFERENCE, sealed)


async def test_targets_without_references_cost_no_statement_more(connection: Connection, make_check: MakeCheck) -> None:
    keys = {(await make_check(), 1) for _ in range(3)}
    loader = AimLoader(KEYS)
    async with statements(connection) as first:
        aims = await loader.load(connection, keys)
    async with statements(connection) as again:
        assert await loader.load(connection, keys) == aims
    assert not [statement for statement in first if "check_secrets" in statement]
    assert again == []
    assert all(isinstance(aim, Aim) for aim in aims.values())


async def test_the_secrets_of_a_batch_come_with_one_statement_each_time(
    owner: asyncpg.Connection, connection: Connection, make_check: MakeCheck
) -> None:
    ids = [await make_check() for _ in range(3)]
    for check_id in ids[:2]:
        await refer_to_secret(owner, check_id)
        await store(owner, check_id, f"swordfish-{check_id}")
    loader, keys = AimLoader(KEYS), {(check_id, 1) for check_id in ids}
    await loader.load(connection, keys)
    async with statements(connection) as sent:
        aims = await loader.load(connection, keys)
    assert ["check_secrets" in statement for statement in sent] == [True]
    values = [aims[check_id, 1].revealed().target.model_dump()["headers"][0]["value"] for check_id in ids[:2]]
    assert values == [f"swordfish-{check_id}" for check_id in ids[:2]]
    assert isinstance(aims[ids[2], 1], Aim)


async def test_what_is_wanted_is_loaded_also_when_too_much_is_kept(
    owner: asyncpg.Connection, connection: Connection, make_check: MakeCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.aim_loading._MOST_KEPT", 1)
    ids = [await make_check() for _ in range(3)]
    await refer_to_secret(owner, ids[0])
    loader, keys = AimLoader(KEYS), {(check_id, 1) for check_id in ids}
    assert [set(await loader.load(connection, keys)) for _ in range(2)] == [keys, keys]


async def test_what_was_known_is_probed_also_when_it_is_forgotten_meanwhile(
    connection: Connection, make_check: MakeCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (await make_check(), 1), (await make_check(), 1)
    loader = AimLoader(KEYS)
    await loader.load(connection, {first})
    monkeypatch.setattr("probes.aim_loading._MOST_KEPT", 1)
    assert set(await loader.load(connection, {first, second})) == {first, second}


async def test_what_is_kept_between_batches_holds_no_secret(
    owner: asyncpg.Connection, connection: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    await refer_to_secret(owner, check_id)
    loader = AimLoader(KEYS)
    before = (await loader.load(connection, {(check_id, 1)}))[check_id, 1]
    await store(owner, check_id, "swordfish")
    after = (await loader.load(connection, {(check_id, 1)}))[check_id, 1]
    assert isinstance(before, SealedAim)
    assert before.secrets == {}
    assert after.revealed().timeout == timedelta(seconds=1)
    assert "swordfish" not in str(vars(loader))
