"""MQTT 3.1.1 and 5 as bytes: what a client says and what a server answers, without any connection.

Of MQTT 5 no property is used: those of a server are skipped. What a server sends is bounded by who reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

_LONGEST_LENGTH: Final = 4  # bytes of a length, seven bits in each
_PROTOCOL_NAME: Final = "MQTT"
_CLEAN_START: Final = 0x02
_WITH_PASSWORD: Final = 0x40
_WITH_USER: Final = 0x80
# How packets of a server begin: all but messages have flags that never differ.
_OF_SERVERS: Final = frozenset({0x20, *range(0x30, 0x40), 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0, 0xE0, 0xF0})
# The first of the codes of a server that mean a failure, but those of CONNACK in MQTT 3.
FIRST_FAILURE: Final = 0x80


class MqttError(Exception):
    """A server does not speak MQTT."""


class Version(IntEnum):
    """The protocol's level, as it is sent."""

    MQTT_3_1_1 = 4
    MQTT_5 = 5


class PacketKind(IntEnum):
    """The kinds of packets that a client sends or is sent."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as it came: its kind, the four flags beside the kind, and what follows its length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What was published; `packet_id` is to be acknowledged where there is one. A retained one is of earlier."""

    topic: str
    payload: bytes
    packet_id: int | None = None
    is_retained: bool = False


class PacketReader:
    """Cuts what a server sends into packets, of which none may be longer than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete by now. Raises MqttError for what is no packet, or too long."""
        self._waiting += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        if self._waiting and self._waiting[0] not in _OF_SERVERS:
            raise MqttError("sent something else than MQTT")
        length = 0
        for index in range(1, _LONGEST_LENGTH + 1):
            if len(self._waiting) <= index:
                return None
            byte = self._waiting[index]
            length |= (byte & 0x7F) << 7 * (index - 1)
            if byte < 0x80:
                return self._cut(index + 1, length)
        raise MqttError("sent something else than MQTT")

    def _cut(self, begin: int, length: int) -> Packet | None:
        if length > self._most_bytes:
            raise MqttError(f"sent something else than MQTT, or a packet of more than {self._most_bytes} bytes")
        if len(self._waiting) < begin + length:
            return None
        first, body = self._waiting[0], bytes(self._waiting[begin : begin + length])
        del self._waiting[: begin + length]
        return Packet(first >> 4, first & 0x0F, body)


class _Fields:
    """The fields of a body, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        if len(self._body) - self._at < count:
            raise MqttError("sent a packet that ends too early")
        self._at += count
        return self._body[self._at - count : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def text(self) -> str:
        return self.take(self.number(2)).decode("utf-8", "replace")

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    def skip_properties(self, version: Version) -> None:
        if version is Version.MQTT_5:
            self.take(self._length())

    def _length(self) -> int:
        length = 0
        for shift in range(0, 7 * _LONGEST_LENGTH, 7):
            byte = self.number(1)
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                return length
        raise MqttError("sent a length that has no end")


@dataclass(frozen=True, slots=True)
class Login:
    """Whom to connect as. In MQTT 3.1.1 a password needs a user."""

    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def connect(version: Version, login: Login, keep_alive_seconds: int, *, resume: bool = False) -> bytes:
    """The first packet. With `resume`, what was published since the client was here last comes now."""
    user, password = login.user, login.password
    flags = (
        (0 if resume else _CLEAN_START)
        | (_WITH_USER if user is not None else 0)
        | (_WITH_PASSWORD if password is not None else 0)
    )
    head = _text(_PROTOCOL_NAME) + bytes((version, flags)) + keep_alive_seconds.to_bytes(2)
    texts = b"".join(_text(text) for text in (login.client_id, user, password) if text is not None)
    return _packet(PacketKind.CONNECT, 0, head + _no_properties(version) + texts)


def connect_code(packet: Packet) -> int:
    """What a CONNACK says: 0 for a welcome."""
    fields = _Fields(packet.body)
    fields.number(1)
    return fields.number(1)


def subscribe(version: Version, packet_id: int, filters: Sequence[str], quality: int) -> bytes:
    """Ask for what is published; `quality` is the highest that is wanted, 0 or 1."""
    wanted = b"".join(_text(topic) + bytes((quality,)) for topic in filters)
    return _packet(PacketKind.SUBSCRIBE, 2, packet_id.to_bytes(2) + _no_properties(version) + wanted)


def subscribe_codes(version: Version, packet: Packet) -> tuple[int, bytes]:
    """The id of what was asked, and a code for each filter."""
    fields = _Fields(packet.body)
    packet_id = fields.number(2)
    fields.skip_properties(version)
    return packet_id, fields.rest()


def publish(version: Version, topic: str, payload: bytes, packet_id: int | None = None) -> bytes:
    """Publish once; with an id it is acknowledged."""
    named = b"" if packet_id is None else packet_id.to_bytes(2)
    flags = 0 if packet_id is None else 2
    return _packet(PacketKind.PUBLISH, flags, _text(topic) + named + _no_properties(version) + payload)


def message(version: Version, packet: Packet) -> Message:
    """What a PUBLISH brings. Raises MqttError for one that would have to be acknowledged twice."""
    quality = packet.flags >> 1 & 3
    if quality > 1:
        raise MqttError("sent a message in a quality that nobody asked for")
    fields = _Fields(packet.body)
    topic = fields.text()
    packet_id = fields.number(2) if quality else None
    fields.skip_properties(version)
    return Message(topic, fields.rest(), packet_id, is_retained=bool(packet.flags & 1))


def acknowledge(packet_id: int) -> bytes:
    """Say that a message was taken."""
    return _packet(PacketKind.PUBACK, 0, packet_id.to_bytes(2))


def acknowledged(packet: Packet) -> tuple[int, int]:
    """The id of what was published, and a code, which only MQTT 5 has."""
    fields = _Fields(packet.body)
    return fields.number(2), (fields.rest() or b"\0")[0]


def ping() -> bytes:
    return _packet(PacketKind.PINGREQ, 0, b"")


def disconnect() -> bytes:
    return _packet(PacketKind.DISCONNECT, 0, b"")


def _packet(kind: PacketKind, flags: int, body: bytes) -> bytes:
    return bytes((kind << 4 | flags,)) + _encoded_length(len(body)) + body


def _encoded_length(length: int) -> bytes:
    encoded = bytearray()
    while True:
        length, byte = length >> 7, length & 0x7F
        encoded.append(byte | 0x80 if length else byte)
        if not length:
            return bytes(encoded)


def _no_properties(version: Version) -> bytes:
    return b"\0" if version is Version.MQTT_5 else b""


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded
