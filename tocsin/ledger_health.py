"""How the ledger is doing, in numbers of the whole platform, and what they tell of its parts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection

# The next tick is planned ahead of its second, so a tick this old means that nobody plans.
OLDEST_TICK: Final = timedelta(seconds=10)
# Workers look for work every second, and hold it before it is due.
OLDEST_UNCLAIMED: Final = timedelta(seconds=5)
# Readings of a clock differ by the time that they take.
CLOCK_STEP: Final = timedelta(milliseconds=500)


class State(StrEnum):
    """`DEGRADED` says that something is wrong, and that everything works nevertheless."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not ready"


@dataclass(frozen=True)
class Finding:
    """What was found of one part of the platform; the message says what is wrong and what helps."""

    state: State = State.READY
    message: str = ""


@dataclass(frozen=True)
class Ledger:
    """`database_at` is when the database was asked, on its own clock. The ticks are the starts of their seconds."""

    database_at: datetime
    newest_tick_at: datetime | None
    oldest_undone_tick_at: datetime | None
    oldest_unclaimed_tick_at: datetime | None
    undone_batches: int


async def read_ledger(connection: Connection) -> Ledger:
    """For the API's role or the owner."""
    row = await connection.fetchrow("SELECT * FROM tocsin_ledger_health()")
    assert row is not None  # noqa: S101 - an aggregate always has one row
    return Ledger(**row)


def judge_ledger(ledger: Ledger) -> dict[str, Finding]:
    """What the ledger tells of the scheduler, the workers and the database's clock."""
    return {"scheduler": _judge_scheduler(ledger), "worker": _judge_worker(ledger), "clock": _judge_clock(ledger)}


def _judge_scheduler(ledger: Ledger) -> Finding:
    if ledger.newest_tick_at is None:
        return Finding(State.NOT_READY, "no tick was ever planned; check that a scheduler runs")
    age = ledger.database_at - ledger.newest_tick_at
    if age > OLDEST_TICK:
        seconds = age.total_seconds()
        return Finding(State.NOT_READY, f"no tick was planned for {seconds:.0f} s; check that a scheduler runs")
    return Finding()


def _judge_worker(ledger: Ledger) -> Finding:
    if ledger.oldest_unclaimed_tick_at is None:
        return Finding()
    age = ledger.database_at - ledger.oldest_unclaimed_tick_at
    if age > OLDEST_UNCLAIMED:
        seconds = age.total_seconds()
        return Finding(State.NOT_READY, f"nobody took what was due {seconds:.0f} s ago; check that a worker runs")
    return Finding()


def _judge_clock(ledger: Ledger) -> Finding:
    if ledger.newest_tick_at is None:
        return Finding()
    behind = ledger.newest_tick_at - PLAN_LEAD - ledger.database_at
    if behind > CLOCK_STEP:
        seconds = behind.total_seconds()
        return Finding(
            State.DEGRADED,
            f"the database's clock was set back; the platform's is held for {seconds:.0f} s, until it has caught up",
        )
    return Finding()
