"""Figures say goal, measurement and verdict, for people and for the program that collects them."""

import json

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.costs import Cost, median_ratio
from benchmarks.report import Figure, not_at_hand, ratio


def test_a_ratio_above_its_limit_is_missed() -> None:
    assert ratio("probe", "Go", 1.31, 1.3, "").met is False


def test_what_is_not_at_hand_is_named() -> None:
    figure = not_at_hand("probe", "blackbox_exporter")
    assert (figure.met, figure.detail) == (None, "blackbox_exporter is not at hand")


def test_ratios_are_taken_round_by_round() -> None:
    ours, reference = [Cost(10, 1), Cost(10, 8), Cost(10, 3)], [Cost(10, 2), Cost(10, 4), Cost(10, 6)]
    assert median_ratio(ours, reference) == 0.5


def test_the_table_shows_every_figure() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(
            report.table([Figure("probe", "<= 1.3x", "1.2x", met=True), Figure("page", "-", "4 ms", met=None)])
        )
    assert "1.2x" in capture.get()
    assert "4 ms" in capture.get()


def test_a_program_reads_one_object_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure("probe", "<= 1.3x", "1.2x", met=True)
    monkeypatch.setattr("sys.argv", ["benchmark", "--json"])
    report.publish([figure])
    assert Figure(**json.loads(capsys.readouterr().out)) == figure
