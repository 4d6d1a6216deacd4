"""What the sweeper finds, it finds for all: what is of no use to anybody hides nothing else."""

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.services.conftest import NOON, MakeCheck
from tests.services.test_leases import claim, plan_one
from tocsin.database import Connection
from tocsin.services import sweeping
from tocsin.services.leases import hand_back
from tocsin.services.planning import plan_next_tick
from tocsin.services.sweeping import UNPLANNED_AFTER, unplanned_slots, unprobed_slots

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


async def test_the_slots_of_deleted_checks_do_not_hide_those_of_others(
    connection: Connection, owner: Connection, make_check: MakeCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = [await make_check(1) for _ in range(5)]
    check_id = await make_check(1)
    await plan_one(connection)
    await owner.execute("UPDATE checks SET deleted_at = now() WHERE id = ANY($1::bigint[])", deleted)
    monkeypatch.setattr(sweeping, "_MOST_MISSED", 3)
    assert [slot.check_id for slot in await unprobed_slots(connection, 0, NOON + MINUTE)] == [check_id]


async def test_checks_that_wait_behind_a_gap_do_not_hide_what_was_never_planned(
    connection: Connection, owner: Connection, make_check: MakeCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = NOON + timedelta(hours=1)
    await owner.execute("INSERT INTO gaps VALUES ($1, $2, 'NOTHING_PLANNED')", NOON, back)
    for _ in range(3):
        await make_check(600)
    check_id = await make_check(10, since=back)
    monkeypatch.setattr(sweeping, "_BEHIND", sweeping._BEHIND.replace("LIMIT 500", "LIMIT 2"))
    missed = await unplanned_slots(connection, back + UNPLANNED_AFTER + 30 * SECOND)
    assert {each.check_id for each in missed} == {check_id}


async def test_an_instant_of_cron_that_was_never_planned_is_missed(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(None, cron="0 * * * *")
    await owner.execute("INSERT INTO cron_instants VALUES ($1, $2, 1, 1)", NOON, check_id)
    missed = await unplanned_slots(connection, NOON + UNPLANNED_AFTER + 2 * SECOND)
    assert [each.slot for each in missed] == [NOON]


async def test_a_cron_expression_between_two_of_its_instants_is_not_looked_at(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(None, cron="0 0 * * *")
    assert await connection.fetch(sweeping._BEHIND, NOON + timedelta(hours=3), 0) == []


async def test_what_has_begun_is_kept_when_the_rest_is_handed_back(
    connection: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    holder = uuid4()
    [first] = (await plan_one(connection)).batch_ids
    tick = await plan_next_tick(connection, NOON)
    assert tick is not None
    [second] = tick.batch_ids
    for batch_id in (first, second):
        await claim(connection, batch_id, holder)
    await hand_back(connection, holder, keep=[first])
    held = await connection.fetch("SELECT batch_id FROM batch_leases WHERE holder IS NOT NULL")
    assert [row["batch_id"] for row in held] == [first]
