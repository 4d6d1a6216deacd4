"""The benchmarks of whole installations, on a few checks."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from benchmarks import lateness, page, pipeline, record, stock_worker
from benchmarks.costs import Cost
from benchmarks.installation import installed
from benchmarks.target import running_target
from probes import runner
from probes.egress import EgressPolicy
from probes.engine import Engine
from tocsin.domain.observations import Outcome
from tocsin.domain.targets.http import HttpTarget
from tocsin.settings import Servers


@pytest.fixture
def installation(database_url: str, servers: Servers) -> Servers:
    return Servers(database_url, servers.redis_url)


async def test_results_are_stored_by_all_sides(installation: Servers) -> None:
    sides = await record.compare(installation, 10, rounds=1, checks=20)
    assert [cost.operations for cost in (*sides.stored, *sides.folded, *sides.bulk_created)] == [20, 20, 20]
    assert len(record.judge(10, sides)) == 2


async def test_the_same_page_is_shown_by_all_sides(installation: Servers) -> None:
    sides = await page.compare(installation, rounds=1, pages=1)
    assert sides.ours[0].server_cpu_seconds > 0
    assert len(page.judge(sides)) == 2


async def test_ticks_are_planned(installation: Servers) -> None:
    figure = await lateness.run_planning(installation, checks=3000, ticks=2)
    assert int(figure.detail.split()[0]) == pytest.approx(3000 / 60, rel=0.6)


async def test_the_stock_worker_probes_as_ours_does() -> None:
    engine = Engine(EgressPolicy(allow_private=True), lambda: datetime.now(UTC))
    with running_target() as target, patch.dict(vars(runner), PROBERS={HttpTarget.kind: stock_worker.probe_http}):
        seen = await runner.probe(HttpTarget(url=target.http_url + "/1"), timedelta(seconds=5), engine)
    assert (seen.outcome, seen.status_code) == (Outcome.SUCCESS, 200)


async def test_the_cost_of_results_counts_what_is_stored_meanwhile(installation: Servers) -> None:
    async with installed(installation) as connection:
        cost = await pipeline.cost_of_stored(connection, lambda: 1.0, lambda: 2.0, 0.01)
    assert (cost.operations, cost.client_cpu_seconds) == (0, 0.0)


def test_a_pipeline_is_judged_by_its_busy_worker() -> None:
    turns = pipeline.Turns([Cost(10, 3, 1, 1)], [Cost(10, 1, 1, 1)], [Cost(10, 11, 1, 1)])
    assert [figure.measured for figure in pipeline.judge(turns)] == ["11x", "3.67x"]


@pytest.mark.soak
async def test_an_installation_bears_a_load(installation: Servers) -> None:
    with running_target() as target:
        seen = await lateness.bear(lateness.Load(100, 2), installation, target, seconds=3)
    assert seen.results > 100
    assert seen.unsuccessful == 0
    assert len(seen.pages) > 5


@pytest.mark.soak
async def test_workers_take_turns() -> None:
    turns = await pipeline.take_turns(rounds=1, seconds=2, same_load=50, busy_load=100)
    assert min(cost.operations for cost in (*turns.ours, *turns.ours_busy, *turns.stock)) > 50
