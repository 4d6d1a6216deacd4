"""The packets of MySQL's protocol, read."""

from dataclasses import dataclass
from typing import Final

from probes.failures import ProbeFailure
from probes.kinds.sql.answers import SqlError, Type
from tocsin.domain.observations import Reason

# Capabilities of a server.
TLS: Final = 0x800
LOGIN_BY_PLUGIN: Final = 0x80000
_NULL = 0xFB
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_TYPES: Final[dict[int, Type]] = {
    **dict.fromkeys((0, 1, 2, 3, 4, 5, 8, 9, 13, 246), "number"),
    245: "json",
}


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


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server says first. `salt` is what the password is hashed with."""

    is_mariadb: bool
    offers_tls: bool
    salt: bytes
    plugin: str


def read_greeting(packet: bytes) -> Greeting:
    fields = Fields(packet)
    if fields.take(1) != b"\x0a":
        raise nonsense("no greeting")
    version = fields.until_nul()
    fields.take(4)
    salt = fields.take(8)
    fields.take(1)
    low = int.from_bytes(fields.take(2), "little")
    fields.take(3)
    capabilities = low | int.from_bytes(fields.take(2), "little") << 16
    length = fields.take(1)[0]
    fields.take(10)
    salt += fields.take(max(13, length - 8))[:12]
    plugin = (
        fields.until_nul().decode("ascii", "replace") if capabilities & LOGIN_BY_PLUGIN else "mysql_native_password"
    )
    return Greeting(b"MariaDB" in version, bool(capabilities & TLS), salt, plugin)


def read_column(packet: bytes) -> tuple[str, Type]:
    fields = Fields(packet)
    texts = [fields.text() for _ in range(6)]
    fields.take(7)
    return (texts[4] or b"").decode("utf-8", "replace"), _TYPES.get(fields.take(1)[0], "text")


def error(packet: bytes) -> SqlError:
    fields = Fields(packet[1:])
    code = int.from_bytes(fields.take(2), "little")
    rest = packet[3:]
    state = rest[1:6].decode("ascii", "replace") if rest[:1] == b"#" else "HY000"
    return SqlError(state, rest.removeprefix(b"#" + rest[1:6]).decode("utf-8", "replace"), code)


def nonsense(what: str) -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, f"the server sends {what} of MySQL's protocol")
