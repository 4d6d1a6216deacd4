"""PostgreSQL's protocol, version 3, as far as one query needs it.

Own code in place of a library: asyncpg reads what a server announces before it looks at it, and dials by itself
(see docs/decisions/0017-sql.md).
"""

import struct
from typing import Final

from probes.failures import ProbeFailure
from probes.kinds.sql.answers import Answer, Budget, Type, needed
from probes.kinds.sql.postgres_messages import describe, error, md5, nonsense, values
from probes.kinds.sql.scram import Scram
from probes.wire.connection import ByteStream
from probes.wire.lines import LineReader
from tocsin.domain.observations import Reason
from tocsin.domain.targets.sql import MAX_ROWS

_VERSION: Final = 3 << 16
_OK, _CLEAR, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_COPIES: Final = b"GHW"
_SAID_AT_ANY_TIME: Final = b"NSA"


class PostgresSession:
    """One conversation. Methods raise SqlError for what the server refuses, and ProbeFailure for all else."""

    def __init__(self, connection: ByteStream, *, secured: bool) -> None:
        self._connection = connection
        self._secured = secured
        self._reader = LineReader(connection)
        self._budget = Budget()

    async def log_in(self, user: str, password: str | None, database: str | None) -> None:
        words = {"user": user, "database": database or user, "client_encoding": "UTF8", "application_name": "tocsin"}
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in words.items()) + b"\0"
        self._connection.send(struct.pack("!ii", len(body) + 8, _VERSION) + body)
        await self._authenticate(user, password)
        await self._until_ready()

    async def read(self, query: str, seconds: float) -> Answer:
        """Run one statement in a transaction that can only read, and that the server ends after these seconds."""
        limit_ms = max(1, int(seconds * 1000))
        self._send(b"Q", f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms}\0".encode())
        await self._until_ready()
        # As a prepared statement, of which there is one: a second one behind a semicolon is refused.
        self._send(b"P", b"\0" + query.encode() + b"\0\0\0")
        self._send(b"B", bytes(8))
        self._send(b"D", b"P\0")
        self._send(b"E", b"\0" + struct.pack("!i", MAX_ROWS + 1))
        self._send(b"S", b"")
        return await self._until_ready()

    def close(self) -> None:
        self._send(b"X", b"")

    async def _authenticate(self, user: str, password: str | None) -> None:
        scram = Scram(password or "")
        while True:
            kind, body = await self._message()
            if kind != b"R":
                raise nonsense("no login")
            match int.from_bytes(body[:4]):
                case code if code == _OK:
                    return
                case code if code == _CLEAR:
                    self._require_secured()
                    self._send(b"p", needed(password).encode() + b"\0")
                case code if code == _MD5:
                    self._send(b"p", md5(user, needed(password), body[4:8]) + b"\0")
                case code if code == _SASL and b"SCRAM-SHA-256" in body[4:].split(b"\0"):
                    needed(password)
                    first = scram.first()
                    self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
                case code if code in (_SASL_CONTINUE, _SASL_FINAL):
                    await self._continue(scram, code, body[4:])
                case code:
                    raise ProbeFailure(
                        Reason.AUTHENTICATION, f"the server wants a login of type {code}, which is none by password"
                    )

    async def _continue(self, scram: Scram, code: int, body: bytes) -> None:
        try:
            if code == _SASL_CONTINUE:
                self._send(b"p", await scram.final(body))
            else:
                scram.check(body)
        except (ValueError, KeyError) as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the server does not follow SCRAM-SHA-256 in the login") from exc

    def _require_secured(self) -> None:
        if not self._secured:
            raise ProbeFailure(
                Reason.AUTHENTICATION, "the server wants the password in the clear, which only goes over TLS; give tls"
            )

    async def _until_ready(self) -> Answer:
        """Take what comes until the server is ready for more. Raises the first error after that."""
        answer = Answer()
        types: tuple[Type, ...] = ()
        while True:
            kind, body = await self._message()
            match kind:
                case b"Z":
                    return answer
                case b"T":
                    answer.columns, types = describe(body)
                case b"D":
                    await answer.take(values(body, len(types)), types)
                case kind if kind in _COPIES:
                    raise ProbeFailure(Reason.STATUS, "the query copies data; give one that selects rows")

    async def _message(self) -> tuple[bytes, bytes]:
        """The next message that answers something. Raises SqlError for an error."""
        while True:
            kind, length = struct.unpack("!ci", await self._reader.exactly(5))
            if length < 4:
                raise nonsense("no message")
            self._budget.spend(length)
            body = await self._reader.exactly(length - 4)
            if kind == b"E":
                raise error(body)
            if kind not in _SAID_AT_ANY_TIME:
                return kind, body

    def _send(self, kind: bytes, body: bytes) -> None:
        self._connection.send(kind + struct.pack("!i", len(body) + 4) + body)
