"""Logins of HTTP probes that take more than a header: digests, and tokens of OAuth 2.0."""

import hashlib
import json
from asyncio import StreamReader, StreamWriter
from datetime import timedelta
from typing import Any
from urllib.request import parse_http_list, parse_keqv_list

import pytest

from probes.engine import Engine
from probes.redaction import Redaction
from probes.runner import look, probe
from tests.probes.serving import Serve, read_request
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
CHALLENGE = REFUSED + b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256\r\n\r\n'
LOGIN = {"digest": {"username": "probe", "password": "swordfish"}}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def proves_the_password(request: bytes) -> bool:
    """Whether a request answers CHALLENGE, as RFC 7616 says."""
    method, uri, _ = request.split(b" ", 2)
    [line] = [line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization: digest ")] or [b""]
    if not line:
        return False
    answer = parse_keqv_list(parse_http_list(line.decode()[22:]))
    secret, asked = digest("probe:r:swordfish"), digest(f"{method.decode()}:{uri.decode()}")
    expected = digest(f"{secret}:n:{answer['nc']}:{answer['cnonce']}:auth:{asked}")
    return answer["response"] == expected and answer["uri"] == uri.decode()


async def guarded(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK if proves_the_password(await read_request(reader)) else CHALLENGE)


async def observed(engine: Engine, url: str, secrets: frozenset[str] = frozenset(), **fields: Any) -> Observation:
    redaction = Redaction(secrets) if secrets else None
    return await probe(HttpTarget(url=url, **fields), timedelta(seconds=5), engine, redaction)


@pytest.mark.proves("http", "digest login")
async def test_a_challenge_is_answered(serve: Serve, engine: Engine) -> None:
    url = f"http://127.0.0.1:{await serve(guarded)}/a?b=c"
    assert (await observed(engine, url, auth=LOGIN)).outcome is Outcome.SUCCESS
    wrong = await observed(engine, url, auth={"digest": {"username": "probe", "password": "wrong"}})
    assert (wrong.reason, wrong.message) == (
        Reason.AUTHENTICATION,
        "the server refused the credentials: it answered 401",
    )


@pytest.mark.parametrize(
    "challenge", ['realm="r"', 'realm="r", nonce="n", algorithm=WEAK', "a" * 5000, 'realm="r", nonce="n", qop="x"']
)
async def test_a_challenge_that_cannot_be_answered_is_nonsense(serve: Serve, engine: Engine, challenge: str) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(REFUSED + f"WWW-Authenticate: Digest {challenge}\r\n\r\n".encode())

    observation = await observed(engine, f"http://127.0.0.1:{await serve(talk)}/", auth=LOGIN)
    assert observation.reason is Reason.PROTOCOL


class TokenEndpoint:
    """Gives tokens to the client `probe`, and counts them; the target takes the last one."""

    def __init__(self, expires_in: float = 600) -> None:
        self.given = 0
        self.expires_in = expires_in
        self.asked: list[bytes] = []

    async def give(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await read_request(reader)
        self.asked.append(head + await reader.read(1024))
        if b"Authorization: Basic cHJvYmU6c3dvcmRmaXNo\r\n" not in head:
            writer.write(b'HTTP/1.1 401 Unauthorized\r\n\r\n{"error": "invalid_client"}')
            return
        self.given += 1
        token = {"access_token": f"token{self.given}", "token_type": "bearer", "expires_in": self.expires_in}
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(token).encode())

    async def check(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await read_request(reader)
        writer.write(OK if f"Authorization: Bearer token{self.given}\r\n".encode() in head else REFUSED + b"\r\n")


def client(port: int, secret: str = "swordfish") -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/token"
    return {"oauth2": {"token_url": url, "client_id": "probe", "client_secret": secret, "scope": "read health"}}


@pytest.mark.proves("http", "OAuth2 client credentials")
async def test_a_token_is_fetched_and_kept_until_it_expires(serve: Serve, engine: Engine) -> None:
    endpoint = TokenEndpoint()
    url, auth = f"http://127.0.0.1:{await serve(endpoint.check)}/", client(await serve(endpoint.give))
    target = HttpTarget(url=url, auth=auth)
    for _ in range(2):
        assert (await probe(target, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
    assert endpoint.given == 1
    assert endpoint.asked[0].endswith(b"grant_type=client_credentials&scope=read+health")


async def test_a_token_that_does_not_last_is_used_once(serve: Serve, engine: Engine) -> None:
    endpoint = TokenEndpoint(expires_in=5)
    target = HttpTarget(url=f"http://127.0.0.1:{await serve(endpoint.check)}/", auth=client(await serve(endpoint.give)))
    for _ in range(2):
        assert (await probe(target, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
    assert endpoint.given == 2


async def test_a_token_of_a_secret_is_not_kept(serve: Serve, engine: Engine) -> None:
    endpoint = TokenEndpoint()
    target = HttpTarget(url=f"http://127.0.0.1:{await serve(endpoint.check)}/", auth=client(await serve(endpoint.give)))
    for _ in range(2):
        await probe(target, timedelta(seconds=5), engine, Redaction(frozenset({"swordfish"})))
    assert endpoint.given == 2


async def test_a_refusing_token_endpoint_is_named_by_its_error(serve: Serve, engine: Engine, unused_port: int) -> None:
    endpoint = TokenEndpoint()
    auth = client(await serve(endpoint.give), secret="wrong")
    refused = await observed(engine, f"http://127.0.0.1:{unused_port}/", auth=auth)
    message = "no token from the token endpoint: it answered 401 (invalid_client)"
    assert (refused.reason, refused.message, refused.status_code) == (Reason.AUTHENTICATION, message, None)


async def test_a_token_endpoint_that_is_away_is_told_from_the_target(engine: Engine, unused_port: int) -> None:
    away = await observed(engine, f"http://127.0.0.1:{unused_port}/", auth=client(unused_port))
    assert (away.reason, away.address) == (Reason.AUTHENTICATION, None)
    assert away.message == f"no token from the token endpoint: 127.0.0.1:{unused_port} refused the connection"


@pytest.mark.parametrize(
    "answer",
    ["", "[]", "{}", '{"access_token": "a\\nb", "token_type": "bearer"}', '{"access_token": "abc"}', "[" * 9999],
)
async def test_an_answer_without_a_token_gives_no_login(serve: Serve, engine: Engine, answer: str) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + answer.encode())

    port = await serve(talk)
    failed = await observed(engine, f"http://127.0.0.1:{port}/", auth=client(port))
    assert failed.reason is Reason.AUTHENTICATION


async def test_a_token_that_the_target_repeats_is_not_told(serve: Serve, engine: Engine) -> None:
    async def repeat(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n" + await read_request(reader))

    redaction = Redaction(frozenset({"swordfish"}))
    auth = client(await serve(TokenEndpoint().give))
    target = HttpTarget(url=f"http://127.0.0.1:{await serve(repeat)}/", auth=auth)
    sight = await look(target, timedelta(seconds=5), engine, redaction)
    assert "token1" in sight.trace.facts[Source.BODY]
    assert "token1" not in redaction.applied_to(sight.trace.facts[Source.BODY])
