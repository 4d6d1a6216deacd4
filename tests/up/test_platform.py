"""The whole platform: what a newcomer gets, and what is left of it, however it ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.embedded.program import is_gone, wait_until
from tests.up.platform import Platform, platform, remove_data


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that nobody else can enter: as root, the servers' account cannot either."""
    parent = tmp_path_factory.mktemp("closed")
    parent.chmod(0o700)
    yield parent / "data"
    remove_data(parent / "data")


@pytest.fixture(scope="module")
def running(data_dir: Path) -> Iterator[Platform]:
    with platform(data_dir) as running:
        running.wait_until_greeted()
        yield running


def outcomes(running: Platform) -> list[str]:
    data = running.ask("{ checks(first: 20) { nodes { results(first: 5) { nodes { outcome } } } } }")
    return re.findall("'outcome': '([A-Z]+)'", str(data))


def test_a_newcomer_sees_results_within_seconds(running: Platform) -> None:
    assert wait_until(lambda: "SUCCESS" in outcomes(running), 15)


def test_the_first_query_that_a_newcomer_is_told_shows_the_demo(running: Platform) -> None:
    query = re.search(r'"query": "(.*)"', running.said)
    assert query
    assert "Fails every other minute" in str(running.ask(query[1]))


def test_the_platform_is_ready(running: Platform) -> None:
    url = f"http://127.0.0.1:{running.port}/readyz"
    assert wait_until(lambda: httpx.get(url).status_code == 200, 10), httpx.get(url).text


def test_one_page_shows_what_all_processes_count(running: Platform) -> None:
    def metrics() -> str:
        return httpx.get(f"http://127.0.0.1:{running.port}/metrics").text

    assert wait_until(lambda: 'tocsin_probes_total{kind="tcp",outcome="SUCCESS"}' in metrics(), 15)
    assert "tocsin_ticks_planned_total" in metrics()


MAKE_JOB = """
mutation { createCheck(input: {siteId: "%s", name: "job", intervalSeconds: 1,
                               target: {heartbeat: {periodSeconds: 60}}}) {
    ... on Check { heartbeat { pingUrl } } } }
"""


@pytest.mark.proves("heartbeat", "port of its own")
def test_what_must_report_in_does_so_beside_the_api(running: Platform) -> None:
    site = re.findall("'id': '([^']+)'", str(running.ask("{ sites(first: 1) { nodes { id } } }")))[0]
    url = re.findall("'pingUrl': '([^']+)'", str(running.ask(MAKE_JOB % site)))[0]
    assert url.rpartition("/")[0] in running.said
    assert httpx.get(url).text == "OK"

    def status() -> str:
        return str(running.ask("{ checks(kind: HEARTBEAT) { nodes { status } } }"))

    assert wait_until(lambda: "UP" in status(), 15), status()


def test_a_killed_process_is_started_again(running: Platform) -> None:
    killed = running.find("-m probes.scheduler")
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: running.find("-m probes.scheduler") not in (killed, 0))
    assert "scheduler was killed by signal 9; starting it again" in running.said


def test_a_killed_database_is_started_again(running: Platform) -> None:
    postgres = next(pid for pid, command in running.processes().items() if "bin/postgres -D" in command)
    os.kill(postgres, signal.SIGKILL)
    assert wait_until(lambda: "PostgreSQL ended; starting it again" in running.said)
    assert wait_until(lambda: bool(answers(running)), 15)


def answers(running: Platform) -> bool:
    try:
        return "Demo" in str(running.ask("{ sites(first: 5) { nodes { name } } }"))
    except (httpx.HTTPError, TypeError):
        return False


def test_no_secret_stands_in_the_command_of_a_process(running: Platform) -> None:
    assert not any(running.token in command for command in running.processes().values())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_runs_the_servers_as_another_account_from_a_closed_folder(running: Platform, data_dir: Path) -> None:
    assert (data_dir / "servers").is_symlink()
    assert running.process.poll() is None


def test_a_second_start_on_the_same_folder_is_told_of_the_first(running: Platform, data_dir: Path) -> None:
    command = [sys.executable, "-m", "tocsin.cli", "up", f"--data-dir={data_dir}", f"--port={running.port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tocsin: Tocsin runs already on the data folder {data_dir}, as process ")
    assert f"at http://127.0.0.1:{running.port}: use that one" in done.stderr


def test_a_killed_program_leaves_no_process(running: Platform) -> None:
    left = running.processes()
    running.end(signal.SIGKILL)
    assert wait_until(lambda: all(map(is_gone, left)), 6), {pid: left[pid] for pid in left if not is_gone(pid)}


@pytest.fixture(scope="module")
def second(running: Platform, data_dir: Path) -> Iterator[Platform]:
    """A start on the data that another one left."""
    running.end(signal.SIGKILL)
    with platform(data_dir) as second:
        second.wait_until_greeted()
        yield second


def test_a_second_start_goes_on_with_the_same_data(running: Platform, second: Platform) -> None:
    assert second.token == running.token
    assert str(second.ask("{ checks(first: 20) { nodes { name } } }")).count("Steady") == 1


def test_an_interrupt_from_the_terminal_stops_everything_in_order(second: Platform) -> None:
    left = second.processes()
    assert second.end(signal.SIGINT) == 0
    assert all(map(is_gone, left))
    assert second.said.endswith("up         stopped\n")
    assert "killed" not in second.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_the_start_stops_it(data_dir: Path, number: signal.Signals) -> None:
    with platform(data_dir) as running:
        assert wait_until(lambda: "starting" in running.said, 10)
        left = running.processes()
        assert running.end(number) in (0, 130)
        assert all(map(is_gone, left))


def test_it_stops_with_its_parent_when_asked_to(data_dir: Path) -> None:
    parent = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    with platform(data_dir, "--stop-with-parent", under=parent) as running:
        running.wait_until_greeted()
        left = running.processes()
        running.process.kill()
        assert wait_until(lambda: all(map(is_gone, left)))
        assert wait_until(lambda: running.said.endswith("up         stopped\n"))
