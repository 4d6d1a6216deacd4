"""The chart's wiring, run: what helm installed, as processes, until kubectl sees what they do."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.charts.conftest import Release
from tests.charts.local_pods import LocalPod, Namespace
from tests.charts.matrix import OWN_SERVERS, Values
from tests.cli.conftest import execute
from tests.engine.accounting import Account, account
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.programs import Client
from tocsin.demo.certificates import make_certificates
from tocsin.settings import Servers

CERTIFICATES = make_certificates("127.0.0.1")
PASSWORD = "Bearer swordfish"
COUNTED = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
AVAILABLE = {"status": {**dict.fromkeys(COUNTED, 2), "observedGeneration": 1}}


def values_in(namespace: str) -> Values:
    return {
        **OWN_SERVERS,
        "operator": {"secretNamespaces": [namespace]},
        "egress": {"extraCaCertificates": CERTIFICATES.authority.decode()},
        "kubernetesChecks": {"enabled": True, "namespaces": [namespace]},
    }


class Target(BaseHTTPRequestHandler):
    """Lets those in who know the password."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] == PASSWORD else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    """The URL of a target whose certificate only those trust who are told of its authority."""
    (tmp_path / "target.pem").write_bytes(CERTIFICATES.target_with_key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "target.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Platform:
    """The pods of a release, one of each Deployment."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder
        self.pods: dict[str, LocalPod] = {}
        self._all: list[LocalPod] = []

    def start(self) -> None:
        """All at once, as after an installation; each is ready by its own probes."""
        self.pods = self._start_pods()

    def roll_out(self) -> None:
        """Give each pod an upgraded twin, and stop them once these are ready."""
        before, self.pods = self.pods, self._start_pods()
        with ThreadPoolExecutor() as stopping:
            list(stopping.map(LocalPod.stop, before.values()))

    def _start_pods(self) -> dict[str, LocalPod]:
        made = {name: self._make(deployment) for name, deployment in self.namespace.deployments().items()}
        with ThreadPoolExecutor() as starting:
            list(starting.map(LocalPod.start, made.values()))
        for pod in made.values():
            pod.wait_until_ready()
        return made

    def statuses(self) -> dict[str, str]:
        """What the API tells of all checks to whoever has the token that the chart generated."""
        token = self.namespace.data("secrets", "bell-tocsin-bootstrap-token")["bootstrap-token"].decode()
        answer = httpx.post(
            self.pods["api"].substitutions.url(8000, "/graphql"),
            json={"query": "{ checks { nodes { name status } } }"},
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        checks = answer.raise_for_status().json()["data"]["checks"]["nodes"]
        return {check["name"]: check["status"] for check in checks}

    def _make(self, deployment: dict[str, object]) -> LocalPod:
        pod = LocalPod(self.namespace, deployment, self.folder / f"pod-{len(self._all)}")
        self._all.append(pod)
        return pod

    def kill(self) -> None:
        for pod in self._all:
            pod.kill()


@pytest.fixture
def empty_database(database_url: str) -> str:
    """As whoever brings their own servers has it before the first installation."""
    execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database_url


@pytest.fixture
def platform(
    release: Release, kubectl: Client, cluster: Cluster, tmp_path: Path, empty_database: str, servers: Servers
) -> Iterator[Platform]:
    urls = [f"--from-literal=database-url={empty_database}", f"--from-literal=redis-url={servers.redis_url}"]
    kubectl("create", "secret", "generic", "servers", "-n", release.namespace, *urls)
    kubectl("create", "secret", "generic", "target", "-n", release.namespace, f"--from-literal=password={PASSWORD}")
    release.install(values_in(release.namespace))
    kubectl("wait", "--for=condition=Established", "crd/healthchecks.tocsin.dev", "--timeout=20s")
    platform = Platform(Namespace(cluster, release.namespace), tmp_path)
    yield platform
    platform.kill()


def health_checks(url: str) -> str:
    """A target behind a password, the same without it, and an object of the cluster."""
    password = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "target", "key": "password"}}}
    kinds: dict[str, dict[str, Any]] = {
        "good": {"http": {"url": url, "headers": [password]}},
        "bad": {"http": {"url": url}},
        "object": {"kubernetes": {"workload": {"kind": "Deployment", "name": "bell-tocsin-api"}}},
    }
    often = {"interval": "1s", "timeout": "1s", "thresholds": {"failure": 2, "success": 1}}
    head = {"apiVersion": "tocsin.dev/v1alpha1", "kind": "HealthCheck"}
    items = [{**head, "metadata": {"name": name}, "spec": {**often, **kind}} for name, kind in kinds.items()]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


async def accounted(database_url: str, since: datetime) -> Account:
    connection = await asyncpg.connect(database_url)
    try:
        until = await connection.fetchval("SELECT tocsin_now()") - timedelta(seconds=5)
        return await account(connection, since, until)
    finally:
        await connection.close()


@contextmanager
def every_slot_probed(database_url: str) -> Iterator[None]:
    """Every slot that is due meanwhile, and for some seconds after it."""
    since = asyncio.run(now(database_url))
    yield
    asyncio.run(asyncio.sleep(8))
    total = asyncio.run(accounted(database_url, since))
    assert total.due > 20, total
    assert (total.missed, total.in_gaps, total.silent) == ({}, 0, []), total


async def now(database_url: str) -> datetime:
    connection = await asyncpg.connect(database_url)
    try:
        instant: datetime = await connection.fetchval("SELECT tocsin_now()")
        return instant
    finally:
        await connection.close()


@pytest.mark.parametrize("release", ["helm"], indirect=True)
def test_what_is_installed_works_and_goes_on_through_an_upgrade(
    release: Release, platform: Platform, kubectl: Client, target: str, empty_database: str
) -> None:
    platform.start()
    status = ("--subresource=status", "--type=merge", "-p", json.dumps(AVAILABLE))
    kubectl("patch", "-n", release.namespace, "deployment/bell-tocsin-api", *status)
    kubectl("apply", "-n", release.namespace, "-f", "-", stdin=health_checks(target))
    wait = ("wait", "-n", release.namespace, "--timeout=30s")
    kubectl(*wait, "healthcheck/good", "healthcheck/object", "--for=condition=Healthy")
    kubectl(*wait, "healthcheck/bad", "--for=condition=Healthy=false")
    assert platform.statuses() == {"good": "UP", "bad": "DOWN", "object": "UP"}
    with every_slot_probed(empty_database):
        release.upgrade({**values_in(release.namespace), "image": {"tag": "2.0.0"}, "retention": {"resultsDays": 7}})
        platform.roll_out()
    kubectl(*wait, "healthcheck/good", "--for=condition=Healthy")
    platform.kill()
    release.uninstall()
    left = kubectl("get", "-n", release.namespace, "healthchecks,secrets", "-o", "name").split()
    assert left == [
        "healthcheck.tocsin.dev/bad",
        "healthcheck.tocsin.dev/good",
        "healthcheck.tocsin.dev/object",
        "secret/bell-tocsin-bootstrap-token",
        "secret/bell-tocsin-encryption-keys",
        "secret/servers",
        "secret/target",
    ]
