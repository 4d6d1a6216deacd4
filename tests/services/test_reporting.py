"""Reports in the database: what the receiver's role may do, and when nothing could come in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import asyncpg
import pytest

from tests.services.conftest import NOON, MakeCheck
from tocsin.database import Connection, Role, open_pool
from tocsin.domain.heartbeats import Heartbeat, Reception, Report, ReportKind, ReportSource
from tocsin.services.heartbeats import load_heartbeats, load_reception
from tocsin.services.reporting import Incoming, show_reception, store_reports

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def receiver(database_url: str) -> AsyncIterator[Connection]:
    """A connection in the receiver's role."""
    async with await open_pool(database_url, Role.RECEIVER) as pool, pool.acquire() as connection:
        yield connection


@pytest.fixture
async def check_id(make_check: MakeCheck, owner: Connection) -> int:
    check_id = await make_check()
    await owner.execute("UPDATE checks SET kind = 'heartbeat'")
    await owner.execute("INSERT INTO heartbeats (check_id, organization_id) VALUES ($1, 1)", check_id)
    return check_id


@pytest.fixture
async def key_hash(owner: Connection, check_id: int) -> bytes:
    key: UUID = await owner.fetchval("SELECT key FROM heartbeats WHERE check_id = $1", check_id)
    return sha256(key.bytes).digest()


def incoming(key_hash: bytes, kind: ReportKind = ReportKind.SUCCESS, minutes: float = 0) -> Incoming:
    report = Report(kind, NOON + minutes * MINUTE, exit_code=0, payload="rows: 3", size=7)
    return Incoming(key_hash, report, ReportSource.HTTP)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT key FROM heartbeats",
        "SELECT payload FROM heartbeats",
        "SELECT payload FROM heartbeat_reports",
        "UPDATE heartbeats SET key = gen_random_uuid()",
        "UPDATE heartbeats SET organization_id = 2",
        "INSERT INTO heartbeats (check_id, organization_id) VALUES (1, 1)",
        "DELETE FROM heartbeats",
        "SELECT 1 FROM checks",
        "SELECT 1 FROM organizations",
        "SELECT 1 FROM api_tokens",
        "SELECT 1 FROM results",
        "DELETE FROM heartbeat_reception",
        "INSERT INTO ticks (at) VALUES (now())",
        "SELECT * FROM tocsin_authenticate('a')",
    ],
)
async def test_a_receiver_may_do_nothing_else(receiver: Connection, check_id: int, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await receiver.execute(statement)


async def test_what_a_receiver_stores_is_what_a_worker_reads(
    receiver: Connection, connection: Connection, check_id: int, key_hash: bytes
) -> None:
    start = incoming(key_hash, ReportKind.START)
    end = incoming(key_hash, minutes=2)
    assert await store_reports(receiver, [start, end]) == {key_hash}
    known = await load_heartbeats(connection, [check_id], [check_id])
    assert known == {check_id: Heartbeat(end.report, 2 * MINUTE)}


async def test_a_payload_is_read_where_it_is_asked_for_and_of_failures(
    receiver: Connection, connection: Connection, check_id: int, key_hash: bytes
) -> None:
    payloads = []
    for kind in (ReportKind.SUCCESS, ReportKind.FAILURE):
        await store_reports(receiver, [incoming(key_hash, kind)])
        known = (await load_heartbeats(connection, [check_id], []))[check_id]
        assert known.last
        payloads.append((known.last.payload, known.last.size))
    assert payloads == [("", 7), ("rows: 3", 7)]


async def test_a_worker_reads_no_key(connection: Connection, check_id: int) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT key FROM heartbeats")


async def test_a_start_leaves_what_was_said_last(
    receiver: Connection, connection: Connection, check_id: int, key_hash: bytes
) -> None:
    success = incoming(key_hash)
    await store_reports(receiver, [success])
    await store_reports(receiver, [incoming(key_hash, ReportKind.START, 1)])
    known = (await load_heartbeats(connection, [check_id], [check_id]))[check_id]
    assert (known.last, len(known.open_runs)) == (success.report, 1)


async def test_a_renewed_key_reports_nothing(receiver: Connection, owner: Connection, key_hash: bytes) -> None:
    await owner.execute("UPDATE heartbeats SET key = gen_random_uuid()")
    assert await store_reports(receiver, [incoming(key_hash)]) == set()
    assert await owner.fetchval("SELECT reports FROM heartbeats") == 0


async def test_a_batch_of_more_reports_than_are_kept_keeps_the_newest(
    receiver: Connection, owner: Connection, key_hash: bytes
) -> None:
    await store_reports(receiver, [incoming(key_hash, minutes=number) for number in range(250)])
    kept = await owner.fetchrow("SELECT count(*), min(number), max(number) FROM heartbeat_reports")
    assert kept is not None
    assert tuple(kept) == (100, 151, 250)


async def test_what_is_left_of_a_check_goes_with_it(receiver: Connection, owner: Connection, key_hash: bytes) -> None:
    await store_reports(receiver, [incoming(key_hash)])
    await owner.execute("DELETE FROM checks")
    assert await owner.fetchval("SELECT count(*) FROM heartbeat_reports") == 0


async def test_receivers_one_after_another_are_no_interruption(receiver: Connection, connection: Connection) -> None:
    await show_reception(receiver, NOON, NOON + MINUTE)
    await show_reception(receiver, NOON + MINUTE + timedelta(seconds=2), NOON + 2 * MINUTE)
    assert await load_reception(connection) == Reception(NOON + 2 * MINUTE)


async def test_a_time_without_any_receiver_is_one(receiver: Connection, connection: Connection) -> None:
    await show_reception(receiver, NOON, NOON + MINUTE)
    for minutes in (5, 6):
        await show_reception(receiver, NOON + 5 * MINUTE, NOON + minutes * MINUTE)
    assert await load_reception(connection) == Reception(NOON + 6 * MINUTE, NOON + MINUTE, NOON + 5 * MINUTE)


async def test_a_receiver_that_is_behind_does_not_turn_time_back(receiver: Connection, connection: Connection) -> None:
    await show_reception(receiver, NOON, NOON + 2 * MINUTE)
    await show_reception(receiver, NOON, NOON + MINUTE)
    assert await load_reception(connection) == Reception(NOON + 2 * MINUTE)
