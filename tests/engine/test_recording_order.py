"""Results that arrive around gaps, in whatever order: nothing is lost, and nothing raises."""

from datetime import datetime, timedelta

from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tocsin.database import Connection
from tocsin.services.recording import record

BACK = NOON + timedelta(minutes=10)


async def slots_around_a_gap(owner: Connection, check_id: int) -> list[datetime]:
    """Two slots before a gap of some minutes, and three behind it."""
    before = await slots_of_check(owner, check_id, 2)
    await owner.execute(
        "INSERT INTO gaps VALUES ($1, $2, 'NOTHING_PLANNED')", before[1] + timedelta(milliseconds=1), BACK
    )
    return [*before, *await slots_of_check(owner, check_id, 3, since=BACK)]


async def status_and_progress(owner: Connection) -> tuple[str, datetime]:
    row = await owner.fetchrow("SELECT status, folded_through FROM check_states")
    assert row is not None
    return row["status"], row["folded_through"]


async def test_what_arrives_behind_a_gap_before_the_first_slot_there_waits(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    slots = await slots_around_a_gap(owner, check_id)
    await record(connection, [result(check_id, slot) for slot in slots[:2]], NOON)
    await record(connection, [result(check_id, slots[4])], BACK)
    assert await status_and_progress(owner) == ("UP", slots[1])
    await record(connection, [result(check_id, slot) for slot in slots[2:4]], BACK)
    assert await status_and_progress(owner) == ("UP", slots[4])


async def test_a_gap_is_told_once_whatever_arrives_first_behind_it(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    for slot in reversed(await slots_around_a_gap(owner, check_id)):
        await record(connection, [result(check_id, slot)], BACK)
    changes = await owner.fetch("SELECT to_status FROM status_changes ORDER BY id")
    assert [row["to_status"] for row in changes] == ["UP", "UNKNOWN", "UP"]
