"""How the API's answers are read."""

import pytest

from tests.watch.stand_in import NOON, check_node, incident, result
from tocsin.watch.wire import read_checks, read_clock


def page(*nodes: dict[str, object]) -> dict[str, object]:
    return {"checks": {"nodes": list(nodes)}}


def test_results_of_the_past_are_read_in_their_order() -> None:
    (check,) = read_checks(page(check_node(1, results={"nodes": [result(2), result(1)]})))
    assert [seen.slot.second for seen in check.results] == [1, 2]


def test_without_the_past_the_last_result_is_read() -> None:
    node = check_node(1, lastResult=result(3))
    del node["results"]
    assert [seen.slot.second for seen in read_checks(page(node))[0].results] == [3]
    (check,) = read_checks(page({**node, "lastResult": None}))
    assert check.results == ()


def test_a_page_tells_the_platforms_clock() -> None:
    assert read_clock(page(check_node(1))) == NOON
    assert read_clock(page()) is None


@pytest.mark.parametrize("character", ["\x1b", "\n", "\r", "\x00", "\x9b", "\u202e", "\u2028"])
def test_what_a_target_answered_cannot_command_the_terminal(character: str) -> None:
    hostile = f"a{character}[2Jb"
    node = check_node(1, name=hostile, openIncident=incident(1, message=hostile))
    node["results"] = {"nodes": [result(1, message=hostile, reason=hostile)]}
    (check,) = read_checks(page(node))
    assert check.incident is not None
    assert {check.named.name, check.incident.message, check.results[0].message} == {"a [2Jb"}
