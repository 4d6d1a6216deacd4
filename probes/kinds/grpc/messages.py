"""Messages of the health protocol of gRPC (grpc.health.v1), in protobuf, as far as a probe needs them."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

_PREFIX_BYTES: Final = 5  # whether it is compressed, and its length in four bytes


class StatusCode(IntEnum):
    """How a call ended (grpc/doc/statuscodes.md)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingStatus(IntEnum):
    """What a server says of a service (grpc/doc/health-checking.md)."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def framed_request(service: str) -> bytes:
    """A HealthCheckRequest, whose field 1 is the service."""
    name = service.encode("ascii")
    return _framed(b"\x0a" + _varint(len(name)) + name if name else b"")


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def read_serving_status(content: bytes) -> str:
    """The status in a HealthCheckResponse, whose field 1 it is. Raises ProbeFailure with reason PROTOCOL."""
    length = int.from_bytes(content[1:_PREFIX_BYTES])
    message = content[_PREFIX_BYTES:]
    if len(content) < _PREFIX_BYTES or content[0] != 0 or length != len(message):
        raise ProbeFailure(Reason.PROTOCOL, "the response holds no whole message")
    status = ServingStatus.UNKNOWN.value
    for field, value in _fields(message):
        status = value if field == 1 else status
    return ServingStatus(status).name if status in set(ServingStatus) else f"status {status}"


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """The fields of a message that hold numbers; others are passed over."""
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        value, place = _read_field(message, place, key & 7)
        if key & 7 == 0:
            yield key >> 3, value
    if place > len(message):
        raise _nonsense()


def _read_field(message: bytes, place: int, wire_type: int) -> tuple[int, int]:
    """A number, or the length of what is passed over, and the place behind it."""
    if wire_type == 0:
        return _read_varint(message, place)
    if wire_type == 2:
        length, place = _read_varint(message, place)
        return length, place + length
    if wire_type in (1, 5):
        return 0, place + (8 if wire_type == 1 else 4)
    raise _nonsense()


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = 0
    for index in range(10):
        if place + index >= len(message):
            break
        byte = message[place + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, place + index + 1
    raise _nonsense()


def _nonsense() -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, "the response is no HealthCheckResponse")
