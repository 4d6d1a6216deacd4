"""No credential crosses to another origin, whatever carries it."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from probes.engine import Engine
from probes.redaction import Redaction
from probes.runner import probe
from tests.probes.certificates import Authority
from tests.probes.serving import Serve, read_request
from tests.probes.test_http_auth import CHALLENGE, TokenEndpoint, client, proves_the_password
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SECRET = "sword fish/&"


def redirect(url: str, status: int = 307) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()


class Site:
    """A server with one answer, and the requests that it got."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.shown: list[Any] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await read_request(reader)).decode()
        self.requests.append(head)
        self.shown.append(writer.get_extra_info("peercert"))
        writer.write(self.answer)


async def observed(engine: Engine, url: str, secret: str = SECRET, **fields: Any) -> Observation:
    return await probe(HttpTarget(url=url, **fields), timedelta(seconds=5), engine, Redaction(frozenset({secret})))


@pytest.fixture
async def other(serve: Serve) -> tuple[Site, str]:
    site = Site()
    return site, f"http://127.0.0.1:{await serve(site.talk)}"


async def test_a_form_with_a_secret_stays_behind(serve: Serve, engine: Engine, other: tuple[Site, str]) -> None:
    url = f"http://127.0.0.1:{await serve(Site(redirect(other[1])).talk)}/"
    form = [{"name": "key", "value": SECRET}]
    observation = await observed(engine, url, method="POST", form=form)
    assert observation.message == "the redirect leads to another origin, which must not see the body's secret"
    assert other[0].requests == []


@pytest.mark.parametrize("encoded", [quote(SECRET), quote(SECRET, safe=""), SECRET.replace(" ", "+")])
async def test_a_secret_in_a_query_stays_behind(
    serve: Serve, engine: Engine, other: tuple[Site, str], encoded: str
) -> None:
    url = f"http://127.0.0.1:{await serve(Site(redirect(f'{other[1]}/?again={encoded}')).talk)}/"
    observation = await observed(engine, url, query=[{"name": "key", "value": SECRET}])
    message = "the redirect leads to another origin, which must not see the URL's secret"
    assert (observation.reason, observation.message) == (Reason.PROTOCOL, message)
    assert other[0].requests == []


@pytest.mark.parametrize("auth", [{"basic": {"username": "a", "password": SECRET}}, {"bearer": {"token": "abcdef"}}])
async def test_a_login_stays_behind(serve: Serve, engine: Engine, other: tuple[Site, str], auth: Any) -> None:
    url = f"http://127.0.0.1:{await serve(Site(redirect(other[1])).talk)}/"
    assert (await observed(engine, url, auth=auth)).outcome is Outcome.SUCCESS
    assert "authorization" not in other[0].requests[0].lower()


async def test_a_challenge_of_another_origin_is_not_answered(
    serve: Serve, engine: Engine, other: tuple[Site, str]
) -> None:
    other[0].answer = CHALLENGE
    url = f"http://127.0.0.1:{await serve(Site(redirect(other[1])).talk)}/"
    await observed(engine, url, auth={"digest": {"username": "probe", "password": "swordfish"}})
    assert [proves_the_password(request.encode()) for request in other[0].requests] == [False]


async def test_a_token_stays_behind(serve: Serve, engine: Engine, other: tuple[Site, str]) -> None:
    endpoint = TokenEndpoint()
    site = Site(redirect(other[1]))
    url = f"http://127.0.0.1:{await serve(site.talk)}/"
    assert (await observed(engine, url, auth=client(await serve(endpoint.give)))).outcome is Outcome.SUCCESS
    assert ("token1" in site.requests[0], "token1" in other[0].requests[0]) == (True, False)


async def test_a_client_certificate_stays_behind(serve: Serve, engine: Engine, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(authority.ca_file)
    pem = (tmp_path / "server.pem").read_text()
    key_at = pem.index("-----BEGIN PRIVATE KEY-----")
    other = Site()
    first = Site(redirect(f"https://127.0.0.1:{await serve(other.talk, context)}/"))
    url = f"https://127.0.0.1:{await serve(first.talk, context)}/"
    tls = {
        "ca": authority.certificate.public_bytes(Encoding.PEM).decode(),
        "client_certificate": {"certificate": pem[:key_at], "key": pem[key_at:]},
    }
    assert (await observed(engine, url, tls=tls)).message is None
    assert (bool(first.shown[0]), bool(other.shown[0])) == (True, False)
