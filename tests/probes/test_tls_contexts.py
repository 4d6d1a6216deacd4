"""The TLS that options ask for, against servers that ask back."""

import asyncio
import ssl
from pathlib import Path

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.dialing import dial
from probes.wire.tls import TlsConnection, start_tls
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import Authority
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Serve
from tocsin.domain.definitions import DEFAULT_TIMEOUT
from tocsin.domain.targets.tls_options import ClientCertificate, TlsOptions, TlsVersion


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority) -> TlsOptions:
    return TlsOptions(ca=Path(authority.ca_file).read_text())


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    certificate = writer.get_extra_info("peercert") or {}
    writer.write(f"hello {certificate.get('subject', '')}".encode())
    await writer.drain()


async def _secured(port: int, options: TlsOptions | None, trace: Trace | None = None) -> TlsConnection:
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: STARTED_AT)
    trace = trace or Trace(DEFAULT_TIMEOUT)
    connection = await dial("127.0.0.1", port, engine, trace)
    name = (options and options.server_name) or "127.0.0.1"
    try:
        return await start_tls(connection, name, engine.tls_contexts.of(options), trace)
    except ProbeFailure:
        connection.abort()
        raise


async def test_authorities_of_the_options_are_trusted(serve: Serve, authority: Authority, trusted: TlsOptions) -> None:
    secured = await _secured(await serve(_greet, authority.server_context()), trusted)
    assert (await secured.receive()).startswith(b"hello")
    secured.abort()


async def test_without_them_the_public_ones_are(serve: Serve, authority: Authority) -> None:
    port = await serve(_greet, authority.server_context())
    with pytest.raises(ProbeFailure, match="unknown issuer"):
        await _secured(port, None)


async def test_a_server_name_is_found_in_the_certificate(
    serve: Serve, authority: Authority, trusted: TlsOptions
) -> None:
    port = await serve(_greet, authority.server_context("inner.example.com"))
    secured = await _secured(port, trusted.model_copy(update={"server_name": "inner.example.com"}))
    secured.abort()


async def test_verification_can_be_skipped_and_that_is_noted(serve: Serve, authority: Authority) -> None:
    trace = Trace(DEFAULT_TIMEOUT)
    port = await serve(_greet, authority.server_context("other.example.com", self_signed=True))
    secured = await _secured(port, TlsOptions(skip_verification=True), trace)
    secured.abort()
    assert trace.tls_verified is False
    assert trace.certificate_expires_at is not None


async def test_a_verified_connection_is_noted_as_such(serve: Serve, authority: Authority, trusted: TlsOptions) -> None:
    trace = Trace(DEFAULT_TIMEOUT)
    secured = await _secured(await serve(_greet, authority.server_context()), trusted, trace)
    secured.abort()
    assert trace.tls_verified is True


async def test_a_version_older_than_the_minimum_is_refused(
    serve: Serve, authority: Authority, trusted: TlsOptions
) -> None:
    context = authority.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    port = await serve(_greet, context)
    with pytest.raises(ProbeFailure, match="TLS handshake"):
        await _secured(port, trusted.model_copy(update={"minimum_version": TlsVersion.TLS_1_3}))


async def test_a_client_certificate_is_shown(serve: Serve, authority: Authority, trusted: TlsOptions) -> None:
    context = authority.server_context()
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.client_certificate("monitor")
    shown = ClientCertificate(certificate=certificate, key=key)
    secured = await _secured(await serve(_greet, context), trusted.model_copy(update={"client_certificate": shown}))
    assert b"monitor" in await secured.receive()
    secured.abort()


def test_a_context_is_made_once() -> None:
    contexts = TlsContexts()
    assert contexts.of(TlsOptions(server_name="a.example"), ("h2",)) is contexts.of(
        TlsOptions(server_name="a.example"), ("h2",)
    )


def test_a_context_with_a_clients_key_is_not_kept(authority: Authority) -> None:
    certificate, key = authority.client_certificate()
    options = TlsOptions(client_certificate=ClientCertificate(certificate=certificate, key=key))
    contexts = TlsContexts()
    assert contexts.of(options) is not contexts.of(options)
