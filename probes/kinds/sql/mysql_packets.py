"""The packets of MySQL's protocol, read."""

from probes.failures import ProbeFailure
from probes.kinds.sql.answers import SqlError
from tocsin.domain.observations import Reason

_NULL = 0xFB
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}


class Fields:
    """Reads a packet from its beginning. Raises ProbeFailure with PROTOCOL when it ends too early."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._offset = 0

    def take(self, count: int) -> bytes:
        begin, self._offset = self._offset, self._offset + count
        if self._offset > len(self._packet):
            raise nonsense("a packet that ends too early")
        return self._packet[begin : self._offset]

    def until_nul(self) -> bytes:
        end = self._packet.find(b"\0", self._offset)
        taken = self.take((end if end >= 0 else len(self._packet)) - self._offset)
        self._offset += end >= 0
        return taken

    def number(self) -> int:
        """A number in as many bytes as its first one says."""
        first = self.take(1)[0]
        if first < _NULL:
            return first
        if first not in _WIDTHS:
            raise nonsense("a number that is none")
        return int.from_bytes(self.take(_WIDTHS[first]), "little")

    def text(self) -> bytes | None:
        """A text behind its length; None for NULL."""
        if self._packet[self._offset : self._offset + 1] == bytes((_NULL,)):
            self._offset += 1
            return None
        return self.take(self.number())


def error(packet: bytes) -> SqlError:
    fields = Fields(packet[1:])
    code = int.from_bytes(fields.take(2), "little")
    rest = packet[3:]
    state = rest[1:6].decode("ascii", "replace") if rest[:1] == b"#" else "HY000"
    return SqlError(state, rest.removeprefix(b"#" + rest[1:6]).decode("utf-8", "replace"), code)


def nonsense(what: str) -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, f"the server sends {what} of MySQL's protocol")
