"""What HTTP probes send: bodies, parameters, and headers of the prober's own."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from probes.engine import Engine
from probes.runner import probe
from tests.probes.serving import Serve
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def sent(serve: Serve, engine: Engine, **fields: Any) -> tuple[str, str]:
    """The head and the body of the request that a target makes."""
    requests: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        lengths = [line[16:] for line in request.split(b"\r\n") if line.lower().startswith(b"content-length: ")]
        requests.put_nowait(request + await reader.readexactly(int(lengths[0]) if lengths else 0))
        writer.write(EMPTY)

    target = HttpTarget(url=f"http://127.0.0.1:{await serve(talk)}/path", **fields)
    assert (await probe(target, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
    head, _, body = requests.get_nowait().decode().partition("\r\n\r\n")
    return head, body


@pytest.mark.proves("http", "JSON body")
async def test_json_is_sent_with_its_type(serve: Serve, engine: Engine) -> None:
    head, body = await sent(serve, engine, method="POST", json_body='{"ping": "ä"}')
    assert ("Content-Type: application/json" in head, body) == (True, '{"ping": "ä"}')


@pytest.mark.proves("http", "form body")
async def test_a_form_is_sent_encoded_with_its_type(serve: Serve, engine: Engine) -> None:
    form = [{"name": "user name", "value": "a&b=c"}, {"name": "x", "value": "ä"}]
    head, body = await sent(serve, engine, method="POST", form=form)
    assert ("Content-Type: application/x-www-form-urlencoded" in head, body) == (True, "user+name=a%26b%3Dc&x=%C3%A4")


@pytest.mark.proves("http", "text body")
@pytest.mark.proves("http", "headers")
async def test_a_content_type_of_the_targets_own_is_kept(serve: Serve, engine: Engine) -> None:
    headers = [{"name": "content-type", "value": "application/ld+json"}]
    head, _ = await sent(serve, engine, method="PUT", json_body="{}", headers=headers)
    assert ("content-type: application/ld+json" in head, "application/json" in head) == (True, False)
    head, body = await sent(serve, engine, method="PATCH", body="text")
    assert ("Content-Type" in head, body) == (False, "text")


@pytest.mark.proves("http", "bearer token")
async def test_a_bearer_token_is_sent(serve: Serve, engine: Engine) -> None:
    head, _ = await sent(serve, engine, auth={"bearer": {"token": "abc.def"}})
    assert "Authorization: Bearer abc.def" in head


async def test_a_basic_login_is_sent_as_utf_8(serve: Serve, engine: Engine) -> None:
    head, _ = await sent(serve, engine, auth={"basic": {"username": "a", "password": "ä"}})
    assert "Authorization: Basic YTrDpA==" in head


async def test_parameters_join_those_of_the_url(serve: Serve, engine: Engine) -> None:
    head, _ = await sent(serve, engine, query=[{"name": "a", "value": "1"}, {"name": "a", "value": ""}])
    assert head.startswith("GET /path?a=1&a= HTTP/1.1\r\n")


@pytest.mark.proves("http", "compression")
async def test_compression_is_asked_for_only_when_it_is_accepted(serve: Serve, engine: Engine) -> None:
    assert "Accept-Encoding: identity" in (await sent(serve, engine))[0]
    assert "Accept-Encoding: gzip, deflate" in (await sent(serve, engine, accept_compression=True))[0]


async def test_no_message_tells_a_query_or_a_form(engine: Engine, unused_port: int) -> None:
    parameter = {"name": "token", "value": "swordfish"}
    target = HttpTarget(url=f"http://127.0.0.1:{unused_port}/", method="POST", query=[parameter], form=[parameter])
    observation = await probe(target, timedelta(seconds=5), engine)
    assert (observation.reason, "swordfish" in str(observation)) == (Reason.CONNECT, False)
