"""Our parsers, given what nobody sends: they end, and with a finding about the target, never with an error of ours."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.failures import ProbeFailure
from probes.kinds.redis import converse as converse_with_redis
from probes.kinds.sql.answers import SqlError
from probes.kinds.sql.mysql import MySqlSession
from probes.kinds.sql.postgres import PostgresSession
from probes.trace import Trace
from probes.wire.connection import ByteStream
from probes.wire.dns_messages import Query, RecordType, read_answer
from probes.wire.http_messages import ResponseParser
from probes.wire.imap_dialogue import ImapDialogue
from probes.wire.smtp_dialogue import SmtpDialogue
from tests.hostile.database_tricks import BEGUN, DONE, GREETING, IN, ONE_COLUMN, RESULT, ROW, packet, said
from tocsin.domain.targets.redis import RedisTarget

Converse = Callable[[ByteStream], Awaitable[object]]
WISHES = settings(max_examples=300, deadline=None)


class Scripted:
    """A connection that hands out pieces, and then ends."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def send(self, data: bytes) -> None: ...

    def abort(self) -> None: ...

    async def receive(self) -> bytes:
        return next(self._pieces, b"")


@st.composite
def mutated(draw: st.DrawFn, script: bytes) -> list[bytes]:
    """A right conversation with some of it changed, in pieces."""
    data = bytearray(script)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    places = [0, *cuts, len(data)]
    return [bytes(data[begin:end]) for begin, end in pairwise(places) if end > begin]


async def with_postgres(connection: ByteStream) -> object:
    session = PostgresSession(connection, secured=False)
    await session.log_in("probe", "s3cret", "shop")
    return (await session.read("SELECT 1", 1)).as_objects()


async def with_mysql(connection: ByteStream) -> object:
    session = MySqlSession(connection)
    await session.greet()
    await session.log_in("probe", "s3cret", "shop")
    return (await session.read("SELECT 1", 1)).as_objects()


async def with_redis(connection: ByteStream) -> None:
    target = RedisTarget(host="127.0.0.1", password="s3cret", database=1, key_prefix="a:")
    await converse_with_redis(target, connection, Trace(timedelta(seconds=1)))


async def with_smtp(connection: ByteStream) -> object:
    dialogue = SmtpDialogue(connection)
    await dialogue.greeting()
    return await dialogue.hello()


async def with_imap(connection: ByteStream) -> object:
    dialogue = ImapDialogue(connection)
    await dialogue.greeting()
    return await dialogue.capabilities()


SCRIPTS: dict[str, tuple[Converse, bytes]] = {
    "postgres": (with_postgres, IN + BEGUN + ONE_COLUMN + ROW + said(b"C", b"SELECT 1\0") + BEGUN),
    "mysql": (with_mysql, GREETING + DONE * 4 + RESULT + packet(b"\1x") + packet(b"\xfe\0\0\2\0")),
    "redis": (with_redis, b"+OK\r\n+OK\r\n+OK\r\n$16\r\n0123456789abcdef\r\n:1\r\n+PONG\r\n"),
    "smtp": (with_smtp, b"220 mail ESMTP\r\n250-mail\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"),
    "imap": (with_imap, b"* OK ready\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\nA1 OK done\r\na001 OK done\r\n"),
}


@pytest.mark.parametrize("protocol", SCRIPTS)
@WISHES
@given(data=st.data())
def test_a_conversation_ends_with_a_finding(protocol: str, data: st.DataObject) -> None:
    converse, script = SCRIPTS[protocol]
    pieces = data.draw(mutated(script))
    with suppress(ProbeFailure, SqlError):
        asyncio.run(asyncio.wait_for(converse(Scripted(pieces)), 5))


@WISHES
@given(data=st.data())
def test_a_response_of_http_ends_with_a_finding(data: st.DataObject) -> None:
    script = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    parser = ResponseParser(has_body=True)
    with suppress(ProbeFailure):
        for piece in data.draw(mutated(script)):
            parser.feed(piece)
            parser.take_body()
        parser.feed_end()


QUERY = Query(1, "example.test", RecordType.A)
REPLY = b"\0\1\x81\x80\0\1\0\1\0\0\0\0" + QUERY.question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"


@WISHES
@given(data=st.data())
def test_an_answer_of_a_name_server_is_read_or_dropped(data: st.DataObject) -> None:
    answer = read_answer(b"".join(data.draw(mutated(REPLY))), QUERY)
    assert answer is None or len(answer.addresses) <= 16
