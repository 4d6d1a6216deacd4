"""What databases may do: PostgreSQL, MySQL and Redis."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, CA, PORT, Talk, Trick, drips, floods, greets, only, says, silent
from tocsin.domain.observations import Reason

_TIMEOUT, _PROTOCOL = only(Reason.TIMEOUT), only(Reason.PROTOCOL)
_LIMIT = only(Reason.BODY_LIMIT)
_LOGIN = only(Reason.AUTHENTICATION)


def sql(dialect: str, **fields: Any) -> Mapping[str, Any]:
    place = {"dialect": dialect, "host": ADDRESS, "port": PORT, "user": "probe", "password": "s3cret"}
    return {**place, "query": "SELECT 1", **fields}


def said(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    """A message of PostgreSQL's, which may announce another length than it has."""
    return kind + struct.pack("!I", len(body) + 4 if length is None else length) + body


def scram(iterations: bytes, nonce: bytes = b"") -> Talk:
    """A login by SCRAM that goes on with the client's nonce, or another, and ends with a proof that is none."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(said(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
        first = await reader.read(65_536)
        answered = nonce or first[first.rindex(b"r=") :] + b"more"
        writer.write(said(b"R", struct.pack("!I", 11) + answered + b",s=c2FsdA==,i=" + iterations))
        await reader.read(65_536)
        writer.write(said(b"R", struct.pack("!I", 12) + b"v=bm8gcHJvb2Y=") + IN)
        await asyncio.Event().wait()

    return talk


IN: Final = said(b"R", bytes(4)) + said(b"Z", b"I")
COLUMN: Final = b"a\0" + bytes(18)
ONE_COLUMN: Final = said(b"T", b"\0\1" + COLUMN)
ROW: Final = said(b"D", b"\0\1\0\0\0\1x")
BEGUN: Final = said(b"Z", b"T")
POSTGRES: Final = {
    "silence": (silent, _TIMEOUT),
    "by the byte": (drips(b"", b"R"), _PROTOCOL | _TIMEOUT | _LIMIT),
    "no PostgreSQL": (floods(b"", b"HTTP/1.1 200 OK\r\n" * 1000), _PROTOCOL | _LIMIT),
    "message of a gigabyte": (floods(said(b"R", b"", 1 << 30), BLOCK), _LIMIT),
    "message of a negative length": (says(said(b"R", b"", 0)), _PROTOCOL),
    "endless notices": (floods(b"", said(b"N", b"\0") * 5000), _LIMIT),
    "endless parameters": (floods(said(b"R", bytes(4)), said(b"S", b"a\0b\0") * 5000), _LIMIT),
    "endless rows": (floods(IN + BEGUN + ONE_COLUMN, ROW * 5000), _LIMIT),
    "rows without a description": (floods(IN + BEGUN, ROW * 5000), _PROTOCOL),
    "row of a gigabyte": (floods(IN + BEGUN + ONE_COLUMN + said(b"D", b"", 1 << 30), BLOCK), _LIMIT),
    "value longer than its row": (says(IN + BEGUN + ONE_COLUMN + said(b"D", b"\0\1\x7f\xff\xff\xffx")), _PROTOCOL),
    "30,000 columns": (says(IN + BEGUN + said(b"T", b"\x75\x30" + COLUMN * 100)), _LIMIT),
    "endless empty columns": (
        floods(IN + BEGUN + said(b"T", b"\0\x64" + COLUMN * 100), said(b"D", b"\0\x64" + b"\xff" * 400) * 100),
        _LIMIT,
    ),
    "login by a type that is none": (says(said(b"R", struct.pack("!I", 9))), _LOGIN),
    "clear password": (says(said(b"R", struct.pack("!I", 3))), _LOGIN),
    "SCRAM of 2 billion rounds": (scram(b"2000000000"), _PROTOCOL),
    "SCRAM by an impostor": (scram(b"4096"), _PROTOCOL),
    "SCRAM with a nonce of its own": (scram(b"4096", nonce=b"r=theirs"), _PROTOCOL),
    "SCRAM without end": (
        floods(
            said(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"),
            said(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0") * 100,
        ),
        _LIMIT | _PROTOCOL,
    ),
    "error of 200 KB": (says(said(b"E", b"SFATAL\0C28P01\0M" + b"x" * 200_000 + b"\0\0")), _LOGIN),
    "copies without end": (
        floods(IN + BEGUN + said(b"H", b"\0\0\0"), said(b"d", bytes(1000)) * 50),
        only(Reason.STATUS),
    ),
}


def packet(payload: bytes, number: int = 0, length: int | None = None) -> bytes:
    """A packet of MySQL's, which may announce another length than it has."""
    return (len(payload) if length is None else length).to_bytes(3, "little") + bytes((number,)) + payload


GREETING: Final = packet(
    b"\x0a8.4.0\0"
    + bytes(4)
    + b"saltsalt\0"
    + b"\xff\xf7\x2d\0\0\xff\x81\x15"
    + bytes(10)
    + b"saltsaltsalt\0caching_sha2_password\0"
)
DONE: Final = packet(b"\0\0\0\2\0\0\0")
TEXT_COLUMN: Final = packet(b"\3def\0\0\0\1a\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0")
END: Final = packet(b"\xfe\0\0\2\0")
RESULT: Final = packet(b"\1") + TEXT_COLUMN + END


def answers_mysql(*parts: bytes, endless: bytes = b"") -> Talk:
    """Greets, lets in, takes the settings, and answers the query with the parts."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(GREETING)
        for _ in range(4):
            await reader.read(65_536)
            writer.write(DONE)
        await reader.read(65_536)
        writer.write(b"".join(parts))
        while endless and not writer.is_closing():
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    return talk


MYSQL: Final = {
    "silence": (silent, _TIMEOUT),
    "no MySQL": (floods(b"", b"HTTP/1.1 200 OK\r\n" * 1000, first=True), _LIMIT | _PROTOCOL),
    "greeting of 16 MB": (floods(packet(b"", length=0xFFFFFF), BLOCK, first=True), _LIMIT),
    "empty packets": (floods(b"", packet(b"") * 5000, first=True), _PROTOCOL),
    "greeting that ends too early": (greets(packet(b"\x0a8.4\0abc")), _PROTOCOL),
    "login that goes on and on": (
        floods(GREETING, packet(b"\xfemysql_native_password\0" + b"s" * 21) * 500, first=True),
        _PROTOCOL,
    ),
    "clear password": (greets(GREETING, packet(b"\xfemysql_clear_password\0")), _LOGIN),
    "full login in the clear": (greets(GREETING, packet(b"\1\4")), _LOGIN),
    "a file of ours": (answers_mysql(packet(b"\xfb/etc/passwd")), _PROTOCOL),
    "endless rows": (answers_mysql(RESULT, endless=packet(b"\1x") * 5000), _LIMIT),
    "2^64 columns": (answers_mysql(packet(b"\xfe" + b"\xff" * 8)), _LIMIT),
    "row of 16 MB": (answers_mysql(RESULT, packet(b"", length=0xFFFFFF), endless=BLOCK), _LIMIT),
    "value longer than its row": (answers_mysql(RESULT, packet(b"\xfd\xff\xff\xff")), _PROTOCOL),
    "endless columns": (answers_mysql(packet(b"\x64"), endless=TEXT_COLUMN * 1000), _LIMIT | _PROTOCOL),
}


def redis(**fields: Any) -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, **fields}


REDIS: Final = {
    "silence": (silent, _TIMEOUT),
    "by the byte": (drips(b"", b"+"), _TIMEOUT | _PROTOCOL),
    "bulk of a gigabyte": (floods(b"$1073741824\r\n", BLOCK), _PROTOCOL),
    "bulk of a negative length": (says(b"$-2\r\n"), _PROTOCOL),
    "arrays in arrays": (floods(b"", b"*1\r\n" * 10_000), _PROTOCOL),
    "array of 2^63": (says(b"*9223372036854775807\r\n"), _PROTOCOL),
    "endless line": (floods(b"+", b"x" * 65_536), _PROTOCOL),
    "endless error": (floods(b"-ERR ", b"x" * 65_536), _PROTOCOL),
    "no Redis": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), _PROTOCOL),
    "another answer": (says(b"+HELLO\r\n"), _PROTOCOL),
}

TRICKS: Final = (
    *(
        Trick(f"PostgreSQL: {name}", "sql", sql("POSTGRESQL"), reasons, talk)
        for name, (talk, reasons) in POSTGRES.items()
    ),
    Trick("PostgreSQL: stalled TLS", "sql", sql("POSTGRESQL", tls={"ca": CA}), _TIMEOUT, says(b"S", stay=True)),
    Trick(
        "PostgreSQL: injection",
        "sql",
        sql("POSTGRESQL", tls={"ca": CA}),
        only(Reason.TLS, Reason.TIMEOUT),
        says(b"S" + IN, stay=True),
    ),
    *(Trick(f"MySQL: {name}", "sql", sql("MYSQL"), reasons, talk) for name, (talk, reasons) in MYSQL.items()),
    Trick(
        "MySQL: no TLS",
        "sql",
        sql("MYSQL", tls={"ca": CA}),
        only(Reason.TLS),
        greets(GREETING.replace(b"\xff\xf7", b"\xff\xf0")),
    ),
    *(Trick(f"Redis: {name}", "redis", redis(), reasons, talk) for name, (talk, reasons) in REDIS.items()),
    Trick(
        "Redis: another value",
        "redis",
        redis(key_prefix="a:"),
        only(Reason.ASSERTION),
        greets(b"+OK\r\n$16\r\n0123456789abcdef\r\n:1\r\n+PONG\r\n"),
    ),
)
