"""MySQL's protocol, as far as one query needs it; MariaDB speaks it too."""

from typing import Final

from probes.failures import ProbeFailure
from probes.kinds.sql.answers import MAX_COLUMNS, Answer, Budget
from probes.kinds.sql.mysql_login import scramble
from probes.kinds.sql.mysql_packets import (
    LOGIN_BY_PLUGIN,
    TLS,
    Fields,
    Greeting,
    error,
    nonsense,
    read_column,
    read_greeting,
)
from probes.wire.connection import ByteStream
from probes.wire.lines import LineReader, shown
from tocsin.domain.observations import Reason

_LONG_PASSWORD, _WITH_DATABASE, _PROTOCOL_41, _TRANSACTIONS, _SECURE_LOGIN = 0x1, 0x8, 0x200, 0x2000, 0x8000
# Neither several statements at once, nor files of ours that a server may ask for.
_CAPABILITIES: Final = _LONG_PASSWORD | _PROTOCOL_41 | _TRANSACTIONS | _SECURE_LOGIN | LOGIN_BY_PLUGIN
_UTF8: Final = 45
_OK, _END, _ERROR, _FILE = 0x00, 0xFE, 0xFF, 0xFB
_FAST_DONE, _FULL = b"\x01\x03", b"\x01\x04"
_MOST_ROUNDS: Final = 5


class MySqlSession:
    """One conversation. Methods raise SqlError for what the server refuses, and ProbeFailure for all else."""

    def __init__(self, connection: ByteStream) -> None:
        self._use(connection)
        self._secured = False
        self._sequence = 0
        self._budget = Budget()
        self._greeting: Greeting

    async def greet(self) -> Greeting:
        self._greeting = read_greeting(await self._packet())
        return self._greeting

    def ask_for_tls(self) -> None:
        """Say that a handshake follows, for which the greeting's `offers_tls` must be true."""
        self._send(_login_head(_CAPABILITIES | TLS))

    def go_on_with(self, secured: ByteStream) -> None:
        """Speak over TLS from now on; what came ahead of it is dropped."""
        self._use(secured)
        self._secured = True

    def _use(self, connection: ByteStream) -> None:
        self._connection = connection
        self._reader = LineReader(connection)

    async def log_in(self, user: str, password: str | None, database: str | None) -> None:
        capabilities = _CAPABILITIES | TLS * self._secured | _WITH_DATABASE * (database is not None)
        plugin, word = self._greeting.plugin, password or ""
        proof = scramble(plugin, word, self._greeting.salt) or b""
        names = b"" if database is None else database.encode() + b"\0"
        self._send(
            _login_head(capabilities)
            + user.encode()
            + b"\0"
            + bytes((len(proof),))
            + proof
            + names
            + plugin.encode()
            + b"\0"
        )
        await self._finish_login(word)

    async def _finish_login(self, password: str) -> None:
        for _ in range(_MOST_ROUNDS):
            packet = await self._packet()
            if packet[0] == _OK:
                return
            if packet[0] == _END:
                self._send(self._proof_for(packet, password))
            elif packet == _FULL:
                self._require_secured()
                self._send(password.encode() + b"\0")
            elif packet != _FAST_DONE:
                raise nonsense("no login")
        raise nonsense("no end of the login")

    def _proof_for(self, switch: bytes, password: str) -> bytes:
        name, _, salt = switch[1:].partition(b"\0")
        plugin = name.decode("ascii", "replace")
        proof = scramble(plugin, password, salt.removesuffix(b"\0"))
        if proof is None:
            raise ProbeFailure(
                Reason.AUTHENTICATION,
                f"the server wants a login by {shown(name[:40])};"
                " give the account mysql_native_password or caching_sha2_password",
            )
        return proof

    def _require_secured(self) -> None:
        if not self._secured:
            raise ProbeFailure(
                Reason.AUTHENTICATION, "the server wants the password in the clear, which only goes over TLS; give tls"
            )

    async def read(self, query: str, seconds: float) -> Answer:
        """Run one statement where nothing can be written, and which the server ends after these seconds."""
        limit = (
            f"max_statement_time = {seconds:.3f}"
            if self._greeting.is_mariadb
            else f"max_execution_time = {max(1, int(seconds * 1000))}"
        )
        for statement in (f"SET SESSION {limit}", "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ ONLY"):
            await self._run(statement)
        return await self._run(query)

    def close(self) -> None:
        self._sequence = 0
        self._send(b"\x01")

    async def _run(self, statement: str) -> Answer:
        self._sequence = 0
        self._send(b"\x03" + statement.encode())
        first = await self._packet()
        if first[0] == _OK:
            return Answer()
        if first[0] == _FILE:
            raise ProbeFailure(Reason.PROTOCOL, "the server asks for a file of the prober's, which it never gets")
        return await self._rows(Fields(first).number())

    async def _rows(self, count: int) -> Answer:
        if count > MAX_COLUMNS:
            raise ProbeFailure(Reason.BODY_LIMIT, f"the answer has more than {MAX_COLUMNS} columns; choose fewer")
        columns = [read_column(await self._packet()) for _ in range(count)]
        await self._packet()
        answer, types = Answer(tuple(name for name, _ in columns)), tuple(kind for _, kind in columns)
        while not _is_end(packet := await self._packet()):
            fields = Fields(packet)
            await answer.take([fields.text() for _ in range(count)], types)
        return answer

    async def _packet(self) -> bytes:
        """The next packet. Raises SqlError for an error."""
        head = await self._reader.exactly(4)
        length = int.from_bytes(head[:3], "little")
        self._budget.spend(length)
        self._sequence = head[3] + 1
        packet = await self._reader.exactly(length)
        if not packet:
            raise nonsense("an empty packet")
        if packet[0] == _ERROR:
            raise error(packet)
        return packet

    def _send(self, payload: bytes) -> None:
        self._connection.send(len(payload).to_bytes(3, "little") + bytes((self._sequence & 0xFF,)) + payload)
        self._sequence += 1


def _login_head(capabilities: int) -> bytes:
    return capabilities.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + bytes((_UTF8,)) + bytes(23)


def _is_end(packet: bytes) -> bool:
    return packet[0] == _END and len(packet) < 9
