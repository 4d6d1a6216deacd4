"""A setting that cannot be used stops a start with one line, before anything is started."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.up.platform import free_port

OWN = {"TOCSIN_DATABASE_URL": "postgresql://tocsin:swordfish@db/tocsin", "TOCSIN_REDIS_URL": "redis://redis"}


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("TOCSIN_PORT", "80 80", "must be a port from 1 to 65535"),
        ("TOCSIN_PORT", "0", "must be a port from 1 to 65535"),
        ("TOCSIN_METRICS_PORT", "65536", "must be a port from 1 to 65535"),
        ("TOCSIN_DATABASE_URL", "mysql://swordfish@db", "must be a URL such as postgresql://"),
        ("TOCSIN_REDIS_URL", "http://swordfish", "must be a URL such as redis://"),
        ("TOCSIN_ALLOWED_ORIGINS", "example.com", "must list origins such as https://"),
        ("TOCSIN_ALLOW_PRIVATE_TARGETS", "perhaps", "must be true or false"),
        ("TOCSIN_EGRESS_EXCEPTIONS", "localhost:80", "must list addresses such as 10.0.0.7:443"),
        ("TOCSIN_EGRESS_EXCEPTIONS", "10.0.0.7", "must list addresses such as 10.0.0.7:443"),
        ("TOCSIN_PROXY_URL", "https://proxy.example.com", "must be a URL such as http://proxy.example.com:3128"),
        ("TOCSIN_PROXY_URL", "http://proxy.example.com", "must be a URL such as http://proxy.example.com:3128"),
        ("TOCSIN_PROXY_URL", "http://[::1:3128", "must be a URL such as http://proxy.example.com:3128"),
        ("TOCSIN_EXTRA_CA_FILE", "/no/such/file", "cannot be read (No such file or directory)"),
        ("TOCSIN_EXTRA_CA_FILE", __file__, "holds no certificate"),
        ("TOCSIN_RESULTS_RETENTION_DAYS", "0", "must be a whole number from 1"),
        ("TOCSIN_HISTORY_RETENTION_DAYS", "-1", "must be a whole number from 1"),
        ("TOCSIN_WORKER_CONCURRENCY", "1e3", "must be a whole number from 1"),
        ("TOCSIN_BOOTSTRAP_TOKEN", "swordfish", "must be at least 24 ASCII characters"),
        ("TOCSIN_LOG_FORMAT", "xml", "must be json or console"),
        ("TOCSIN_CLUSTER", "My Cluster", "must be a name of lower-case letters"),
        ("TOCSIN_WATCH_NAMESPACES", "team-a,Team-B", "must be a namespace"),
        ("TOCSIN_SECRET_NAMESPACES", "*", "must be a namespace"),
        ("TOCSIN_NAMESPACE_ORGANIZATIONS", "team-a", "must list pairs such as team-a=acme"),
        ("TOCSIN_MQTT_URL", "http://swordfish", "must be a URL such as mqtts://user:password@"),
        ("TOCSIN_MQTT_URL", "mqtt://b/a/b", "must be a URL such as mqtts://user:password@"),
        ("TOCSIN_RECEIVER_PORT", "0", "must be a port from 1 to 65535"),
        ("TOCSIN_RECEIVER_URL", "https://me:swordfish@ping", "must be a URL such as https://ping.example.com"),
        ("TOCSIN_RECEIVER_TRUSTED_PROXIES", "proxy", "must list addresses or networks such as 10.0.0.0/8"),
        ("TOCSIN_OPERATOR_NAMESPACE", "-", "must be a namespace"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(run: Run, name: str, value: str, remedy: str) -> None:
    done = run("up", **{**OWN, name: value})
    assert done.exit_code == 2
    assert done.stderr.startswith(f"tocsin: {name} {remedy}")
    assert done.stderr.count("\n") == 1
    assert "swordfish" not in done.output


@pytest.mark.parametrize("missing", OWN)
def test_half_of_the_own_servers_is_not_enough(run: Run, missing: str) -> None:
    done = run("up", **{**OWN, missing: ""})
    assert done.exit_code == 2
    assert done.stderr.startswith(f"tocsin: {missing} is not set, but ")


def test_a_taken_port_is_said_before_anything_is_started(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("up", "--port", str(port))
    assert done.exit_code == 2
    assert done.stderr == (
        f"tocsin: --port {port} on 127.0.0.1 is taken by another program; "
        f"choose another one, such as --port {port + 1}\n"
    )
    assert not (tmp_path / "data").exists()


def start_alone(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A part of the platform that a wrong setting keeps from starting."""
    own = {"TOCSIN_DATABASE_URL": "postgresql://db/tocsin", "TOCSIN_REDIS_URL": "redis://redis", **variables}
    return subprocess.run(
        [sys.executable, "-m", "tocsin.cli", command], env=own, capture_output=True, text=True, check=False, timeout=20
    )


def test_a_port_of_the_api_that_is_taken_is_said_with_the_variable_to_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start_alone("api", TOCSIN_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"tocsin: TOCSIN_PORT={port} on 127.0.0.1 is taken by another program; choose")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_host_that_the_api_cannot_listen_on_is_said_with_the_variable_to_set() -> None:
    done = start_alone("api", TOCSIN_HOST="203.0.113.9", TOCSIN_PORT=str(free_port()))
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: TOCSIN_HOST=203.0.113.9 is no address of this machine")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("command", ["scheduler", "worker"])
def test_a_port_for_metrics_that_is_taken_is_said(command: str) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = start_alone(command, TOCSIN_METRICS_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"tocsin: TOCSIN_METRICS_PORT {port} cannot be used (Address already in use); set it to a free port\n"
    )


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    # Not within this process: whose logging it would configure.
    command = [sys.executable, "-m", "tocsin.cli", "up", f"--data-dir={tmp_path}/file/data", f"--port={free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tocsin: cannot use the data folder {tmp_path}/file/data")
    assert done.stderr.count("\n") == 1
