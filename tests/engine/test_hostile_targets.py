"""Hostile targets among good ones, through the whole engine: the short form of `benchmarks.hostile`."""

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import hostile
from tests.engine.harness import Platform


async def test_good_targets_are_probed_beside_hostile_ones(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "EVERY_SECONDS", 2)
    monkeypatch.setattr(hostile, "SETTLE_SECONDS", 4.0)
    with (tmp_path / "said").open("w") as said:
        outcome = await hostile.compare(platform, hostile.Order(good=100, hostile=20, seconds=4), Console(file=said))
    assert (outcome.alone.failed, outcome.beside.failed) == (0, 0)
    assert outcome.beside.probed >= 100
    assert outcome.hostile_probes >= 20
    # The benchmark holds the figures; a machine that does other things as well is given seconds.
    assert outcome.overtime_p99_ms <= 2000
    assert outcome.beside.p99 - outcome.alone.p99 <= 2
    assert outcome.beside.memory_bytes - outcome.alone.memory_bytes <= 64 * hostile.MIB
