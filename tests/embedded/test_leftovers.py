"""However the program ends, its servers end with it; and whatever is left, the next start goes on."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.embedded.program import is_gone, running_program, wait_until
from tocsin.embedded import EmbeddedServerError, EmbeddedServers, embedded_servers, lock
from tocsin.embedded.guard import LOG_LIMIT_BYTES, BoundedLog


def test_a_killed_program_leaves_no_server(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        program.kill()
        assert wait_until(program.servers_are_gone)
        assert wait_until(lambda: all(map(is_gone, program.guards)))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at a parent's death")
def test_a_killed_guard_leaves_no_server(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        for guard in program.guards:
            os.kill(guard, signal.SIGKILL)
        assert wait_until(program.servers_are_gone)


def test_a_terminated_program_leaves_no_server(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        program.process.terminate()
        assert wait_until(program.servers_are_gone)


def test_the_next_start_waits_for_the_servers_of_a_killed_program(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        program.kill()
        with embedded_servers(data_dir, fast=True) as servers:
            assert servers.postgres.answers()
            assert program.servers_are_gone()


def test_the_next_start_goes_on_after_everything_was_killed(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        for pid in (program.process.pid, *program.guards, program.postgres, program.valkey):
            os.kill(pid, signal.SIGKILL)
        program.process.wait()
        with embedded_servers(data_dir, fast=True) as servers:
            assert servers.postgres.answers()


def test_an_interrupt_from_the_terminal_reaches_the_program_alone(data_dir: Path) -> None:
    with running_program(data_dir) as program:
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.read() is True
        assert program.process.wait() == 0
        assert program.servers_are_gone()


def test_a_process_that_the_program_forked_keeps_no_server_alive(data_dir: Path) -> None:
    with running_program(data_dir, "fork") as program:
        program.kill()
        assert wait_until(program.servers_are_gone)
        assert not is_gone(program.forked)
        os.kill(program.forked, signal.SIGKILL)


def test_a_stale_pid_file_with_the_id_of_another_process_is_no_obstacle(embedded: EmbeddedServers) -> None:
    embedded.postgres.kill()
    pid_file = embedded.home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"], **embedded.postgres.account.identity()) as other:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]))
        embedded.postgres.start()
        other.kill()


def test_a_log_is_bounded(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "server.log")
    for _ in range(9):
        log.write(b"x" * (LOG_LIMIT_BYTES // 2))
    log.file.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2.5 * LOG_LIMIT_BYTES


def test_children_that_do_not_end_keep_the_next_start_away(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "CHILDREN_SECONDS", 0.05)
    leftover = os.open(fresh_dir / lock.CHILDREN_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(leftover, fcntl.LOCK_EX)
    with pytest.raises(EmbeddedServerError, match="processes of an earlier run"), embedded_servers(fresh_dir):
        pass
    os.close(leftover)
