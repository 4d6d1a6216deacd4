"""Leases: one holder a batch, handed on when it is gone, and finished only by whoever holds it."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from tests.services.conftest import NOON, MakeCheck, result
from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, Pool
from tocsin.services.leases import (
    Holder,
    Lease,
    claim_batch,
    claim_batches,
    complete,
    hand_back,
    heartbeat,
    load_definitions,
    load_slots,
    watermark,
)
from tocsin.services.planning import CATCH_UP_LIMIT, PlannedTick, plan_next_tick, start_ledger
from tocsin.services.recording import record
from tocsin.services.sweeping import LEASE_SECONDS, LeaseWatch, release_expired

SECOND = timedelta(seconds=1)


async def plan_one(connection: Connection, at: datetime = NOON) -> PlannedTick:
    await start_ledger(connection, at - SECOND)
    tick = await plan_next_tick(connection, at - PLAN_LEAD)
    assert tick is not None
    return tick


async def claim(connection: Connection, batch_id: int, holder: UUID | None = None) -> Lease:
    lease = await claim_batch(connection, Holder(holder or uuid4(), location_id=1), batch_id, NOON)
    assert lease is not None
    return lease


async def test_a_batch_has_one_holder(engine_pool: Pool, make_check: MakeCheck) -> None:
    await make_check(1)
    async with engine_pool.acquire() as connection:
        [batch_id] = (await plan_one(connection)).batch_ids

    async def race() -> Lease | None:
        async with engine_pool.acquire() as connection:
            return await claim_batch(connection, Holder(uuid4(), location_id=1), batch_id, NOON)

    leases = await asyncio.gather(*(race() for _ in range(6)))
    assert [lease for lease in leases if lease is not None] == [Lease(batch_id, 1)]


async def test_a_batch_that_no_hint_named_is_found_in_the_ledger(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    assert await claim_batches(connection, Holder(uuid4(), location_id=1), 0, NOON, most=10) == [Lease(batch_id, 1)]


async def test_a_batch_that_is_too_old_is_left_to_the_sweeper(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    await plan_one(connection)
    assert await claim_batches(connection, Holder(uuid4(), location_id=1), 0, NOON + CATCH_UP_LIMIT, most=10) == []


async def test_a_lease_loads_what_is_to_be_probed(connection: Connection, make_check: MakeCheck) -> None:
    check_id = await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    [due] = await load_slots(connection, await claim(connection, batch_id))
    assert (due.check_id, due.revision, due.location_id) == (check_id, 1, 1)
    assert NOON <= due.slot < NOON + SECOND
    definitions = await load_definitions(connection, [(check_id, 1)])
    assert definitions[check_id, 1].timeout == SECOND


async def test_a_second_attempt_leaves_out_what_has_a_result(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    holder = uuid4()
    first, second = await load_slots(connection, await claim(connection, batch_id, holder))
    await record(connection, [result(first.check_id, first.slot)], NOON)
    await hand_back(connection, holder)
    again = await claim(connection, batch_id)
    assert (again.attempt, await load_slots(connection, again)) == (2, [second])


async def test_a_lost_lease_cannot_complete_a_batch(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    frozen = uuid4()
    lost = await claim(connection, batch_id, frozen)
    await hand_back(connection, frozen)
    current = await claim(connection, batch_id)
    await complete(connection, [lost])
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is None
    await complete(connection, [current])
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is not None


async def test_a_lease_ends_when_its_heartbeat_stands_still(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    await claim(connection, batch_id)
    watch = LeaseWatch()
    assert await release_expired(connection, watch, 0, 100.0) == []
    assert await release_expired(connection, watch, 0, 100.0 + LEASE_SECONDS - 0.1) == []
    assert await release_expired(connection, watch, 0, 100.0 + LEASE_SECONDS) == [("default", batch_id)]
    assert (await claim(connection, batch_id)).attempt == 2


async def test_a_heartbeat_keeps_a_lease(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    holder, watch = uuid4(), LeaseWatch()
    await claim(connection, batch_id, holder)
    for seconds in range(20):
        assert await release_expired(connection, watch, 0, float(seconds)) == []
        await heartbeat(connection, holder, [batch_id])


async def test_the_watermark_passes_what_is_done(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    [first] = (await plan_one(connection)).batch_ids
    tick = await plan_next_tick(connection, NOON)
    assert tick is not None
    assert await watermark(connection, 0) == first
    await complete(connection, [await claim(connection, first)])
    assert await watermark(connection, first) == tick.batch_ids[0]
