"""What many processes say becomes one log for people, or for machines."""

import io
import json

import pytest

from tocsin.up.log import Log


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def test_an_event_is_shown_with_its_details(output: io.StringIO) -> None:
    Log(output=output).pass_on("api", b'{"event": "slots_missed", "level": "warning", "count": 3, "reason": "LEASE"}\n')
    assert output.getvalue().partition(" ")[2] == "api        WARNING slots missed  count=3 reason=LEASE\n"


def test_a_traceback_follows_its_event(output: io.StringIO) -> None:
    Log(output=output).pass_on("api", b'{"event": "crashed", "level": "critical", "exception": "first\\nlast"}')
    assert output.getvalue().partition(" ")[2] == "api        CRITICAL crashed\n    first\n    last\n"


@pytest.mark.parametrize("line", [b"{broken", b"[1]", b'{"no": "event"}', b"plain"])
def test_whatever_else_is_said_is_shown_as_it_is(output: io.StringIO, line: bytes) -> None:
    Log(output=output).pass_on("worker-1", line)
    assert output.getvalue().partition(" ")[2] == f"worker-1   {line.decode()}\n"


def test_secrets_are_hidden_in_what_no_logger_wrote(output: io.StringIO) -> None:
    Log(output=output).pass_on("api", b"cannot connect to postgresql://tocsin:swordfish@db/tocsin")
    assert "swordfish" not in output.getvalue()


def test_empty_lines_are_left_out(output: io.StringIO) -> None:
    Log(output=output).pass_on("api", b"\n")
    assert not output.getvalue()


def test_machines_get_json(output: io.StringIO) -> None:
    log = Log("json", output)
    log.pass_on("worker-2", b'{"event": "stopping", "level": "info", "process": "worker"}')
    log.say("starting")
    events = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [(event["process"], event["event"]) for event in events] == [("worker-2", "stopping"), ("up", "starting")]


def test_a_reader_that_is_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    Log(output=Gone()).say("starting")
