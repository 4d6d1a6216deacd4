"""The prober for what must report in, and how it reads what came in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from probes.engine import Engine
from probes.heartbeats import Known, StoredHeartbeats
from probes.runner import probe
from tests.probes.conftest import STARTED_AT
from tests.probes.examples import example_target
from tocsin.database import Connection
from tocsin.domain.heartbeats import Heartbeat, Reception, Report, ReportKind
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.heartbeat import HeartbeatTarget

MINUTE = timedelta(minutes=1)


@dataclass
class Reported:
    """Knows one report."""

    heartbeat: Heartbeat

    async def of(self, check_id: int, *, with_payload: bool) -> Known:  # noqa: ARG002 - the protocol's
        return self.heartbeat, Reception(STARTED_AT)


def report(ago: timedelta, kind: ReportKind = ReportKind.SUCCESS, payload: str = "", code: int | None = None) -> Report:
    return Report(kind, STARTED_AT - ago, exit_code=code, payload=payload, size=len(payload))


async def judge(engine: Engine, last: Report | None, run_time: timedelta | None = None, **fields: Any) -> Observation:
    heartbeats = Reported(Heartbeat(last, run_time))
    target = HeartbeatTarget.model_validate({"period_seconds": 300, "grace_seconds": 60, **fields})
    return await probe(target, timedelta(seconds=5), replace(engine, heartbeats=heartbeats), check_id=1)


async def test_a_report_in_time_is_a_success(engine: Engine) -> None:
    assert (await judge(engine, report(5 * MINUTE))).outcome is Outcome.SUCCESS


async def test_silence_is_a_failure(engine: Engine) -> None:
    seen = await judge(engine, report(14 * MINUTE))
    assert (seen.outcome, seen.reason) == (Outcome.FAILURE, Reason.HEARTBEAT_OVERDUE)
    assert seen.message == "last reported 14 min ago, due every 5 min + 1 min grace"


async def test_before_the_first_report_nothing_is_decided(engine: Engine) -> None:
    seen = await judge(engine, None)
    assert (seen.outcome, seen.reason) == (Outcome.UNKNOWN, Reason.HEARTBEAT_AWAITED)


async def test_a_target_that_is_tried_unsaved_has_nothing_to_be_judged_by(engine: Engine) -> None:
    seen = await probe(HeartbeatTarget(period_seconds=60), timedelta(seconds=5), engine)
    assert (seen.outcome, seen.message) == (Outcome.UNKNOWN, "nothing can report in before the check is saved")


ROWS = {"source": "JSON", "path": "$.rows", "operator": "GREATER", "value": "0"}
QUICK = {"source": "LATENCY", "operator": "LESS", "value": "60000"}


@pytest.mark.proves("heartbeat", "payload asserted on")
@pytest.mark.parametrize(("payload", "outcome"), [('{"rows": 3}', Outcome.SUCCESS), ('{"rows": 0}', Outcome.FAILURE)])
async def test_a_payload_can_be_asserted_on(engine: Engine, payload: str, outcome: Outcome) -> None:
    assert (await judge(engine, report(MINUTE, payload=payload), assertions=[ROWS])).outcome is outcome


LONG = '{"rows": 30, "names": "' + "n" * 11_000 + '"}'
SMALL = {"source": "SIZE", "operator": "LESS", "value": "20000"}
CONDITION = {"expression": "json.rows > 10"}


@pytest.mark.parametrize("expected", [{"assertions": [ROWS]}, {"conditions": [CONDITION]}])
async def test_nothing_is_decided_by_a_part_of_a_payload(engine: Engine, expected: dict[str, Any]) -> None:
    cut = replace(report(MINUTE, payload=LONG[:10_000]), size=len(LONG))
    seen = await judge(engine, cut, **expected)
    assert (seen.outcome, seen.reason) == (Outcome.UNKNOWN, Reason.BODY_LIMIT)
    kept = f"only the first 10,000 of {len(LONG):,} bytes of the payload are kept"
    assert seen.message == f"{kept}, so nothing can be asserted on it; send less"


async def test_the_size_of_a_payload_that_was_cut_can_be_asserted_on(engine: Engine) -> None:
    cut = replace(report(MINUTE, payload=LONG[:10_000]), size=len(LONG))
    assert (await judge(engine, cut, assertions=[SMALL])).outcome is Outcome.SUCCESS


async def test_a_payload_of_just_what_is_kept_can_be_asserted_on(engine: Engine) -> None:
    payload = '{"rows": 3}'.ljust(10_000)
    assert (await judge(engine, report(MINUTE, payload=payload), assertions=[ROWS])).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("took", "outcome"),
    [(MINUTE / 2, Outcome.SUCCESS), (2 * MINUTE, Outcome.FAILURE), (None, Outcome.FAILURE)],
)
async def test_a_run_time_can_be_asserted_on(engine: Engine, took: timedelta | None, outcome: Outcome) -> None:
    assert (await judge(engine, report(MINUTE), took, assertions=[QUICK])).outcome is outcome


@pytest.mark.parametrize(
    ("name", "last", "reason"),
    [
        ("heartbeat-pass", report(5 * MINUTE, payload='{"rows": 3}'), None),
        ("heartbeat-fail", report(25 * 60 * MINUTE), Reason.HEARTBEAT_OVERDUE),
    ],
)
async def test_an_example_ends_as_it_says(engine: Engine, name: str, last: Report, reason: Reason | None) -> None:
    heartbeats = Reported(Heartbeat(last))
    seen = await probe(
        example_target(name, "heartbeat"), timedelta(seconds=5), replace(engine, heartbeats=heartbeats), check_id=1
    )
    assert seen.reason is reason


class Counting:
    """A connection that answers slowly, and counts its statements."""

    statements = 0

    async def fetch(self, *_: object) -> list[Any]:
        type(self).statements += 1
        await asyncio.sleep(0.01)
        return []

    async def fetchrow(self, *_: object) -> None:
        type(self).statements += 1


async def test_what_is_judged_at_once_is_asked_at_once() -> None:
    counting = Counting()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        yield counting  # type: ignore[misc]  # what is used of it is there

    heartbeats = StoredHeartbeats(connect)
    known = await asyncio.gather(*(heartbeats.of(check_id % 100, with_payload=False) for check_id in range(500)))
    assert len(known) == 500
    assert Counting.statements <= 4


async def test_who_asks_is_told_that_the_database_is_away_and_the_next_one_is_served() -> None:
    failing = True

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        if failing:
            raise OSError
        yield Counting()  # type: ignore[misc]  # as above

    heartbeats = StoredHeartbeats(connect)
    with pytest.raises(OSError):  # noqa: PT011 - any of them
        await heartbeats.of(1, with_payload=False)
    failing = False
    assert (await heartbeats.of(1, with_payload=False))[0] == Heartbeat()
