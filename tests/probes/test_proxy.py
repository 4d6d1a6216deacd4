"""HTTP probes through a proxy: what it is asked, and what its answers mean."""

import asyncio
import base64
from asyncio import StreamReader, StreamWriter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.proxy import Proxy
from probes.runner import probe
from tests.probes.serving import Serve, read_request
from tests.servers.nginx import Nginx
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

AUTHORIZATION = "Basic " + base64.b64encode(b"us@r:pass word").decode()


class ForwardProxy:
    """Digs tunnels, passes on requests for whole URLs, and remembers what it was asked."""

    def __init__(self, refusal: bytes = b"") -> None:
        self.asked: list[str] = []
        self.refusal = refusal

    async def talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        request = (await read_request(reader)).decode()
        self.asked.append(request)
        if self.refusal:
            writer.write(self.refusal)
        else:
            await self._pass_on(request, reader, writer)

    async def _pass_on(self, request: str, reader: StreamReader, writer: StreamWriter) -> None:
        method, place, _ = request.split(" ", 2)
        host, _, port = place.removeprefix("http://").partition("/")[0].rpartition(":")
        behind, before = await asyncio.open_connection(host.strip("[]"), int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            before.write(request.replace(place, "/" + place.split("/", 3)[3]).encode())
        onward = asyncio.create_task(pass_on(reader, before))
        try:
            await pass_on(behind, writer)
        finally:
            onward.cancel()
            await asyncio.gather(onward, return_exceptions=True)
            before.transport.abort()


async def pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)


async def observed(serve: Serve, engine: Engine, forward: ForwardProxy, url: str, **fields: Any) -> Observation:
    port = await serve(forward.talk)
    proxied = replace(engine, proxy=Proxy.of(f"http://us%40r:pass%20word@127.0.0.1:{port}"))
    return await probe(HttpTarget(url=url, use_proxy=True, **fields), timedelta(seconds=10), proxied)


@pytest.mark.parametrize("version", ["HTTP_1_1", "HTTP_2"])
@pytest.mark.proves("http", "proxy")
async def test_https_goes_through_a_tunnel_to_the_address_that_was_judged(
    serve: Serve, engine: Engine, nginx: Nginx, version: str
) -> None:
    forward = ForwardProxy()
    url = nginx.url("/", "https").replace("127.0.0.1", "localhost")
    fields = {"tls": {"ca": nginx.credentials.ca}, "http_version": version, "ip_family": "IPV4"}
    observation = await observed(serve, engine, forward, url, **fields, body_contains="hello")
    assert (observation.outcome, observation.message, observation.address) == (Outcome.SUCCESS, None, "127.0.0.1")
    assert forward.asked[0].startswith(f"CONNECT 127.0.0.1:{nginx.ports['tls']} HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {AUTHORIZATION}\r\n" in forward.asked[0]


@pytest.mark.proves("http", "proxy")
async def test_http_is_asked_for_by_its_url(serve: Serve, engine: Engine, nginx: Nginx) -> None:
    forward = ForwardProxy()
    observation = await observed(serve, engine, forward, nginx.url("/request?a=1"), body_contains="GET /request?a=1")
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert forward.asked[0].startswith(f"GET {nginx.url('/request?a=1')} HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {AUTHORIZATION}\r\n" in forward.asked[0]


async def test_the_target_is_judged_before_the_proxy_is_asked(serve: Serve, engine: Engine) -> None:
    forward = ForwardProxy()
    for url in ("http://169.254.169.254/", "https://169.254.169.254/"):
        observation = await observed(serve, engine, forward, url)
        assert observation.reason is Reason.TARGET_BLOCKED
    closed = replace(engine, policy=EgressPolicy(allow_private=False))
    assert (await observed(serve, closed, forward, "http://127.0.0.1/")).reason is Reason.TARGET_BLOCKED
    assert forward.asked == []


async def test_where_private_addresses_are_closed_a_name_is_not_left_to_the_proxy(
    serve: Serve, engine: Engine, nginx: Nginx
) -> None:
    forward = ForwardProxy()
    excepted = frozenset({("127.0.0.1", nginx.ports["plain"])})
    closed = replace(engine, policy=EgressPolicy(allow_private=False, excepted=excepted))
    assert (await observed(serve, closed, forward, nginx.url(), body_contains="hello")).message is None
    assert forward.asked[0].startswith("CONNECT 127.0.0.1:")


@pytest.mark.parametrize(
    ("refusal", "reason", "outcome"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Reason.CONNECT, Outcome.FAILURE),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Reason.NOT_PERMITTED, Outcome.UNKNOWN),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Reason.NOT_PERMITTED, Outcome.UNKNOWN),
        (b"HTTP/1.1 200", Reason.PROTOCOL, Outcome.UNKNOWN),
    ],
)
async def test_only_what_the_proxy_did_not_reach_is_down(
    serve: Serve, engine: Engine, refusal: bytes, reason: Reason, outcome: Outcome
) -> None:
    observation = await observed(serve, engine, ForwardProxy(refusal), "https://127.0.0.1:9/")
    assert (observation.reason, observation.outcome) == (reason, outcome)


async def test_a_proxy_that_is_away_says_nothing_of_the_target(engine: Engine, unused_port: int) -> None:
    away = replace(engine, proxy=Proxy("127.0.0.1", unused_port))
    observation = await probe(HttpTarget(url="http://127.0.0.1:9/", use_proxy=True), timedelta(seconds=5), away)
    assert (observation.reason, observation.outcome) == (Reason.INTERNAL_ERROR, Outcome.UNKNOWN)


async def test_an_installation_without_a_proxy_says_so(engine: Engine) -> None:
    observation = await probe(HttpTarget(url="http://127.0.0.1:9/", use_proxy=True), timedelta(seconds=5), engine)
    assert (observation.reason, observation.outcome) == (Reason.NOT_PERMITTED, Outcome.UNKNOWN)
    assert "have its operator set TOCSIN_PROXY_URL" in (observation.message or "")


async def test_the_environment_is_not_asked_for_a_proxy(
    engine: Engine, nginx: Nginx, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    assert (await probe(HttpTarget(url=nginx.url()), timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
