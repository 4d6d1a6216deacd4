"""Reports by MQTT, from a broker of the installation: who reports publishes to `tocsin/KEY`, `tocsin/KEY/start`, ...

One receiver at a time is connected, in a session that the broker keeps: what is published while none is comes later,
and a message is acknowledged once it is stored. Which one it is, a lock in the database decides.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import certifi
import structlog

from receiver.intake import Intake, Taken
from receiver.metrics import CONNECTED, REPORTS
from receiver.paths import RunIdError, address_of
from receiver.payloads import payload_of
from tocsin import mqtt
from tocsin.database import Connection, Pool
from tocsin.domain.errors import RateLimitedError
from tocsin.domain.heartbeats import Report, ReportSource
from tocsin.mqtt import Login, Message, MqttError, Packet, PacketKind, PacketReader, Version
from tocsin.rate_limit import RateLimiter
from tocsin.running import DATABASE_ERRORS, log_internal_error
from tocsin.services.reporting import Incoming
from tocsin.settings import Broker

MAXIMUM_PACKET_BYTES: Final = 1024 * 1024
MOST_UNDER_WAY: Final = 100
_KEEP_ALIVE_SECONDS: Final = 30
_PING_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 3.0
_SUBSCRIPTION: Final = 1
# Any number: the lock of the receiver that is connected.
_LOCK: Final = 7_408_268
_VERSION: Final = Version.MQTT_3_1_1

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RefusedError(Exception):
    """The broker refused the connection or the subscription, or the intake a report: to be tried again later."""


class Topics:
    """Takes what is published under the broker's topic. `extra_ca_file` is trusted besides public authorities."""

    def __init__(self, broker: Broker, intake: Intake, by_key: RateLimiter, extra_ca_file: str | None = None) -> None:
        self._broker = broker
        self._intake = intake
        self._by_key = by_key
        self._tls = _tls_context(extra_ca_file) if broker.secured else None

    async def run(self, pool: Pool) -> None:
        """Be connected whenever no other receiver is, until cancelled."""
        while True:
            try:
                async with pool.acquire() as connection, _alone(connection) as is_alone:
                    if is_alone:
                        await self._follow(connection)
            except (MqttError, RefusedError, *DATABASE_ERRORS) as exc:
                _logger.warning("broker_not_followed", error=type(exc).__name__, detail=str(exc))
            except Exception as exc:
                log_internal_error("broker_not_followed", exc)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        """Take what is published until the broker or the lock is lost."""
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(self._broker.host, self._broker.port, ssl=self._tls)
        session = _Session(self, reader, writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(session.receive(group))
                group.create_task(session.keep_alive(connection))
        except* (MqttError, RefusedError, *DATABASE_ERRORS) as errors:
            raise errors.exceptions[0] from None
        finally:
            CONNECTED.set(0)
            writer.transport.abort()

    @property
    def login(self) -> Login:
        """The same for every receiver, for they share a session."""
        return Login(f"{self._broker.topic}-receiver", self._broker.user, self._broker.password)

    @property
    def filter(self) -> str:
        """All topics that may report."""
        return f"{self._broker.topic}/#"

    async def take(self, message: Message) -> None:
        """Store what a message reports, if it does. Raises RefusedError if it must come again."""
        incoming = None if message.is_retained else self._incoming(message)
        if incoming is None:
            return
        try:
            self._by_key.take(incoming.key_hash)
        except RateLimitedError:
            _count(incoming, "limited")
            return
        taken = await self._intake.take(incoming)
        _count(incoming, taken)
        if taken is Taken.REFUSED:
            raise RefusedError("a report cannot be stored")

    def _incoming(self, message: Message) -> Incoming | None:
        path, _, query = message.topic.removeprefix(self._broker.topic).partition("?")
        try:
            address = address_of(path, query)
        except RunIdError:
            return None
        if address is None:
            return None
        payload = payload_of(message.payload)
        kept = (payload.text, payload.size)
        report = Report(address.kind, self._intake.now(), address.run_id, address.exit_code, *kept)
        return Incoming(address.key_hash, report, ReportSource.MQTT)


class _Session:
    """One connection to the broker."""

    def __init__(self, topics: Topics, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._topics = topics
        self._reader = reader
        self._writer = writer
        self._packets = PacketReader(MAXIMUM_PACKET_BYTES)
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)

    async def receive(self, group: asyncio.TaskGroup) -> None:
        """Take what is published, many messages at a time. Raises RefusedError and MqttError."""
        self._writer.write(mqtt.connect(_VERSION, self._topics.login, _KEEP_ALIVE_SECONDS, resume=True))
        async for packet in self._incoming():
            match packet.kind:
                case PacketKind.CONNACK:
                    self._subscribe(mqtt.connect_code(packet))
                case PacketKind.SUBACK:
                    _require_subscription(packet)
                case PacketKind.PUBLISH:
                    await self._room.acquire()
                    group.create_task(self._take(mqtt.message(_VERSION, packet)))

    async def _incoming(self) -> AsyncIterator[Packet]:
        while data := await self._next_bytes():
            for packet in self._packets.feed(data):
                yield packet
        raise RefusedError("the broker closed the connection")

    async def _next_bytes(self) -> bytes:
        async with asyncio.timeout(_KEEP_ALIVE_SECONDS):
            return await self._reader.read(65_536)

    def _subscribe(self, code: int) -> None:
        if code:
            raise RefusedError(f"the broker refused the connection with code {code}")
        self._writer.write(mqtt.subscribe(_VERSION, _SUBSCRIPTION, [self._topics.filter], quality=1))

    async def _take(self, message: Message) -> None:
        try:
            await self._topics.take(message)
        finally:
            self._room.release()
        if message.packet_id is not None:
            self._writer.write(mqtt.acknowledge(message.packet_id))

    async def keep_alive(self, connection: Connection) -> None:
        """Say that somebody is here, and end when the lock is lost with its connection."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            self._writer.write(mqtt.ping())
            await connection.execute("SELECT 1", timeout=_PING_SECONDS)


def _require_subscription(packet: Packet) -> None:
    _, codes = mqtt.subscribe_codes(_VERSION, packet)
    if not codes or codes[0] >= mqtt.FIRST_FAILURE:
        raise RefusedError("the broker refused the subscription")
    CONNECTED.set(1)
    _logger.info("following_broker")


def _count(incoming: Incoming, outcome: str) -> None:
    REPORTS.labels(ReportSource.MQTT, incoming.report.kind, outcome).inc()


def _tls_context(extra_ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    if extra_ca_file is not None:
        context.load_verify_locations(extra_ca_file)
    return context


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[bool]:
    """Whether this receiver has the lock; it has it for as long as the block lasts, or its connection."""
    is_alone: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
    try:
        yield is_alone
    finally:
        if is_alone:
            with suppress(*DATABASE_ERRORS):
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK, timeout=2)
