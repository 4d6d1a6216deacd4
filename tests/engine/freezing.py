"""A process that stops itself in the middle of a transaction: `python -m tests.engine.freezing record | plan`.

`record` holds the states of all checks and their organization's counter, `plan` the key of the next tick.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta

from tocsin.database import Connection, Role, open_pool
from tocsin.domain.observations import Observation, Outcome
from tocsin.services import recording
from tocsin.services.event_log import News, append_news
from tocsin.services.recording import Result, record


async def append_and_freeze(connection: Connection, news: Mapping[int, News]) -> dict[int, int]:
    numbers = await append_news(connection, news)
    freeze()
    return numbers


def freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def freeze_in_record(connection: Connection) -> None:
    recording.append_news = append_and_freeze  # type: ignore[attr-defined]
    now = await connection.fetchval("SELECT date_trunc('second', now()) + interval '0.5 ms'")
    seen = Observation(Outcome.SUCCESS, now, timedelta(0))
    ids = [row["id"] for row in await connection.fetch("SELECT id FROM checks")]
    # At instants that are not due, so that the account shows nothing of it.
    await record(connection, [Result(check_id, now, 1, 1, seen) for check_id in ids], now)


async def freeze_in_plan(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO ticks (at) SELECT max(at) + interval '1 second' FROM ticks")
        freeze()


async def main() -> None:
    work = {"record": freeze_in_record, "plan": freeze_in_plan}[sys.argv[1]]
    async with await open_pool(os.environ["TOCSIN_DATABASE_URL"], Role.ENGINE) as pool, pool.acquire() as connection:
        await work(connection)


if __name__ == "__main__":
    asyncio.run(main())
