"""The same targets through blackbox_exporter and through Tocsin: dashboards and rules go on working."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graphql_api.app import create_app
from probes.failures import ProbeFailure
from probes.wire.icmp import EchoSocket
from tests.engine.harness import ORGANIZATION, Platform, eventually
from tests.probes.certificates import NOW
from tests.servers.blackbox import BlackboxExporter
from tests.servers.grpc_health import GrpcHealth
from tests.servers.nginx import Nginx
from tests.servers.processes import ADDRESS
from tests.servers.unbound import Unbound
from tocsin.database import Role, orm
from tocsin.models import TokenPermission
from tocsin.services import accounts, checks
from tocsin.settings import Api, Servers, Settings

Samples = dict[str, float]
Targets = dict[str, "Asked"]
EQUAL = {
    *("probe_success", "probe_http_status_code", "probe_ssl_earliest_cert_expiry", "probe_ip_protocol"),
    *("probe_http_ssl", "probe_grpc_ssl", "probe_failed_due_to_regex", "probe_dns_query_succeeded"),
}
# What depends on the instant of the probe, and not on the target.
TIMES = (
    *("probe_duration_seconds", "probe_dns_lookup_time_seconds", "probe_http_duration_seconds"),
    *("probe_icmp_duration_seconds", "probe_dns_duration_seconds", "probe_grpc_duration_seconds"),
)


@pytest.fixture
async def expired_port(tmp_path: Path, nginx: Nginx) -> AsyncIterator[int]:
    """Where HTTPS is spoken with a certificate that expired yesterday, of the authority that all trust."""
    authority = nginx.credentials.authority
    authority._folder = tmp_path  # else nginx's own files would be written over
    context = authority.server_context(expires_at=NOW - timedelta(days=1))
    server = await asyncio.start_server(lambda _, writer: writer.close(), ADDRESS, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: taken, but not listened on."""
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        yield taken.getsockname()[1]


@dataclass(frozen=True)
class Asked:
    """One target, as blackbox_exporter's module takes it and as our kind does."""

    module: str
    target: str
    kind: str
    fields: dict[str, Any]

    @classmethod
    def url(cls, url: str) -> "Asked":
        return cls("http_2xx", url, "http", {"url": url})

    @classmethod
    def tcp(cls, port: int) -> "Asked":
        return cls("tcp_connect", f"{ADDRESS}:{port}", "tcp", {"host": ADDRESS, "port": port})


def may_ping() -> bool:
    try:
        EchoSocket(ADDRESS, 56).__exit__(None, None, None)
    except ProbeFailure:
        return False
    return True


@pytest.fixture
def targets(nginx: Nginx, unbound: Unbound, grpc_health: GrpcHealth, expired_port: int, closed_port: int) -> Targets:
    dns = {"name": "example.test", "server": ADDRESS, "port": unbound.ports["plain"]}
    grpc = {"host": ADDRESS, "port": grpc_health.ports["plain"]}
    return {
        "ok": Asked.url(nginx.url()),
        "moved": Asked.url(nginx.url("/moved")),
        "error": Asked.url(nginx.url("/status/500")),
        "secured": Asked.url(nginx.url(scheme="https")),
        "expired": Asked.url(f"https://{ADDRESS}:{expired_port}/"),
        "refused": Asked.url(f"http://{ADDRESS}:{closed_port}/"),
        "open": Asked.tcp(nginx.ports["plain"]),
        "closed": Asked.tcp(closed_port),
        **({"icmp": Asked("icmp", ADDRESS, "icmp", {"host": ADDRESS})} if may_ping() else {}),
        "dns": Asked("dns", f"{ADDRESS}:{dns['port']}", "dns", dns),
        "grpc": Asked("grpc", f"{ADDRESS}:{grpc['port']}", "grpc", grpc),
    }


@pytest.fixture
async def token(platform: Platform, nginx: Nginx, targets: Targets) -> str:
    """A platform at work on all targets, when each has a result."""
    platform.scheduler()
    platform.worker(TOCSIN_EXTRA_CA_FILE=str(nginx.credentials.ca_file))
    async with orm(platform.database_url, Role.API):
        for name, asked in targets.items():
            target = (asked.kind, asked.fields)
            await checks.create_check(ORGANIZATION, 1, {"name": name, "target": target, "interval_seconds": 1})
    folded = "SELECT count(*) = $1 FROM check_states WHERE last_slot IS NOT NULL"
    await eventually(lambda: platform.ask(folded, len(targets)), 30)
    async with platform.connection() as connection:
        return await accounts.create_token(connection, ORGANIZATION, "prometheus", TokenPermission.READ_ONLY)


def samples(text: str, **wanted: str) -> Samples:
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {
        f"{sample.name} {sample.labels.get('phase', '')}".strip(): sample.value
        for sample in found
        if wanted.items() <= sample.labels.items()
    }


async def ours(platform: Platform, token: str) -> str:
    urls = Servers(platform.database_url, platform.servers.redis_url)
    app = create_app(Settings(urls, api=Api(probe_metrics=True)))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
    ):
        return (await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})).text


async def theirs(exporter: BlackboxExporter, nginx: Nginx, asked: Asked) -> Samples:
    exporter.trust(str(nginx.credentials.ca_file))
    url = exporter.url(asked.module, asked.target)
    async with httpx.AsyncClient(timeout=30) as client:
        assert (await client.post(f"{url.partition('/probe')[0]}/-/reload")).status_code == 200
        return samples((await client.get(url)).text)


async def test_both_say_the_same_of_the_same_targets(
    platform: Platform, token: str, blackbox_exporter: BlackboxExporter, nginx: Nginx, targets: Targets
) -> None:
    text = await ours(platform, token)
    targets.pop("expired")
    for name, asked in targets.items():
        expected = await theirs(blackbox_exporter, nginx, asked)
        told = samples(text, name=name)
        equal = EQUAL - {"probe_ssl_earliest_cert_expiry"} if asked.kind == "grpc" else EQUAL
        assert {metric: told.get(metric) for metric in equal} == {metric: expected.get(metric) for metric in equal}, (
            name
        )
        assert {metric for metric in expected if metric.startswith(TIMES)} <= told.keys(), name


async def test_the_target_is_the_instance(platform: Platform, token: str, targets: Targets) -> None:
    text = await ours(platform, token)
    for name, asked in targets.items():
        instance = "A example.test" if asked.kind == "dns" else asked.target
        assert samples(text, name=name, instance=instance)["probe_success"] in (0, 1)


async def test_the_expiry_of_what_expired_is_told_where_blackbox_exporter_is_silent(
    platform: Platform, token: str, blackbox_exporter: BlackboxExporter, nginx: Nginx, targets: Targets
) -> None:
    expected = await theirs(blackbox_exporter, nginx, targets["expired"])
    told = samples(await ours(platform, token), name="expired")
    assert (expected["probe_success"], told["probe_success"]) == (0, 0)
    assert "probe_ssl_earliest_cert_expiry" not in expected
    assert told["probe_ssl_earliest_cert_expiry"] == (NOW - timedelta(days=1)).timestamp()
