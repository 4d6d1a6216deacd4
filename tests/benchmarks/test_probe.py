"""The contest of probes on a few of them."""

from collections.abc import Iterator

import pytest

from benchmarks import probe
from benchmarks.target import Target, running_target


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with running_target() as target:
        yield target


async def test_all_contestants_probe_over_http(target: Target) -> None:
    contest = await probe.compare_http(target, rounds=1, count=40, peers=False)
    assert [cost.operations for cost in (*contest.ours, *contest.httpx)] == [40, 10]


async def test_all_contestants_verify_over_https(target: Target) -> None:
    contest = await probe.compare_https(target, rounds=1, count=40, peers=False)
    assert contest.ours[0].client_cpu_seconds > 0


async def test_references_that_are_not_at_hand_are_said(target: Target) -> None:
    contest = await probe.compare_http(target, rounds=1, count=40, peers=False)
    figures = probe.judge("HTTP probe", contest, 1.3, 0.2)
    assert [figure.measured for figure in figures[:2]] == ["not measured", "not measured"]
