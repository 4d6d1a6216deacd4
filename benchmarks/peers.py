"""Programs of others that probes are compared with, where they are at hand."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.costs import Cost

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin-benchmarks"
_GO_SOURCE = Path(__file__).with_name("go")
_EXPORTER_NAMES = ("prometheus-blackbox-exporter", "blackbox_exporter")
_EXPORTER_MODULE = "modules: {http_2xx: {prober: http, timeout: 10s, http: {preferred_ip_protocol: ip4}}}"


def build_go_probe() -> Path | None:
    """The Go program, built outside the repository; None where Go is not at hand."""
    if shutil.which("go") is None:
        return None
    program = _CACHE / "go-probe"
    subprocess.run(["go", "build", "-o", program, "."], cwd=_GO_SOURCE, check=True)
    return program


def probe_with_go(program: Path, url: str, ca_file: Path | None, count: int, concurrency: int) -> Cost:
    """Let it probe; the cost is what it says of itself, without its start."""
    command: list[str | Path] = [program, "-url", url, "-count", str(count), "-concurrency", str(concurrency)]
    command += [] if ca_file is None else ["-ca", ca_file]
    # One processor, as ours has one thread; with two it spends a sixth more.
    environment = {**os.environ, "GOMAXPROCS": "1"}
    said = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    assert said["succeeded"] == count, said
    return Cost(count, said["cpu_seconds"], wall_seconds=said["wall_seconds"])


def find_exporter() -> str | None:
    """The path of blackbox_exporter; None where it is not at hand."""
    return next((path for name in _EXPORTER_NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_exporter(path: str) -> Iterator[tuple[int, str]]:
    """Run blackbox_exporter; yield its process id and its address."""
    with TemporaryDirectory() as folder:
        configuration = Path(folder) / "blackbox.yml"
        configuration.write_text(_EXPORTER_MODULE)
        address = f"127.0.0.1:{_unused_port()}"
        command = [path, f"--config.file={configuration}", f"--web.listen-address={address}", "--log.level=error"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporter:
            try:
                _wait_until_open(address)
                yield exporter.pid, f"http://{address}"
            finally:
                exporter.terminate()


def _unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait_until_open(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers at {address}")
