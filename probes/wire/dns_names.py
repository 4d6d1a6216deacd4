"""Domain names on the wire (RFC 1035, section 4.1.4), with an end to every chain of pointers."""

import re
from typing import Final

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_-]*")
_MAX_POINTERS: Final = 16
_MAX_NAME_BYTES: Final = 255
_SPECIAL: Final = frozenset(b'."();@$\\')


def encode_name(name: str) -> bytes:
    """The name as a question asks for it; it is ASCII, and its labels are no longer than 63. The root is a dot."""
    labels = [label.encode("ascii") for label in name.removesuffix(".").split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def read_name(wire: bytes, offset: int) -> tuple[str, int]:
    """A name without the dot at its end, and the offset behind it. Raises ValueError or IndexError for nonsense."""
    labels: list[bytes] = []
    end: int | None = None
    pointers = size = 0
    while length := wire[offset]:
        if length >= 0xC0:
            end = offset + 2 if end is None else end
            offset = (length & 0x3F) << 8 | wire[offset + 1]
            pointers += 1
        elif length < 0x40:
            labels.append(wire[offset + 1 : offset + 1 + length])
            offset += 1 + length
            size += 1 + length
        if length & 0xC0 in (0x40, 0x80) or pointers > _MAX_POINTERS or size >= _MAX_NAME_BYTES:
            raise ValueError("no name, a loop of pointers, or too long a name")
    return ".".join(map(_label_text, labels)) or ".", offset + 1 if end is None else end


def skip_name(wire: bytes, offset: int) -> int:
    """The offset behind a name, which ends with an empty label or a pointer. Raises IndexError."""
    while length := wire[offset]:
        if length >= 0xC0:
            return offset + 2
        offset += 1 + length
    return offset + 1


def _label_text(label: bytes) -> str:
    if _PLAIN.fullmatch(label):
        return label.decode("ascii")
    return "".join(_character(octet) for octet in label)


def _character(octet: int) -> str:
    """As presentation format has it: what is special or not printable is escaped."""
    if octet in _SPECIAL:
        return f"\\{chr(octet)}"
    return chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"
