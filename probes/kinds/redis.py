"""The prober for Redis and Valkey.

Only replies of one value are read, each bounded by what it may be: no length that a server announces, and no array
that it nests, is followed.
"""

import secrets
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.lines import LineReader, shown
from probes.wire.tls import start_tls
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.redis import RedisTarget

# Of the only value that is asked for.
_LENGTH: Final = b"16"
# In case that the key cannot be deleted.
_KEPT_SECONDS: Final = b"60"
_REFUSED_LOGINS: Final = frozenset({"NOAUTH", "WRONGPASS"})


async def probe_redis(target: RedisTarget, engine: Engine, trace: Trace) -> None:
    """Return if the server answers, and keeps a key where a prefix is given. Raises ProbeFailure if it does not."""
    connection = await dial(target.host, target.port, engine, trace, target.ip_family)
    try:
        stream: ByteStream = connection
        if target.tls is not None:
            context = engine.tls_contexts.of(target.tls)
            stream = await start_tls(connection, target.tls.server_name or target.host, context, trace)
        await converse(target, stream, trace)
    finally:
        connection.abort()


async def converse(target: RedisTarget, connection: ByteStream, trace: Trace) -> None:
    """Say over a connection what the check is about. Raises ProbeFailure."""
    trace.enter(Phase.PROCESSING)
    session = _Session(connection, trace)
    if target.password is not None:
        await session.expect(b"OK", b"AUTH", target.user.encode(), target.password.encode())
    if target.database:
        await session.expect(b"OK", b"SELECT", str(target.database).encode())
    if target.key_prefix is not None:
        await _keep_a_key(target.key_prefix, session)
    await session.expect(b"PONG", b"PING")


async def _keep_a_key(prefix: str, session: "_Session") -> None:
    key, value = prefix.encode() + secrets.token_hex(8).encode(), secrets.token_hex(8).encode()
    await session.expect(b"OK", b"SET", key, value, b"NX", b"EX", _KEPT_SECONDS)
    try:
        got = await session.ask(b"GET", key)
    finally:
        session.send(b"DEL", key)
    await session.reply()
    if got != value:
        raise ProbeFailure(Reason.ASSERTION, "the server did not return the value that it was given for a key")


class _Session:
    def __init__(self, connection: ByteStream, trace: Trace) -> None:
        self._connection = connection
        self._reader = LineReader(connection)
        self._trace = trace

    def send(self, *words: bytes) -> None:
        parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        self._connection.send(b"*%d\r\n" % len(words) + b"".join(parts))

    async def ask(self, *words: bytes) -> bytes | None:
        self.send(*words)
        return await self.reply()

    async def expect(self, answer: bytes, *words: bytes) -> None:
        got = await self.ask(*words)
        self._trace.facts[Source.STATUS] = shown(got or b"")
        if got != answer:
            raise ProbeFailure(Reason.PROTOCOL, f"the server does not answer {words[0].decode()} as Redis")

    async def reply(self) -> bytes | None:
        """A reply of one value; None for a key that is not there. Raises ProbeFailure for an error."""
        line = await self._reader.line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            self._refused(rest)
        if kind in (b"+", b":"):
            return rest
        if kind != b"$" or rest not in (b"-1", _LENGTH):
            raise ProbeFailure(Reason.PROTOCOL, f"the server does not answer as Redis: {shown(line)}")
        return None if rest == b"-1" else (await self._reader.exactly(int(_LENGTH) + 2))[:-2]

    def _refused(self, said: bytes) -> None:
        word = shown(said.split(b" ")[0])
        self._trace.facts[Source.STATUS] = word
        if word in _REFUSED_LOGINS:
            raise ProbeFailure(Reason.AUTHENTICATION, f"the login was refused: {shown(said)}")
        raise ProbeFailure(Reason.STATUS, f"the server refused: {shown(said)}")
