"""An orchestrator learns whether a scheduler or a worker is at work, and when it stands still."""

from collections.abc import Iterator

import httpx
import pytest

from tocsin.operations_server import serve_operations
from tocsin.pulse import STILL_SECONDS, Pulse


class Process:
    """A process as an orchestrator sees it, with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pulse = Pulse(lambda: self.now)
        self.server = serve_operations(0, self.pulse)

    def status(self, path: str) -> int:
        return httpx.get(f"http://127.0.0.1:{self.server.server_port}{path}", trust_env=False).status_code


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.server.shutdown()
    process.server.server_close()


def test_a_process_that_waits_for_its_database_is_alive_and_not_ready(process: Process) -> None:
    process.now = 10 * STILL_SECONDS
    assert (process.status("/healthz"), process.status("/readyz")) == (200, 503)


def test_a_process_at_work_is_alive_and_ready(process: Process) -> None:
    process.pulse.beat()
    assert (process.status("/healthz"), process.status("/readyz")) == (200, 200)


def test_a_process_that_begins_no_round_for_long_is_neither(process: Process) -> None:
    process.pulse.beat()
    process.now = STILL_SECONDS + 1
    assert (process.status("/healthz"), process.status("/readyz")) == (503, 503)


def test_what_it_counts_is_beside_it(process: Process) -> None:
    assert process.status("/metrics") == 200


def test_it_answers_nothing_else(process: Process) -> None:
    assert process.status("/ready") == 404
