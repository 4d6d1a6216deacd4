"""What processes say is structured, complete, and without secrets."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.up.platform import free_port
from tocsin.logs import Sparing, masked

PREAMBLE = """
import logging, sys, warnings
import structlog
from tocsin.logs import configure_logging
configure_logging("worker", sys.argv[1])
log = structlog.get_logger("tocsin.test")
"""


def run(source: str, log_format: str = "json", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + source, log_format],
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path[1:]), **variables},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )


def events(source: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(source).stdout.splitlines()]


def test_an_event_says_when_who_and_what() -> None:
    event = events("log.warning('slots_missed', count=3)")[0]
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "warning",
        "process": "worker",
        "logger": "tocsin.test",
        "event": "slots_missed",
        "count": 3,
    }


def test_what_is_bound_to_a_request_or_a_check_is_in_each_of_its_events() -> None:
    event = events("structlog.contextvars.bind_contextvars(request_id='r1', check_id=7); log.info('x')")[0]
    assert (event["request_id"], event["check_id"]) == ("r1", 7)


def test_what_libraries_say_comes_the_same_way() -> None:
    event = events("logging.getLogger('asyncio').error('task %s failed', 7)")[0]
    assert (event["event"], event["logger"], event["process"]) == ("task 7 failed", "asyncio", "worker")


def test_an_exception_is_one_line() -> None:
    event = events("try:\n  1 / 0\nexcept ZeroDivisionError:\n  log.exception('broken')")[0]
    assert event["exception"].startswith("Traceback")
    assert event["exception"].endswith("ZeroDivisionError: division by zero")


def test_a_crash_is_an_event() -> None:
    done = run("raise RuntimeError('postgresql://tocsin:swordfish@db/tocsin')")
    event = json.loads(done.stdout)
    assert (event["event"], event["level"]) == ("crashed", "critical")
    assert "swordfish" not in done.stdout + done.stderr
    assert done.returncode == 1


def test_warnings_are_events() -> None:
    assert events("warnings.warn('careful')")[0]["logger"] == "py.warnings"


def test_no_library_tells_the_urls_of_targets() -> None:
    assert events("logging.getLogger('httpx').info('HTTP Request: GET https://example.com/?key=1')") == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("{'authorization': 'bearer abc'}", "{'authorization': 'Bearer ***'}"),
        ("redis://:swordfish@redis:6379/0", "redis://***@redis:6379/0"),
        ("postgresql://tocsin:sword%40fish@db/tocsin", "postgresql://***@db/tocsin"),
        ("token tocsin_EOSi06ljJaDIBsyt96769Z7zCC5 is", "token tocsin_*** is"),
        ("https://example.com/a@b, user@example.com", "https://example.com/a@b, user@example.com"),
        ("tocsin_api", "tocsin_api"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_people_get_a_line_that_they_can_read() -> None:
    line = run("log.warning('slots_missed', reason='LEASE_EXPIRED', note='two words')", "console").stdout
    assert line.partition(" ")[2] == "worker     WARNING slots missed  reason=LEASE_EXPIRED note='two words'\n"


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    servers = {"TOCSIN_DATABASE_URL": "postgresql://db/tocsin", "TOCSIN_REDIS_URL": "redis://redis"}
    source = "import os; from tocsin.pulse import Pulse; from tocsin.telemetry import start_telemetry\n"
    source += "start_telemetry('worker', os.environ, Pulse())"
    return run(source, **{**servers, **variables})


def test_a_wrong_setting_ends_the_process_with_one_line() -> None:
    done = start(TOCSIN_WORKER_CONCURRENCY="many")
    assert done.returncode == 2
    assert done.stderr == "tocsin: TOCSIN_WORKER_CONCURRENCY must be a whole number from 1 to 1000000\n"


def test_metrics_are_served_where_a_port_is_set() -> None:
    source = """
import os, urllib.request
from prometheus_client import Counter
from tocsin.pulse import Pulse
from tocsin.telemetry import start_telemetry
start_telemetry("worker", os.environ, Pulse())
Counter("tocsin_things_total", "Things.").inc()
print(urllib.request.urlopen(f"http://127.0.0.1:{os.environ['TOCSIN_METRICS_PORT']}/metrics").read().decode())
"""
    servers = {"TOCSIN_DATABASE_URL": "postgresql://db/tocsin", "TOCSIN_REDIS_URL": "redis://redis"}
    assert "tocsin_things_total 1.0" in run(source, TOCSIN_METRICS_PORT=str(free_port()), **servers).stdout


def test_a_taken_port_for_metrics_ends_the_process_with_one_line() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(TOCSIN_METRICS_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"tocsin: TOCSIN_METRICS_PORT {port} cannot be used (Address already in use)")


def test_the_orm_does_not_chat_when_it_ends() -> None:
    assert events("logging.getLogger('tortoise').info('Tortoise-ORM shutdown')") == []


def test_what_a_library_repeats_is_heard_once_a_minute() -> None:
    now = 0.0
    sparing = Sparing(lambda: now)

    def heard(name: str) -> bool:
        return sparing.filter(logging.LogRecord(name, logging.ERROR, "", 0, "Redis is away", (), None))

    assert [heard("dramatiq.worker"), heard("dramatiq.worker"), heard("tocsin.queue")] == [True, False, True]
    now = 60.0
    assert heard("dramatiq.worker")


def test_a_library_that_is_repetitive_tells_its_exceptions_in_one_line() -> None:
    source = "try:\n  1 / 0\nexcept ZeroDivisionError:\n  logging.getLogger('dramatiq.worker').exception('broken')"
    event = events(source)[0]
    assert event["error"] == "ZeroDivisionError: division by zero"
    assert "exception" not in event
