"""What a stored result costs, with and without its state folded, against Tortoise's `bulk_create` of a UUID model.

Client and server are both counted. All sides store the same observations, one slot of many checks after the other, in
transactions of the same size and in the order in which slots are due.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import uvloop
from tortoise import Tortoise

from benchmarks.costs import Cost, CpuClock, measured, median, median_ratio
from benchmarks.installation import ORGANIZATION, installed, make_checks, postgres_cpu, running_servers
from benchmarks.record_model import StoredResult
from benchmarks.report import Figure, publish, ratio
from tocsin.database import Connection, Role, open_pool, orm_configuration
from tocsin.domain.observations import Observation, Outcome, Phases
from tocsin.domain.schedule import first_slot_after, interval_schedule
from tocsin.models.codes import OUTCOME_CODES
from tocsin.services import recording
from tocsin.services.recording import Result, record
from tocsin.settings import Servers

ROUNDS = 5
CHECKS = 5000
BATCH_SIZES = (100, 500)
_INTERVAL = timedelta(seconds=60)

Store = Callable[[Sequence[Result]], Awaitable[object]]


@dataclass(slots=True)
class Sides:
    """The costs of each, round by round."""

    stored: list[Cost] = field(default_factory=list)
    folded: list[Cost] = field(default_factory=list)
    bulk_created: list[Cost] = field(default_factory=list)


def results_due(check_ids: Sequence[int], after: datetime) -> list[Result]:
    """The next result of each check, in the order of their slots."""
    phases = Phases(None, *(timedelta(microseconds=us) for us in (310, 1250, 2480, 95)))
    results = []
    for check_id in check_ids:
        slot = first_slot_after(interval_schedule(check_id, _INTERVAL), after)
        started_at = slot + timedelta(microseconds=700)
        expires_at = after + timedelta(days=60)
        observation = Observation(
            Outcome.SUCCESS, started_at, timedelta(microseconds=4_200), None, None, 200, phases, "192.0.2.7", "TLSv1.3",
            expires_at,
        )  # fmt: skip
        results.append(Result(check_id, slot, 1, 1, observation))
    return sorted(results, key=lambda result: result.slot)


def storing(connection: Connection, now: datetime) -> Store:
    """Our results alone: each stored once, whoever repeats it."""

    async def store(results: Sequence[Result]) -> None:
        await connection.execute(recording.INSERT, *recording.arguments(results, now))

    return store


def folding(connection: Connection, now: datetime) -> Store:
    """The whole of ours: results, states, and the event."""

    async def fold(results: Sequence[Result]) -> None:
        await record(connection, results, now)

    return fold


async def bulk_create(results: Sequence[Result]) -> None:
    """Tortoise's way; it makes a transaction of its own."""
    await StoredResult.bulk_create([_model(result) for result in results])


def _model(result: Result) -> StoredResult:
    seen = result.observation
    phases = seen.phases
    return StoredResult(
        organization_id=ORGANIZATION,
        check_id=result.check_id,
        slot=result.slot,
        location_id=result.location_id,
        revision=result.revision,
        started_at=seen.started_at,
        duration_us=_microseconds(seen.duration),
        outcome=OUTCOME_CODES[seen.outcome],
        reason=None,
        status_code=seen.status_code,
        resolve_us=_microseconds(phases.resolve),
        connect_us=_microseconds(phases.connect),
        tls_us=_microseconds(phases.tls),
        processing_us=_microseconds(phases.processing),
        transfer_us=_microseconds(phases.transfer),
        certificate_expires_at=seen.certificate_expires_at,
        address=seen.address,
        message=seen.message,
    )


def _microseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // timedelta(microseconds=1)


async def compare(servers: Servers, batch_size: int, rounds: int = ROUNDS, checks: int = CHECKS) -> Sides:
    """Alternate the sides on one server. The first round, in which checks leave PENDING, is not counted."""
    sides = Sides()
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    async with _stores(servers, checks, since) as (stores, server):
        for number in range(rounds + 1):
            after = since + number * _INTERVAL
            for store, costs, ids in zip(
                stores, (sides.stored, sides.folded, sides.bulk_created), (0, 1, 1), strict=True
            ):
                results = results_due(range(ids * checks + 1, (ids + 1) * checks + 1), after)
                costs.append(await _store_all(store, results, batch_size, server))
    return Sides(sides.stored[1:], sides.folded[1:], sides.bulk_created[1:])


@asynccontextmanager
async def _stores(
    servers: Servers, checks: int, since: datetime
) -> AsyncIterator[tuple[tuple[Store, Store, Store], CpuClock]]:
    """What stores, and what it costs the server. The first half of the checks is stored, the second folded."""
    configuration = orm_configuration(servers.database_url, None)
    configuration["apps"]["models"]["models"] = ["benchmarks.record_model"]
    async with (
        installed(servers) as owner,
        await open_pool(servers.database_url, Role.ENGINE) as pool,
        pool.acquire() as connection,
        await Tortoise.init(config=configuration, _enable_global_fallback=True),
    ):
        await make_checks(owner, 2 * checks, _INTERVAL // timedelta(seconds=1), "http://127.0.0.1", since)
        await Tortoise.generate_schemas()
        yield (storing(connection, since), folding(connection, since), bulk_create), await postgres_cpu(owner)


async def _store_all(store: Store, results: Sequence[Result], batch_size: int, server: CpuClock) -> Cost:
    with measured(len(results), server=server) as cost:
        for start in range(0, len(results), batch_size):
            await store(results[start : start + batch_size])
    return cost


def judge(batch_size: int, sides: Sides) -> list[Figure]:
    """Each side with its goal."""
    reference = median(sides.bulk_created)
    stored, folded = median_ratio(sides.stored, sides.bulk_created), median_ratio(sides.folded, sides.bulk_created)
    return [
        ratio(
            f"stored result, {batch_size} at once",
            "bulk_create",
            stored,
            0.25,
            f"ours {median(sides.stored)}; {reference}",
        ),
        ratio("... with its state folded", "bulk_create", folded, 0.5, f"ours {median(sides.folded)}; {reference}"),
    ]


async def run() -> list[Figure]:
    """All figures of recording."""
    figures: list[Figure] = []
    for batch_size in BATCH_SIZES:
        with running_servers() as servers:
            figures += judge(batch_size, await compare(servers, batch_size))
    return figures


if __name__ == "__main__":
    publish(uvloop.run(run()))
