"""What TLS and its certificates tell, and how they fail."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import look
from probes.wire.tls import _expiry
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import LONG, NOW, Authority
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Observe, Serve, read_request
from tocsin.domain.facts import Source
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def engine(authority: Authority) -> Engine:
    return _trusting(authority)


def _trusting(authority: Authority) -> Engine:
    return Engine(EgressPolicy(allow_private=True), now=lambda: STARTED_AT, tls_contexts=TlsContexts(authority.ca_file))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK)


async def test_a_verified_probe_tells_version_expiry_and_phases(
    serve: Serve, observe: Observe, authority: Authority
) -> None:
    port = await serve(_answer, authority.server_context(expires_at=NOW + timedelta(days=9)))
    observation = await observe(f"https://localhost:{port}/", body_contains="hello")
    assert (observation.outcome, observation.tls_version) == (Outcome.SUCCESS, "TLSv1.3")
    assert observation.certificate_expires_at == NOW + timedelta(days=9)
    assert observation.phases.tls


async def test_an_address_is_verified_like_a_name(serve: Serve, observe: Observe, authority: Authority) -> None:
    port = await serve(_answer, authority.server_context())
    assert (await observe(f"https://127.0.0.1:{port}/")).outcome is Outcome.SUCCESS


async def test_tls_1_2_is_spoken(serve: Serve, observe: Observe, authority: Authority) -> None:
    context = authority.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    observation = await observe(f"https://localhost:{await serve(_answer, context)}/", body_contains="hello")
    assert (observation.outcome, observation.tls_version) == (Outcome.SUCCESS, "TLSv1.2")


async def test_the_earliest_expiry_of_the_presented_chain_counts(
    serve: Serve, observe: Observe, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, expires_at=NOW + timedelta(days=3))
    port = await serve(_answer, authority.server_context(whole=True))
    observation = await observe(f"https://localhost:{port}/", engine=_trusting(authority))
    assert (observation.outcome, observation.certificate_expires_at) == (Outcome.SUCCESS, NOW + timedelta(days=3))


async def test_the_earliest_expiry_of_all_hops_counts(serve: Serve, observe: Observe, authority: Authority) -> None:
    port = await serve(_answer, authority.server_context(expires_at=NOW + timedelta(days=9)))

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: https://localhost:%d/\r\n\r\n" % port)

    for days, earliest in ((3, 3), (99, 9)):
        first = await serve(redirect, authority.server_context(expires_at=NOW + timedelta(days=days)))
        observation = await observe(f"https://localhost:{first}/")
        assert observation.certificate_expires_at == NOW + timedelta(days=earliest)


async def test_a_large_body_comes_through_tls(serve: Serve, observe: Observe, authority: Authority) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000005\r\n\r\n" + bytes(1_000_000) + b"hello")

    port = await serve(talk, authority.server_context())
    assert (await observe(f"https://localhost:{port}/", body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_request_with_a_body_goes_through_tls(serve: Serve, observe: Observe, authority: Authority) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = await reader.readexactly(60_000)
        writer.write(OK if body == b"x" * 60_000 else b"")

    url = f"https://localhost:{await serve(talk, authority.server_context())}/"
    assert (await observe(url, method="POST", body="x" * 60_000)).outcome is Outcome.SUCCESS


async def test_an_expired_certificate_fails_and_says_since_when(
    serve: Serve, observe: Observe, authority: Authority
) -> None:
    expired_at = NOW - timedelta(days=1)
    port = await serve(_answer, authority.server_context(expires_at=expired_at))
    observation = await observe(f"https://localhost:{port}/")
    assert observation.reason is Reason.TLS
    assert observation.message == f"the certificate expired on {expired_at:%Y-%m-%d %H:%M} UTC"
    assert observation.certificate_expires_at == expired_at


async def test_a_self_signed_certificate_fails(serve: Serve, observe: Observe, authority: Authority) -> None:
    port = await serve(_answer, authority.server_context(self_signed=True))
    observation = await observe(f"https://localhost:{port}/")
    assert (observation.reason, observation.message) == (Reason.TLS, "the certificate is self-signed")
    assert observation.certificate_expires_at == LONG


async def test_an_unknown_issuer_fails(serve: Serve, observe: Observe, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    port = await serve(_answer, Authority(folder, name="Strangers").server_context())
    observation = await observe(f"https://localhost:{port}/")
    assert observation.reason is Reason.TLS
    assert observation.message == "the certificate has an unknown issuer"


async def test_a_certificate_for_another_host_fails(serve: Serve, observe: Observe, authority: Authority) -> None:
    port = await serve(_answer, authority.server_context("other.example"))
    by_name = await observe(f"https://localhost:{port}/")
    by_address = await observe(f"https://127.0.0.1:{port}/")
    assert by_name.message == "the certificate is not valid for the host localhost"
    assert by_address.message == "the certificate is not valid for the address 127.0.0.1"


@pytest.mark.parametrize(
    ("server", "names"), [({"host": "other.example"}, ["other.example"]), ({"expires_at": NOW}, None)]
)
async def test_a_certificate_that_is_refused_is_kept_as_a_fact(
    serve: Serve, engine: Engine, authority: Authority, server: dict[str, Any], names: list[str] | None
) -> None:
    port = await serve(_answer, authority.server_context(**server))
    seen = await look(HttpTarget(url=f"https://localhost:{port}/"), timedelta(seconds=10), engine)
    certificate = seen.trace.facts[Source.CERTIFICATE]
    assert (seen.observation.reason, certificate["issuer"]) == (Reason.TLS, "CN=Tests")
    assert certificate["names"] == (names or ["localhost", "127.0.0.1"])
    assert (certificate["days"] <= 0) is (names is None)


@pytest.mark.parametrize(("padding", "outcome"), [(50, Outcome.SUCCESS), (1000, Outcome.FAILURE)])
async def test_a_chain_of_certificates_is_bounded(
    serve: Serve, observe: Observe, authority: Authority, padding: int, outcome: Outcome
) -> None:
    port = await serve(_answer, authority.server_context(padding=padding))
    observation = await observe(f"https://localhost:{port}/")
    assert observation.outcome is outcome
    assert observation.reason in (None, Reason.TLS)


@pytest.mark.parametrize("not_after", ["", "Foo  1 00:00:00 2030 GMT", "Jan  1 00:00:00 99999 GMT"])
def test_a_certificate_without_a_sound_expiry_has_none(not_after: str) -> None:
    class Certificate:
        def get_info(self) -> dict[str, str]:
            return {"notAfter": not_after}

    assert _expiry(Certificate()) is None


async def test_a_server_without_tls_fails(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    observation = await observe(f"https://localhost:{await serve(talk)}/")
    assert observation.reason is Reason.TLS
    assert observation.message == "the server does not speak TLS on this port: what it sent is no TLS"


async def test_a_connection_that_is_closed_in_the_handshake_fails(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    observation = await observe(f"https://localhost:{await serve(talk)}/")
    assert observation.reason is Reason.TLS
    assert observation.message is not None
    assert "during the TLS handshake" in observation.message


async def test_a_handshake_that_stalls_ends_at_the_deadline(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    observation = await observe(f"https://localhost:{await serve(talk)}/", timeout_seconds=0.5)
    assert observation.reason is Reason.TIMEOUT
    assert observation.message == "timed out after 0.5 s during the TLS handshake"
    assert observation.phases.tls
    assert observation.phases.tls >= timedelta(milliseconds=200)


async def test_protocols_older_than_tls_1_2_are_refused() -> None:
    assert TlsContexts().of().minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_body_that_ends_without_a_farewell_of_tls_still_ends(
    serve: Serve, observe: Observe, authority: Authority
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        writer.get_extra_info("socket").shutdown(1)

    url = f"https://localhost:{await serve(talk, authority.server_context())}/"
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS
