"""Results that cannot be stored, and databases that do not answer: each is contained."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from probes.recorder import HeldBatch, Recorder
from probes.storing import store
from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tocsin.clock import PlatformClock
from tocsin.database import Connection, Pool
from tocsin.domain.observations import Reason
from tocsin.models.codes import reason_of
from tocsin.running import DATABASE_ERRORS, lent
from tocsin.services.leases import Lease
from tocsin.services.recording import Result

CLOCK = PlatformClock()


async def hush(_: object) -> None:
    """Ring nobody."""


@asynccontextmanager
async def recording(pool: Pool) -> AsyncIterator[Recorder]:
    recorder = Recorder(pool, CLOCK, hush)
    running = asyncio.create_task(recorder.run())
    yield recorder
    running.cancel()


async def store_all(pool: Pool, results: Sequence[Result]) -> None:
    """Hand results to a recorder and wait until it is done with them."""
    batch = HeldBatch(Lease(1, 1), 0, len(results) + 1)
    async with recording(pool) as recorder:
        for each in results:
            recorder.add(each, batch)
        await asyncio.wait_for(recorder.drained(), 5)


async def results_of(owner: Connection, check_id: int, count: int) -> list[Result]:
    return [result(check_id, slot) for slot in await slots_of_check(owner, check_id, count)]


@pytest.mark.parametrize(
    "poison",
    [
        {"message": "PostgreSQL knows no \0"},
        {"message": "UTF-8 knows no \ud800"},
        {"status_code": 100_000},
        {"address": "not an address"},
        {"duration": timedelta(days=1)},
    ],
    ids=lambda poison: next(iter(poison)),
)
async def test_a_result_that_cannot_be_stored_takes_no_other_with_it(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck, poison: dict[str, Any]
) -> None:
    results = await results_of(owner, await make_check(1), 8)
    poisoned = replace(results[3], observation=replace(results[3].observation, **poison))
    await store_all(engine_pool, [*results[:3], poisoned, *results[4:]])
    stored = await owner.fetch("SELECT slot, reason FROM results ORDER BY slot")
    others = [row for row in stored if row["slot"] != poisoned.slot]
    assert [(row["slot"], row["reason"]) for row in others] == [(r.slot, None) for r in results if r is not results[3]]


async def test_a_poisoned_result_is_stored_as_an_internal_error(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck
) -> None:
    [one] = await results_of(owner, await make_check(1), 1)
    await store_all(engine_pool, [replace(one, observation=replace(one.observation, message="\0"))])
    assert reason_of(await owner.fetchval("SELECT reason FROM results")) is Reason.INTERNAL_ERROR


async def test_an_error_of_ours_in_one_check_loses_no_other(owner: Connection, make_check: MakeCheck) -> None:
    results = await results_of(owner, await make_check(1), 8)
    stored: list[Result] = []

    async def write(some: Sequence[Result]) -> set[int]:
        if any(each.slot == results[5].slot for each in some):
            raise RuntimeError
        stored.extend(some)
        return {1}

    assert await store(results, write) == {1}
    assert stored == [*results[:5], *results[6:]]


async def test_a_database_that_is_away_is_no_reason_to_tear_results_apart(
    owner: Connection, make_check: MakeCheck
) -> None:
    async def write(_: Sequence[Result]) -> set[int]:
        raise asyncpg.CannotConnectNowError

    with pytest.raises(asyncpg.CannotConnectNowError):
        await store(await results_of(owner, await make_check(1), 2), write)


async def test_what_is_asked_of_a_database_that_does_not_answer_is_given_up(engine_pool: Pool) -> None:
    with pytest.raises(DATABASE_ERRORS):
        async with lent(engine_pool, 0.2) as connection, connection.transaction():
            await connection.execute("SELECT pg_sleep(5)")
    async with lent(engine_pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_commit_whose_answer_was_lost_is_repeated_without_harm(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck
) -> None:
    results = await results_of(owner, await make_check(1), 3)
    await store_all(engine_pool, results)
    await store_all(engine_pool, results)
    assert await owner.fetchval("SELECT count(*) FROM results") == 3
    assert await owner.fetchval("SELECT count(*) FROM events") == 1
    assert await owner.fetchval("SELECT folded_through FROM check_states") >= NOON
