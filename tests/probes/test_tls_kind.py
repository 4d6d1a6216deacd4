"""Checks of TLS: expiry, names, issuer, protocol, cipher and staple, on OpenSSL's own server."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.tls import _told_names, probe_tls
from probes.runner import probe
from probes.trace import Trace
from probes.wire.certificates import covers, describe, load_chain
from probes.wire.ocsp import Staple, read_staple
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import NOW, Authority
from tests.probes.examples import example_target
from tests.probes.serving import Serve
from tests.probes.staples import HOUR, leaf_of, response, stapling_server
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets import parse_target
from tocsin.domain.targets.tls import TlsTarget
from tocsin.domain.targets.tls_options import TlsOptions

SECONDS = timedelta(seconds=10)
UNSIGNED = (Staple.INVALID, "the OCSP staple is not signed by the certificate's issuer")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def engine(authority: Authority) -> Engine:
    contexts = TlsContexts(authority.ca_file)
    return Engine(EgressPolicy(allow_private=True), now=lambda: datetime.now(UTC), tls_contexts=contexts)


async def talk_nothing(reader: Any, writer: Any) -> None:
    await reader.read()


async def observed(engine: Engine, port: int, host: str = "localhost", **fields: Any) -> Observation:
    return await probe(TlsTarget.model_validate({"host": host, "port": port, **fields}), SECONDS, engine)


async def facts_of(engine: Engine, port: int, **fields: Any) -> Any:
    trace = Trace(SECONDS)
    try:
        await probe_tls(TlsTarget.model_validate({"host": "localhost", "port": port, **fields}), engine, trace)
    finally:
        facts = trace.facts[Source.CERTIFICATE]
    return facts


@pytest.mark.proves("tls", "a real server")
@pytest.mark.parametrize(("name", "reason"), [("tls-pass", None), ("tls-fail", Reason.ASSERTION)])
async def test_an_example_ends_as_it_says(engine: Engine, nginx: Nginx, name: str, reason: Reason | None) -> None:
    where = {"host": "localhost", "port": nginx.ports["tls"], "options": {"ca": nginx.credentials.ca}}
    expected = {"issuer": "CN=Tests", "names": ["localhost"], "ciphers": []}
    observation = await probe(example_target(name, "tls", **where, **expected), SECONDS, engine)
    assert observation.reason is reason


@pytest.mark.proves("tls", "STARTTLS smtp")
@pytest.mark.proves("tls", "STARTTLS imap")
@pytest.mark.proves("tls", "STARTTLS pop3")
@pytest.mark.proves("tls", "STARTTLS postgres")
async def test_certificates_are_seen_after_starttls(
    engine: Engine, exim: Exim, dovecot: Dovecot, postgres: Postgres
) -> None:
    for protocol, port, credentials in (
        ("SMTP", exim.ports["plain"], exim.credentials),
        ("IMAP", dovecot.ports["imap"], dovecot.credentials),
        ("POP3", dovecot.ports["pop3"], dovecot.credentials),
        ("POSTGRES", postgres.port, postgres.credentials),
    ):
        observation = await observed(engine, port, starttls=protocol, options={"ca": credentials.ca})
        assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
        assert observation.certificate_expires_at


@pytest.mark.proves("tls", "days to expiry over the chain")
async def test_the_first_of_the_chain_to_expire_counts(serve: Serve, tmp_path: Path) -> None:
    authority = Authority(tmp_path, expires_at=NOW + timedelta(days=9))
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: NOW, tls_contexts=TlsContexts(authority.ca_file))
    port = await serve(talk_nothing, authority.server_context(whole=True))
    assert (await observed(engine, port, minimum_days=9)).outcome is Outcome.SUCCESS
    observation = await observed(engine, port, minimum_days=10)
    assert observation.reason is Reason.ASSERTION
    assert observation.message is not None
    assert observation.message.startswith("the certificate of CN=Tests expires in 9.0 days")
    assert observation.certificate_expires_at == NOW + timedelta(days=9)


@pytest.mark.proves("tls", "names")
async def test_names_are_expected_beside_the_one_asked_for(serve: Serve, engine: Engine, authority: Authority) -> None:
    port = await serve(talk_nothing, authority.server_context())
    assert (await observed(engine, port, names=["LOCALHOST", "127.0.0.1"])).outcome is Outcome.SUCCESS
    observation = await observed(engine, port, names=["localhost", "www.example.com"])
    assert (observation.reason, observation.message) == (
        Reason.ASSERTION,
        "the certificate is not for www.example.com, but for localhost, 127.0.0.1",
    )


def test_the_first_names_of_a_certificate_are_told() -> None:
    assert _told_names(["a.example", "b.example", "c.example"]) == "a.example, b.example, c.example"
    assert _told_names([f"{number}.example" for number in range(9)]) == "0.example, 1.example, 2.example and 6 more"
    assert _told_names(()) == "no name"


async def test_all_that_is_not_as_expected_is_told_at_once(serve: Serve, engine: Engine, authority: Authority) -> None:
    port = await serve(talk_nothing, authority.server_context())
    observation = await observed(
        engine, port, ocsp_staple="REQUIRED", minimum_days=400, issuer="O=Others", protocols=["TLS_1_2"]
    )
    staple, days, issuer, protocol = str(observation.message).split("; ")
    assert (observation.reason, "staple" in staple, "expires in" in days) == (Reason.ASSERTION, True, True)
    assert (days.endswith("at least 400 days are expected"), issuer) == (
        True,
        "expected an issuer with O=Others, got CN=Tests",
    )
    assert protocol == "expected TLSv1.2, got TLSv1.3"


@pytest.mark.proves("tls", "issuer")
async def test_an_issuer_is_expected(serve: Serve, engine: Engine, authority: Authority) -> None:
    port = await serve(talk_nothing, authority.server_context())
    assert (await observed(engine, port, issuer="CN=Tests")).outcome is Outcome.SUCCESS
    observation = await observed(engine, port, issuer="O=Others")
    assert observation.message == "expected an issuer with O=Others, got CN=Tests"


@pytest.mark.proves("tls", "protocol")
@pytest.mark.proves("tls", "cipher")
async def test_protocol_and_cipher_are_expected(serve: Serve, engine: Engine, authority: Authority) -> None:
    port = await serve(talk_nothing, authority.server_context())
    seen = await facts_of(engine, port)
    agreed: dict[str, Any] = {"protocols": ["TLS_1_3"], "ciphers": ["TLS_CHACHA20_POLY1305_SHA256", seen["cipher"]]}
    assert (await observed(engine, port, **agreed)).outcome is Outcome.SUCCESS
    assert (await observed(engine, port, protocols=["TLS_1_2"])).message == "expected TLSv1.2, got TLSv1.3"
    observation = await observed(engine, port, ciphers=["AES256-SHA"])
    assert observation.message == f"expected AES256-SHA, got {seen['cipher']}"


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ({"self_signed": True}, "the certificate is self-signed"),
        ({"host": "other.example"}, "the certificate is not valid for the host localhost"),
        ({"expires_at": NOW - HOUR}, f"the certificate expired on {NOW - HOUR:%Y-%m-%d %H:%M} UTC"),
    ],
)
async def test_what_was_seen_is_kept_when_the_certificate_is_not_accepted(
    serve: Serve, engine: Engine, authority: Authority, server: dict[str, Any], problem: str
) -> None:
    port = await serve(talk_nothing, authority.server_context(**server))
    observation = await observed(engine, port)
    assert (observation.reason, observation.message) == (Reason.TLS, problem)
    assert (observation.tls_verified, observation.tls_version) == (True, "TLSv1.3")
    skipping = await observed(engine, port, options={"skip_verification": True})
    assert (skipping.outcome, skipping.tls_verified) == (Outcome.SUCCESS, False)


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"220 mail ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_port_without_tls_is_told(serve: Serve, engine: Engine, said: bytes) -> None:
    async def talk(reader: Any, writer: Any) -> None:
        await reader.read(1)
        writer.write(said)

    observation = await observed(engine, await serve(talk))
    message = "the server does not speak TLS on this port: what it sent is no TLS"
    assert (observation.reason, observation.message) == (Reason.TLS, message)


async def test_an_unknown_issuer_is_told(serve: Serve, authority: Authority) -> None:
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: NOW)
    port = await serve(talk_nothing, authority.server_context(whole=True))
    observation = await observed(engine, port)
    assert observation.message == "the certificate has an unknown issuer: its chain ends in a self-signed certificate"
    own = await observed(engine, port, options={"ca": authority.certificate.public_bytes(Encoding.PEM).decode()})
    assert own.outcome is Outcome.SUCCESS


async def test_the_facts_of_a_certificate_are_kept(serve: Serve, engine: Engine, authority: Authority) -> None:
    port = await serve(talk_nothing, authority.server_context(whole=True))
    seen = await facts_of(engine, port)
    assert 299 < seen["days"] < 301
    assert (seen["names"], seen["issuer"], seen["subject"]) == (["localhost", "127.0.0.1"], "CN=Tests", "CN=localhost")
    assert (seen["staple"], seen["problem"], len(seen["chain"])) == ("MISSING", None, 2)


async def test_other_kinds_tell_what_a_certificate_says_when_it_is_asserted_on(
    serve: Serve, engine: Engine, authority: Authority
) -> None:
    port = await serve(talk_nothing, authority.server_context())
    wrong = {"source": "CERTIFICATE", "path": "issuer", "operator": "EQUALS", "value": "CN=Others"}
    target = parse_target("tcp", {"host": "localhost", "port": port, "tls": {}, "assertions": [wrong]})
    observation = await probe(target, SECONDS, engine)
    assert observation.reason is Reason.ASSERTION
    assert observation.message == 'assertion failed: CERTIFICATE issuer EQUALS "CN=Others", was "CN=Tests"'


async def test_a_client_shows_its_certificate(serve: Serve, engine: Engine, authority: Authority) -> None:
    context = authority.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = authority.client_certificate()
    shown = {"client_certificate": {"certificate": certificate, "key": key}}
    port = await serve(talk_nothing, context)
    assert (await observed(engine, port, options=shown)).outcome is Outcome.SUCCESS
    assert (await observed(engine, port)).reason is Reason.TLS


@pytest.mark.proves("tls", "OCSP staple")
@pytest.mark.parametrize(
    ("demand", "status", "reason"),
    [
        ("REQUIRED", OCSPCertStatus.GOOD, None),
        ("CHECKED", OCSPCertStatus.GOOD, None),
        ("CHECKED", OCSPCertStatus.REVOKED, Reason.TLS),
        ("REQUIRED", OCSPCertStatus.REVOKED, Reason.TLS),
        ("IGNORED", OCSPCertStatus.REVOKED, None),
        ("CHECKED", OCSPCertStatus.UNKNOWN, None),
        ("REQUIRED", OCSPCertStatus.UNKNOWN, Reason.ASSERTION),
        ("CHECKED", None, None),
        ("REQUIRED", None, Reason.ASSERTION),
    ],
)
async def test_a_staple_is_demanded(
    engine: Engine,
    authority: Authority,
    tmp_path: Path,
    demand: str,
    status: OCSPCertStatus | None,
    reason: Reason | None,
) -> None:
    authority.server_context()
    staple = None if status is None else response(authority, leaf_of(tmp_path), status)
    with stapling_server(tmp_path, staple) as port:
        observation = await observed(engine, port, ocsp_staple=demand)
    assert observation.reason is reason
    if reason is Reason.TLS:
        assert observation.message == f"the certificate was revoked on {NOW - timedelta(days=3):%Y-%m-%d %H:%M} UTC"


async def test_a_staple_comes_through_tls_1_2_too(engine: Engine, authority: Authority, tmp_path: Path) -> None:
    authority.server_context()
    staple = response(authority, leaf_of(tmp_path), OCSPCertStatus.REVOKED)
    with stapling_server(tmp_path, staple, "-tls1_2") as port:
        observation = await observed(engine, port)
    assert (observation.reason, observation.tls_version) == (Reason.TLS, "TLSv1.2")


def judged(authority: Authority, folder: Path, staple: bytes) -> tuple[Staple, str]:
    return read_staple(staple, [leaf_of(folder)], [authority.certificate], NOW)


@pytest.mark.parametrize("naming", OCSPResponderEncoding)
def test_a_staple_is_believed_of_whom_the_issuer_certified_for_it(
    authority: Authority, tmp_path: Path, naming: OCSPResponderEncoding
) -> None:
    authority.server_context()
    staple = response(authority, leaf_of(tmp_path), delegated=naming)
    assert judged(authority, tmp_path, staple)[0] is Staple.GOOD


def test_a_staple_is_not_believed_of_an_expired_certificate(authority: Authority, tmp_path: Path) -> None:
    authority.server_context()
    expired: dict[str, Any] = {"delegated": OCSPResponderEncoding.NAME, "certified_until": NOW - HOUR}
    assert judged(authority, tmp_path, response(authority, leaf_of(tmp_path), **expired)) == UNSIGNED


@pytest.mark.parametrize("usage", [None, ExtendedKeyUsageOID.SERVER_AUTH])
def test_a_staple_is_not_believed_of_a_certificate_for_something_else(
    authority: Authority, tmp_path: Path, usage: ObjectIdentifier | None
) -> None:
    authority.server_context()
    staple = response(authority, leaf_of(tmp_path), delegated=OCSPResponderEncoding.HASH, usage=usage)
    assert judged(authority, tmp_path, staple) == UNSIGNED


def test_a_staple_is_not_believed_of_whom_another_authority_certified(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    authority.server_context()
    by_another: dict[str, Any] = {"delegated": OCSPResponderEncoding.NAME, "certified_by": Authority(folder)}
    assert judged(authority, tmp_path, response(authority, leaf_of(tmp_path), **by_another)) == UNSIGNED


def test_a_staple_of_another_authority_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    authority.server_context()
    folder = tmp_path / "stranger"
    folder.mkdir()
    forged = response(Authority(folder), leaf_of(tmp_path))
    assert judged(authority, tmp_path, forged)[0] is Staple.INVALID


def test_a_staple_for_another_certificate_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    authority.server_context()
    other = response(authority, leaf_of(tmp_path))
    authority.server_context()
    assert judged(authority, tmp_path, other) == (Staple.INVALID, "the OCSP staple is for another certificate")


@pytest.mark.parametrize(("age", "words"), [(5 * HOUR, "expired on"), (-HOUR, "is not valid before")])
def test_a_staple_is_believed_in_its_time_alone(
    authority: Authority, tmp_path: Path, age: timedelta, words: str
) -> None:
    authority.server_context()
    status, said = judged(authority, tmp_path, response(authority, leaf_of(tmp_path), age=age))
    assert (status, words in said) == (Staple.INVALID, True)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_staple_or_none(staple: bytes) -> None:
    assert read_staple(staple, [], [], NOW)[0] is Staple.MISSING


@given(st.data())
def test_a_damaged_staple_says_nothing_good(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder, authority, staple = _sound(tmp_path_factory)
    place = data.draw(st.integers(0, len(staple) - 1))
    flipped = bytearray(staple)
    flipped[place] ^= data.draw(st.integers(1, 255))
    status, _ = read_staple(bytes(flipped), [leaf_of(folder)], [authority.certificate], NOW)
    assert status is not Staple.REVOKED


_kept: list[tuple[Path, Authority, bytes]] = []


def _sound(factory: pytest.TempPathFactory) -> tuple[Path, Authority, bytes]:
    if not _kept:
        folder = factory.mktemp("staples")
        authority = Authority(folder)
        authority.server_context()
        _kept.append((folder, authority, response(authority, leaf_of(folder))))
    return _kept[0]


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["example.com"], "EXAMPLE.com.", True),
        (["*.example.com"], "www.example.com", True),
        (["*.example.com"], "a.b.example.com", False),
        (["*.example.com"], "example.com", False),
        (["*.com"], "example.com", False),
        (["*"], "localhost", False),
        (["w*.example.com"], "www.example.com", False),
        (["xn--bcher-kva.example"], "bücher.example", True),
        (["2001:db8::1"], "2001:DB8:0::1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["*.0.0.1"], "127.0.0.1", False),
        ([], "example.com", False),
    ],
)
def test_a_certificate_covers_hosts_by_its_names(names: list[str], host: str, covered: bool) -> None:
    assert covers(names, host) is covered


@given(st.lists(st.binary(max_size=100), max_size=3))
def test_any_bytes_are_a_chain_or_none(encoded: list[bytes]) -> None:
    assert describe(load_chain(encoded), None, None, NOW) == {"protocol": None, "cipher": None}


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + bytes(70_000), b""])
async def test_a_server_that_speaks_no_tls_is_told(serve: Serve, engine: Engine, said: bytes) -> None:
    async def talk(reader: Any, writer: Any) -> None:
        await reader.read(1)
        writer.write(said)

    observation = await observed(engine, await serve(talk))
    assert observation.reason is Reason.TLS


async def test_a_handshake_that_stalls_ends_at_the_deadline(serve: Serve, engine: Engine) -> None:
    target = TlsTarget(host="localhost", port=await serve(talk_nothing))
    observation = await probe(target, timedelta(seconds=0.3), engine)
    assert observation.message == "timed out after 0.3 s during the TLS handshake"


def test_targets_that_differ_by_their_server_name_share_a_context() -> None:
    contexts = TlsContexts()
    options = [None, TlsOptions(), *(TlsOptions(server_name=f"{name}.example") for name in "abc")]
    assert len({id(contexts.of(each)) for each in options[1:]}) == 1
    assert len({id(contexts.stapling.of(each)) for each in options if each}) == 1
    assert contexts.of(TlsOptions(skip_verification=True)) is not contexts.of(TlsOptions())


async def test_the_egress_guard_is_asked(engine: Engine) -> None:
    shared = replace(engine, policy=EgressPolicy(allow_private=False))
    assert (await observed(shared, 443, "127.0.0.1")).reason is Reason.TARGET_BLOCKED
