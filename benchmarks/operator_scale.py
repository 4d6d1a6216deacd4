"""The operator with thousands of HealthChecks: `python -m benchmarks.operator_scale --objects 5000`.

On a real kube-apiserver (`make envtest`) and a real database: until every status is true after the operator's first
start, after a restart, and after 500 changes at once; its CPU, the API server's, and its memory.
"""

import argparse
import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import yaml

from benchmarks.installation import installed, running_servers
from benchmarks.report import Figure, publish
from tests.engine.harness import EngineProcess
from tests.kubernetes.cluster import Cluster, free_ports, running_cluster
from tocsin.settings import Servers

NAMESPACE: Final = "default"
COLLECTION: Final = f"/apis/tocsin.dev/v1alpha1/namespaces/{NAMESPACE}/healthchecks"
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DEFINITION: Final = Path(__file__).parent.parent / "charts/tocsin/files/crds/healthchecks.yaml"
CHANGES: Final = 500
[METRICS_PORT] = free_ports(1)
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PATIENCE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took until every status was true."""

    seconds: float
    operator_cpu_seconds: float
    api_server_cpu_seconds: float


def healthcheck(number: int, every_seconds: int = 60) -> dict[str, Any]:
    return {
        "apiVersion": "tocsin.dev/v1alpha1",
        "kind": "HealthCheck",
        "metadata": {"name": f"check-{number}"},
        "spec": {"interval": f"{every_seconds}s", "http": {"url": f"https://example.com/{number}"}},
    }


def at_once(work: Callable[[int], object], count: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(count)))


def define(cluster: Cluster) -> None:
    cluster.create(DEFINITIONS, yaml.safe_load(DEFINITION.read_text()))
    while cluster.api.get(COLLECTION).status_code != 200:
        time.sleep(0.2)


def true_statuses(cluster: Cluster) -> int:
    """How many objects say that their newest generation is ready."""
    parameters, count = {"limit": "500"}, 0
    while True:
        page = cluster.api.get(COLLECTION, params=parameters).raise_for_status().json()
        count += sum(map(is_true, page["items"]))
        if not (token := page["metadata"].get("continue")):
            return count
        parameters["continue"] = token


def is_true(item: dict[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    generation = item["metadata"]["generation"]
    return any(
        each["type"] == "Ready" and each["status"] == "True" and each["observedGeneration"] == generation
        for each in conditions
    )


def operator(cluster: Cluster, servers: Servers, folder: Path) -> EngineProcess:
    environment = {
        **os.environ,
        "TOCSIN_DATABASE_URL": servers.database_url,
        "TOCSIN_REDIS_URL": servers.redis_url,
        "TOCSIN_NAMESPACE_ORGANIZATIONS": "*=benchmark",
        "TOCSIN_METRICS_PORT": str(METRICS_PORT),
        "KUBECONFIG": str(cluster.kubeconfig),
    }
    return EngineProcess("healthcheck_operator.main", environment, folder / "operator.log")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int, field: str = "VmHWM") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def until(
    is_done: Callable[[], bool], cluster: Cluster, process: EngineProcess, objects: int, cpu: tuple[float, float]
) -> Cost:
    """Until the operator says that it is done, and then every status is true.

    A list of all objects costs the API server a second, so it is asked for once, when the clock has stopped.
    """
    began = time.monotonic()
    while not is_done():
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise TimeoutError(f"{objects - true_statuses(cluster)} of {objects} statuses are not true")
        time.sleep(0.1)
    seconds = time.monotonic() - began
    own, api = cpu_seconds(process.pid), cpu_seconds(cluster.api_server.pid)
    if (true := true_statuses(cluster)) < objects:
        raise RuntimeError(f"{objects - true} of {objects} statuses are not true, although the operator is done")
    return Cost(seconds, own - cpu[0], api - cpu[1])


def status_writes() -> int:
    try:
        text = httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics", trust_env=False).text
    except httpx.TransportError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith("tocsin_operator_status_writes_total ")]
    return int(float(lines[0].split()[1])) if lines else 0


def start_and_wait(cluster: Cluster, process: EngineProcess, objects: int) -> Cost:
    before = cpu_seconds(cluster.api_server.pid)
    process.start()
    return until(lambda: status_writes() >= objects, cluster, process, objects, (0.0, before))


def change_and_wait(cluster: Cluster, process: EngineProcess, objects: int) -> Cost:
    cpu = cpu_seconds(process.pid), cpu_seconds(cluster.api_server.pid)
    headers = {"Content-Type": "application/merge-patch+json"}

    def change(number: int) -> None:
        path = f"{COLLECTION}/check-{number}"
        cluster.api.patch(path, json={"spec": {"interval": "90s"}}, headers=headers).raise_for_status()

    wanted = status_writes() + min(CHANGES, objects)
    changing = threading.Thread(target=at_once, args=(change, min(CHANGES, objects)))
    changing.start()
    cost = until(lambda: status_writes() >= wanted, cluster, process, objects, cpu)
    changing.join()
    return cost


def restart_and_wait(cluster: Cluster, process: EngineProcess, objects: int) -> Cost:
    """Until the restarted operator says that it is ready: by then its first sweep found everything in step."""
    process.terminate()
    process.wait()
    before = cpu_seconds(cluster.api_server.pid)
    process.start()
    return until(is_ready, cluster, process, objects, (0.0, before))


def is_ready() -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{METRICS_PORT}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def ended(process: EngineProcess) -> Iterator[EngineProcess]:
    try:
        yield process
    finally:
        if process.is_running:
            process.kill()


@asynccontextmanager
async def parts() -> AsyncIterator[tuple[Cluster, Servers, Path]]:
    with TemporaryDirectory() as folder, running_servers() as servers:
        async with installed(servers):
            with running_cluster(Path(folder)) as cluster:
                define(cluster)
                yield cluster, servers, Path(folder)


async def run(objects: int) -> list[Figure]:
    async with parts() as (cluster, servers, folder):
        return await asyncio.to_thread(measure, cluster, servers, folder, objects)


def measure(cluster: Cluster, servers: Servers, folder: Path, objects: int) -> list[Figure]:
    with ended(operator(cluster, servers, folder)) as process:
        process.start()
        while not is_ready():
            time.sleep(0.2)
        empty = memory_mib(process.pid, "VmRSS")
        process.terminate()
        process.wait()
        at_once(lambda number: cluster.create(COLLECTION, healthcheck(number)), objects)
        first = start_and_wait(cluster, process, objects)
        peak = memory_mib(process.pid)
        changed = change_and_wait(cluster, process, objects)
        again = restart_and_wait(cluster, process, objects)
    return [
        _figure(f"{objects} HealthChecks, from the first start until every status is true", 60, first),
        _figure(f"{min(CHANGES, objects)} changes at once", None, changed),
        _figure("again, after a restart", 10, again),
        Figure("memory without an object", "-", f"{empty:.0f} MiB", None),
        Figure("peak memory", "-", f"{peak:.0f} MiB", None, f"{(peak - empty) * 1024 / objects:.1f} KiB an object"),
    ]


def _figure(subject: str, goal_seconds: float | None, cost: Cost) -> Figure:
    detail = f"operator {cost.operator_cpu_seconds:.1f}, API server {cost.api_server_cpu_seconds:.1f} CPU-s"
    goal = "-" if goal_seconds is None else f"<= {goal_seconds:g} s"
    met = None if goal_seconds is None else cost.seconds <= goal_seconds
    return Figure(subject, goal, f"{cost.seconds:.1f} s", met, detail)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    publish(asyncio.run(run(parser.parse_args().objects)))


if __name__ == "__main__":
    main()
