"""Checks are edited under load: no slot is silent and none doubled where one version of a schedule ends."""

import asyncio
import random

from tests.engine.harness import ORGANIZATION, Platform, Target
from tocsin.database import Role, orm
from tocsin.services.checks import pause_check, resume_check, update_check

ACTOR = "somebody"


async def edit(check_id: int, port: int, chance: random.Random) -> None:
    """One edit of any kind."""
    match chance.choice(["pause", "resume", "interval", "target"]):
        case "pause":
            await pause_check(ORGANIZATION, check_id, ACTOR)
        case "resume":
            await resume_check(ORGANIZATION, check_id, ACTOR)
        case "interval":
            await update_check(ORGANIZATION, check_id, {"interval_seconds": chance.choice([1, 2, 3])}, ACTOR)
        case "target":
            url = f"http://127.0.0.1:{port}/{chance.randrange(10)}"
            await update_check(ORGANIZATION, check_id, {"target": ("http", {"url": url})}, ACTOR)


async def test_edits_under_load_leave_no_slot_silent_or_doubled(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    chance = random.Random(7)
    check_ids = await platform.make_checks(100, 1, port)
    platform.scheduler(), platform.worker()
    since = await platform.until_probing()
    async with orm(platform.database_url, Role.API):
        for _ in range(80):
            await edit(chance.choice(check_ids), port, chance)
            await asyncio.sleep(0.04)
    # The last edits take effect a few seconds ahead.
    await asyncio.sleep(4)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed, total.strays) == ([], [], {}, [])
    assert await platform.stop() == [0, 0]
    assert answer.answered == await platform.ask("SELECT count(*) FROM results")
    assert await platform.problems() == []
