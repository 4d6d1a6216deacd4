"""Echo requests and replies of ICMP, for IPv4 and IPv6 (RFC 792 and RFC 4443)."""

import asyncio
import errno
import secrets
import socket
import struct
import sys
import time
from types import TracebackType
from typing import Final, Self

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

_HEADER: Final = struct.Struct("!BBHHH")
_TOKEN_BYTES: Final = 16
_MOST_BYTES: Final = 65_535
# (request, reply) by whether it is IPv6.
_TYPES: Final = {False: (8, 0), True: (128, 129)}
# Linux's SO_TIMESTAMPNS of asm-generic/socket.h: the kernel notes when a packet came in, however late it is looked at.
_ARRIVAL: Final = 35 if sys.platform == "linux" else None
_TIMESPEC: Final = struct.Struct("@ll")
_NOT_PERMITTED: Final = (
    "this worker may not send ICMP; let the sysctl net.ipv4.ping_group_range include its group, as in 0 2147483647 "
    "(in the Helm chart, workers.*.icmp: true), or give it the capability NET_RAW"
)


class EchoSocket:
    """Sends echo requests to one address, and tells their replies from everything else.

    It is a socket for echo requests alone, which the kernel lets groups of its choice have, or else a raw one, which
    sees all ICMP that comes in. What answers must carry the token of this probe, which nobody off the path knows.
    Raises ProbeFailure with NOT_PERMITTED or CONNECT.
    """

    def __init__(self, address: str, size_bytes: int) -> None:
        self._is_ipv6 = ":" in address
        self._socket, self._is_raw = _open(self._is_ipv6)
        self._id = secrets.randbelow(0x1_0000)
        self._payload = secrets.token_bytes(_TOKEN_BYTES).ljust(size_bytes, b"\0")
        self._sent_at: dict[int, tuple[float, float]] = {}  # by number: on the wall clock, and monotonic
        self.trouble: str | None = None  # what a router or the kernel said of the last packets
        try:
            self._socket.connect((address, 0))
        except OSError as exc:
            self._socket.close()
            raise ProbeFailure(Reason.CONNECT, f"could not send to {address}: {_words(exc)}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, number: int) -> None:
        """Send a request. One that cannot be sent is as lost as others."""
        request, _ = _TYPES[self._is_ipv6]
        packet = _HEADER.pack(request, 0, 0, self._id, number) + self._payload
        checksum = _checksum(packet)  # of IPv6, and of sockets for echo requests, the kernel's
        self._sent_at[number] = (time.time(), time.monotonic())
        try:
            self._socket.send(packet[:2] + checksum.to_bytes(2) + packet[4:])
        except OSError as exc:
            self.trouble = _words(exc)

    async def receive(self) -> tuple[int, float]:
        """The number of the next request that is answered, and how many seconds it took."""
        while True:
            await self._readable()
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(_MOST_BYTES, 256)
            except BlockingIOError:
                continue
            except OSError as exc:
                self.trouble = _words(exc)
                continue
            number = self._number_of(packet)
            if number is not None and number in self._sent_at:
                return number, _seconds(*self._sent_at.pop(number), ancillary)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._socket, _wake, future)
        try:
            await future
        finally:
            loop.remove_reader(self._socket)

    def _number_of(self, packet: bytes) -> int | None:
        """The number of the request that this answers; None for what is no reply to this probe."""
        if packet and packet[0] >> 4 == 4 and not self._is_ipv6:
            # A header of IPv4, which raw sockets hand out everywhere, and all sockets on macOS.
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < _HEADER.size:
            return None
        kind, code, _, identifier, number = _HEADER.unpack_from(packet)
        is_reply = (kind, code) == (_TYPES[self._is_ipv6][1], 0)
        is_ours = (identifier == self._id or not self._is_raw) and packet[_HEADER.size :] == self._payload
        return number if is_reply and is_ours else None


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _open(is_ipv6: bool) -> tuple[socket.socket, bool]:
    """A socket, and whether it is raw."""
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_ICMP
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        except OSError as exc:
            raise ProbeFailure(Reason.CONNECT, f"this machine cannot send such packets: {_words(exc)}") from exc
        opened.setblocking(False)
        if _ARRIVAL is not None:
            opened.setsockopt(socket.SOL_SOCKET, _ARRIVAL, 1)
        return opened, kind is socket.SOCK_RAW
    raise ProbeFailure(Reason.NOT_PERMITTED, _NOT_PERMITTED)


def _seconds(sent_at: float, sent_at_monotonic: float, ancillary: list[tuple[int, int, bytes]]) -> float:
    """By the kernel's note of the arrival; without one, or when the wall clock was set meanwhile, by now."""
    until_now = time.monotonic() - sent_at_monotonic
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _ARRIVAL) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            elapsed = float(seconds + nanoseconds / 1e9 - sent_at)
            return elapsed if 0 <= elapsed <= until_now else until_now
    return until_now


def _checksum(packet: bytes) -> int:
    """RFC 1071."""
    padded = packet + b"\0" * (len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _words(exc: OSError) -> str:
    if exc.errno == errno.ECONNREFUSED:
        return "it is not to be reached"
    return (exc.strerror or "unknown error").lower()
