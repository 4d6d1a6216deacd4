"""Mail servers: greetings, STARTTLS, logins and recipients, on Exim and Dovecot, and hostile ones."""

import asyncio
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.imap import probe_imap
from probes.kinds.smtp import probe_smtp
from probes.runner import probe
from probes.trace import Trace
from tests.probes.examples import example_target
from tests.probes.serving import Serve, Talk
from tests.servers.credentials import PASSWORD, USER
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets import parse_target

SECONDS = timedelta(seconds=10)
LOGIN = {"username": USER, "password": PASSWORD}
Mail = Callable[..., Awaitable[Observation]]


async def observed(engine: Engine, kind: str, port: int, seconds: float = 10, **fields: Any) -> Observation:
    target = parse_target(kind, {"host": "127.0.0.1", "port": port, **fields})
    return await probe(target, timedelta(seconds=seconds), engine)


@pytest.fixture
def smtp(engine: Engine, exim: Exim) -> Mail:
    """Probes Exim, by STARTTLS or with TLS at once."""

    async def observe(security: str = "STARTTLS", **fields: Any) -> Observation:
        port = exim.ports["tls" if security == "TLS" else "plain"]
        secured: dict[str, Any] = {} if security == "NONE" else {"tls": {"ca": exim.credentials.ca}}
        return await observed(engine, "smtp", port, security=security, **secured, **fields)

    return observe


@pytest.fixture
def imap(engine: Engine, dovecot: Dovecot) -> Mail:
    """Probes Dovecot, by STARTTLS or with TLS at once."""

    async def observe(security: str = "STARTTLS", **fields: Any) -> Observation:
        port = dovecot.ports["imaps" if security == "TLS" else "imap"]
        secured: dict[str, Any] = {} if security == "NONE" else {"tls": {"ca": dovecot.credentials.ca}}
        return await observed(engine, "imap", port, security=security, **secured, **fields)

    return observe


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("smtp-pass", None),
        ("smtp-fail", Reason.AUTHENTICATION),
        ("imap-pass", None),
        ("imap-fail", Reason.ASSERTION),
    ],
)
async def test_an_example_ends_as_it_says(
    engine: Engine, exim: Exim, dovecot: Dovecot, name: str, reason: Reason | None
) -> None:
    kind, passes = name.split("-", maxsplit=1)[0], name.endswith("pass")
    server = exim if kind == "smtp" else dovecot
    port = server.ports[{"smtp": "plain", "imap": "imap"}[kind] if passes else {"smtp": "tls", "imap": "imaps"}[kind]]
    own: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": {"ca": server.credentials.ca}}
    if name == "imap-pass":
        own["login"] = LOGIN
    assert (await probe(example_target(name, kind, **own), SECONDS, engine)).reason is reason


@pytest.mark.proves("smtp", "a real server")
@pytest.mark.proves("smtp", "greeting")
@pytest.mark.proves("smtp", "STARTTLS")
@pytest.mark.proves("smtp", "TLS")
@pytest.mark.parametrize("security", ["NONE", "STARTTLS", "TLS"])
async def test_a_mail_server_greets(smtp: Mail, security: str) -> None:
    observation = await smtp(security)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert (observation.status_code, observation.tls_verified) == (250, None if security == "NONE" else True)
    assert observation.phases.processing


@pytest.mark.proves("smtp", "login")
@pytest.mark.parametrize("security", ["STARTTLS", "TLS"])
async def test_a_mail_server_takes_a_login(smtp: Mail, security: str) -> None:
    assert (await smtp(security, login=LOGIN)).status_code == 235
    observation = await smtp(security, login={**LOGIN, "password": "wrong-word"})
    assert (observation.reason, observation.message) == (
        Reason.AUTHENTICATION,
        "the server refused the login with code 535",
    )


@pytest.mark.proves("smtp", "accepted recipient")
async def test_a_mail_server_accepts_a_recipient(smtp: Mail) -> None:
    assert (await smtp(recipient="known@example.test", sender="a@example.test")).outcome is Outcome.SUCCESS
    refused = await smtp(recipient="nobody@example.test")
    assert (refused.reason, refused.status_code) == (Reason.STATUS, 550)
    assert refused.message == "expected 250 as the answer to RCPT TO, got 550 no such mailbox"
    deferred = await smtp(recipient="busy@example.test")
    assert (deferred.reason, deferred.status_code) == (Reason.STATUS, 451)
    assert (await smtp(recipient="anybody@elsewhere.test")).reason is Reason.STATUS
    assert (await smtp(recipient="anybody@elsewhere.test", login=LOGIN)).outcome is Outcome.SUCCESS


@pytest.mark.proves("imap", "a real server")
@pytest.mark.proves("imap", "greeting")
@pytest.mark.proves("imap", "STARTTLS")
@pytest.mark.proves("imap", "TLS")
@pytest.mark.parametrize("security", ["NONE", "STARTTLS", "TLS"])
async def test_a_mailbox_server_greets_and_offers(imap: Mail, security: str) -> None:
    observation = await imap(security, capabilities=["IMAP4rev1", "idle"])
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    missing = await imap(security, capabilities=["IDLE", "XGOSSIP"])
    assert (missing.reason, missing.message) == (Reason.ASSERTION, "the server does not offer XGOSSIP")


@pytest.mark.proves("imap", "login")
@pytest.mark.parametrize("security", ["STARTTLS", "TLS"])
async def test_a_mailbox_server_takes_a_login(imap: Mail, security: str) -> None:
    assert (await imap(security, login=LOGIN)).outcome is Outcome.SUCCESS
    observation = await imap(security, login={**LOGIN, "password": "wrong-word"})
    assert (observation.reason, observation.message) == (
        Reason.AUTHENTICATION,
        "the server refused the login with NO AUTHENTICATIONFAILED",
    )


async def test_what_mail_servers_say_is_kept_as_facts(engine: Engine, exim: Exim, dovecot: Dovecot) -> None:
    for kind, port, prober, said in (
        ("smtp", exim.ports["plain"], probe_smtp, "STARTTLS"),
        ("imap", dovecot.ports["imap"], probe_imap, "IDLE"),
    ):
        trace = Trace(SECONDS)
        target: Any = parse_target(kind, {"host": "127.0.0.1", "port": port, "security": "NONE"})
        await prober(target, engine, trace)
        assert said in trace.facts[Source.BODY]
        assert trace.facts[Source.STATUS] == {"smtp": 250, "imap": "OK"}[kind]


async def test_the_egress_guard_judges_the_address(engine: Engine) -> None:
    shared = replace(engine, policy=EgressPolicy(allow_private=False))
    for kind in ("smtp", "imap"):
        assert (await observed(shared, kind, 25)).reason is Reason.TARGET_BLOCKED


def saying(*lines: bytes, then: bytes = b"") -> Talk:
    """Says the first line, then one for each that it hears; then what comes last, over and over."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(lines[0])
        for line in lines[1:]:
            await reader.readline()
            writer.write(line)
        while then:
            writer.write(then)
            await writer.drain()
        await reader.read()

    return talk


HELLO = (b"220 mail\r\n", b"250 mail\r\n")


@pytest.mark.parametrize(
    ("kind", "talk", "reason", "message"),
    [
        ("smtp", saying(b"554 no\r\n"), Reason.STATUS, "expected 220 as the greeting, got 554 no"),
        ("smtp", saying(b"220 a\r\n", b"502 what\r\n"), Reason.STATUS, "expected 250 as the answer to EHLO"),
        ("smtp", saying(b"", then=b"220-more\r\n" * 50), Reason.PROTOCOL, "a reply of more than 100 lines"),
        ("smtp", saying(b"", then=b"220" + b"x" * 4000), Reason.PROTOCOL, "a line of more than 8192 bytes"),
        ("smtp", saying(b"\0\0\0\0\r\n"), Reason.PROTOCOL, "no reply with a code"),
        ("smtp", saying(b"* OK imap\r\n"), Reason.PROTOCOL, "no reply with a code"),
        ("imap", saying(b"* BYE later\r\n"), Reason.STATUS, "the server greeted with BYE: later"),
        ("imap", saying(b"220 mail\r\n"), Reason.PROTOCOL, "the server does not greet as IMAP"),
        ("imap", saying(b"* OK a\r\n", b"t1 BAD what\r\n"), Reason.STATUS, "the server refused CAPABILITY"),
        ("imap", saying(b"* OK a\r\n", b"t1 YES\r\n"), Reason.PROTOCOL, "completed a command with YES"),
        ("imap", saying(b"* OK a\r\n", then=b"* X\r\n" * 50), Reason.PROTOCOL, "more than 100 lines"),
        ("imap", saying(b"* OK a\r\n", then=b"+ \r\n" * 50), Reason.PROTOCOL, "more than 100 lines"),
        ("imap", saying(b"* OK a\r\n", then=b"* X {1073741824}\r\n"), Reason.PROTOCOL, "a literal of 1073741824"),
        ("imap", saying(b"* OK a\r\n", then=b"* X {9}\r\n" * 50), Reason.PROTOCOL, ""),
        ("imap", saying(b"* OK a\r\n", then=b"\0" * 500), Reason.PROTOCOL, "a line of more than 8192 bytes"),
    ],
)
async def test_a_server_that_talks_nonsense_or_without_end_is_told(
    serve: Serve, engine: Engine, kind: str, talk: Talk, reason: Reason, message: str
) -> None:
    observation = await observed(engine, kind, await serve(talk), security="NONE")
    assert observation.reason is reason
    assert observation.message is not None
    assert message in observation.message


@pytest.mark.parametrize("kind", ["smtp", "imap"])
async def test_a_server_that_drips_ends_at_the_timeout(serve: Serve, engine: Engine, kind: str) -> None:
    async def drip(reader: StreamReader, writer: StreamWriter) -> None:
        while True:
            writer.write(b"2")
            await asyncio.sleep(0.01)

    observation = await observed(engine, kind, await serve(drip), seconds=0.3)
    assert observation.message == "timed out after 0.3 s while waiting for the response"


@pytest.mark.parametrize("kind", ["smtp", "imap"])
async def test_a_server_that_never_takes_leave_is_well(serve: Serve, engine: Engine, kind: str) -> None:
    lines = {"smtp": HELLO, "imap": (b"* OK a\r\n", b"* CAPABILITY X\r\nt1 OK\r\n")}[kind]
    observation = await observed(engine, kind, await serve(saying(*lines)), security="NONE")
    assert observation.outcome is Outcome.SUCCESS


def echoing_logins(greeting: bytes, offered: bytes, answer: bytes) -> Talk:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(greeting)
        await reader.readline()
        writer.write(offered)
        writer.write(answer % (await reader.readline()).strip())
        await reader.read()

    return talk


@pytest.mark.parametrize("kind", ["smtp", "imap"])
async def test_a_server_that_repeats_the_login_does_not_get_it_told(
    serve: Serve, engine: Engine, exim: Exim, kind: str
) -> None:
    talk = {
        "smtp": echoing_logins(b"220 a\r\n", b"250-a\r\n250 AUTH PLAIN\r\n", b"535 %b\r\n"),
        "imap": echoing_logins(b"* OK a\r\n", b"* CAPABILITY AUTH=PLAIN SASL-IR\r\nt1 OK\r\n", b"t2 NO %b\r\n"),
    }[kind]
    port = await serve(talk, exim.credentials.authority.server_context())
    fields: dict[str, Any] = {"security": "TLS", "tls": {"skip_verification": True}, "login": LOGIN}
    observation = await observed(engine, kind, port, **fields)
    assert observation.reason is Reason.AUTHENTICATION
    assert observation.message is not None
    assert b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode() not in observation.message


async def test_logins_are_said_in_the_way_that_is_offered(serve: Serve, engine: Engine, exim: Exim) -> None:
    heard: list[bytes] = []

    def offering(greeting: bytes, offered: bytes, *answers: bytes) -> Talk:
        async def talk(reader: StreamReader, writer: StreamWriter) -> None:
            writer.write(greeting)
            await reader.readline()
            writer.write(offered)
            for answer in answers:
                heard.append(await reader.readline())
                writer.write(answer)
            await reader.read()

        return talk

    for kind, talk in (
        ("smtp", offering(b"220 a\r\n", b"250-a\r\n250 AUTH LOGIN\r\n", b"334 x\r\n", b"334 y\r\n", b"235 z\r\n")),
        ("imap", offering(b"* OK a\r\n", b"* CAPABILITY AUTH=PLAIN\r\nt1 OK\r\n", b"+ \r\n", b"t2 OK\r\n")),
        ("imap", offering(b"* OK a\r\n", b"* CAPABILITY X\r\nt1 OK\r\n", b"t2 OK\r\n")),
    ):
        port = await serve(talk, exim.credentials.authority.server_context())
        login = {"username": 'a"b', "password": "c\\d"}
        fields: dict[str, Any] = {"security": "TLS", "tls": {"skip_verification": True}, "login": login}
        assert (await observed(engine, kind, port, **fields)).outcome is Outcome.SUCCESS
    plain = b64encode(b'\0a"b\0c\\d') + b"\r\n"
    assert heard == [
        *(b"AUTH LOGIN\r\n", b64encode(b'a"b') + b"\r\n", b64encode(b"c\\d") + b"\r\n"),
        *(b"t2 AUTHENTICATE PLAIN\r\n", plain),
        b't2 LOGIN "a\\"b" "c\\\\d"\r\n',
    ]


@pytest.mark.parametrize(
    ("kind", "offered"),
    [("smtp", b"250-a\r\n250 AUTH CRAM-MD5\r\n"), ("imap", b"* CAPABILITY LOGINDISABLED\r\nt1 OK\r\n")],
)
async def test_a_server_without_a_usable_login_is_told(
    serve: Serve, engine: Engine, exim: Exim, kind: str, offered: bytes
) -> None:
    greeting = {"smtp": b"220 a\r\n", "imap": b"* OK a\r\n"}[kind]
    port = await serve(saying(greeting, offered), exim.credentials.authority.server_context())
    fields: dict[str, Any] = {"security": "TLS", "tls": {"skip_verification": True}, "login": LOGIN}
    assert (await observed(engine, kind, port, **fields)).reason is Reason.AUTHENTICATION
