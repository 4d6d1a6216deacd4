"""The prober for MQTT brokers."""

import secrets
from collections.abc import Callable, Iterator
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.tls import start_tls
from tocsin import mqtt
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.mqtt import MqttTarget
from tocsin.mqtt import Login, MqttError, Packet, PacketKind, PacketReader

# What others publish to the same topic is no business of ours, but must not go on without end.
MAX_PACKET_BYTES: Final = 256 * 1024
MAX_RECEIVED_BYTES: Final = 1024 * 1024
MAX_RECEIVED_PACKETS: Final = 1_000
_KEEP_ALIVE_SECONDS: Final = 120
_SUBSCRIPTION, _PUBLICATION = 1, 2
_REFUSED_LOGINS: Final = frozenset({4, 5, 0x86, 0x87, 0x8C})
_REFUSALS: Final = {
    1: "it does not speak this version of MQTT",
    2: "it refuses the client's id",
    3: "it is unavailable",
    0x84: "it does not speak this version of MQTT",
    0x85: "it refuses the client's id",
    0x87: "not authorized",
    0x88: "it is unavailable",
    0x89: "it is busy",
    0x8A: "it has banned this client",
    0x90: "the topic is invalid",
    0x97: "the quota is exceeded",
    0x9F: "too many connections",
}


async def probe_mqtt(target: MqttTarget, engine: Engine, trace: Trace) -> None:
    """Return if the broker answers, and delivers a message where a topic is given. Raises ProbeFailure if not."""
    connection = await dial(target.host, target.port, engine, trace, target.ip_family)
    try:
        stream: ByteStream = connection
        if target.tls is not None:
            context = engine.tls_contexts.of(target.tls)
            stream = await start_tls(connection, target.tls.server_name or target.host, context, trace)
        trace.enter(Phase.PROCESSING)
        await _converse(_Session(stream, target), trace)
    except MqttError as exc:
        raise ProbeFailure(Reason.PROTOCOL, f"the broker {exc}") from exc
    finally:
        connection.abort()


async def _converse(session: "_Session", trace: Trace) -> None:
    trace.facts[Source.STATUS] = await session.log_in()
    if session.target.topic is not None:
        await session.make_round_trip(session.target.topic)
    await session.ping()


class _Session:
    def __init__(self, stream: ByteStream, target: MqttTarget) -> None:
        self.target = target
        self._stream = stream
        self._version = mqtt.Version[target.version]
        self._reader = PacketReader(MAX_PACKET_BYTES)
        self._packets: Iterator[Packet] = iter(())
        self._received_bytes = 0
        self._received_packets = 0

    async def log_in(self) -> int:
        """The broker's code, which is 0. Raises ProbeFailure if it refuses."""
        # The only ids that every broker must take: 23 letters and digits.
        client_id = f"tocsin{secrets.token_hex(8)}"
        login = Login(client_id, self.target.user, self.target.password)
        self._stream.send(mqtt.connect(self._version, login, _KEEP_ALIVE_SECONDS))
        packet = await self._next()
        if packet.kind != PacketKind.CONNACK:
            raise MqttError("does not answer as one of MQTT")
        if code := mqtt.connect_code(packet):
            raise _refusal("the connection", code)
        return code

    async def make_round_trip(self, topic: str) -> None:
        """Publish a message, and return once it is delivered."""
        self._stream.send(mqtt.subscribe(self._version, _SUBSCRIPTION, [topic], quality=0))
        await self._until(self._is_subscribed)
        text = secrets.token_hex(16).encode()
        self._stream.send(mqtt.publish(self._version, topic, text, _PUBLICATION))
        missing = {PacketKind.PUBACK, PacketKind.PUBLISH}
        await self._until(lambda packet: self._completes(missing, packet, text))

    def _is_subscribed(self, packet: Packet) -> bool:
        if packet.kind != PacketKind.SUBACK:
            return False
        _, codes = mqtt.subscribe_codes(self._version, packet)
        if not codes or codes[0] >= mqtt.FIRST_FAILURE:
            raise _refusal("the subscription", codes[0] if codes else mqtt.FIRST_FAILURE)
        return True

    def _completes(self, missing: set[PacketKind], packet: Packet, text: bytes) -> bool:
        """Whether nothing is missing any more with this packet: neither the answer nor the message itself."""
        if packet.kind == PacketKind.PUBACK:
            if (code := mqtt.acknowledged(packet)[1]) >= mqtt.FIRST_FAILURE:
                raise _refusal("the message", code)
            missing.discard(PacketKind.PUBACK)
        elif packet.kind == PacketKind.PUBLISH and mqtt.message(self._version, packet).payload == text:
            missing.discard(PacketKind.PUBLISH)
        return not missing

    async def ping(self) -> None:
        self._stream.send(mqtt.ping())
        await self._until(lambda packet: packet.kind == PacketKind.PINGRESP)
        self._stream.send(mqtt.disconnect())

    async def _until(self, is_it: Callable[[Packet], bool]) -> None:
        while not is_it(packet := await self._next()):
            if packet.kind == PacketKind.DISCONNECT:
                raise _refusal("the session", packet.body[0] if packet.body else mqtt.FIRST_FAILURE)

    async def _next(self) -> Packet:
        while (packet := next(self._packets, None)) is None:
            data = await self._receive()
            self._received_bytes += len(data)
            self._packets = self._reader.feed(data)
        self._received_packets += 1
        if self._received_bytes > MAX_RECEIVED_BYTES or self._received_packets > MAX_RECEIVED_PACKETS:
            raise ProbeFailure(Reason.BODY_LIMIT, "too much came without what is expected")
        return packet

    async def _receive(self) -> bytes:
        try:
            data = await self._stream.receive()
        except OSError as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the broker broke the connection") from exc
        if not data:
            raise ProbeFailure(Reason.PROTOCOL, "the broker closed the connection without an answer")
        return data


def _refusal(what: str, code: int) -> ProbeFailure:
    reason = Reason.AUTHENTICATION if what == "the connection" and code in _REFUSED_LOGINS else Reason.STATUS
    words = "not authorized" if reason is Reason.AUTHENTICATION else _REFUSALS.get(code)
    return ProbeFailure(reason, f"the broker refused {what} with code {code}{f': {words}' if words else ''}")
