"""Finding what is expected among bytes as they come, in bounded memory and time."""

from dataclasses import dataclass
from typing import Final

from probes.trace import Trace
from tocsin.domain.facts import Source
from tocsin.domain.patterns import Pattern, compile_pattern
from tocsin.domain.targets.exchanges import Encoding, Expectation, to_bytes

MAX_RECEIVED_BYTES: Final = 64 * 1024
# A hostile text costs a pattern 1.5 us for each byte at worst, and nothing else is probed meanwhile.
MAX_SEARCHED_BYTES: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """A text or bytes, or a pattern. `most_bytes` is how far into what came it is looked for."""

    sought: bytes | Pattern
    most_bytes: int

    @classmethod
    def of(cls, written: str, written_as: Expectation) -> "Expected":
        if written_as is Expectation.PATTERN:
            return cls(compile_pattern(written), MAX_SEARCHED_BYTES)
        return cls(to_bytes(written, Encoding(written_as)), MAX_RECEIVED_BYTES)

    @property
    def is_dear(self) -> bool:
        """Whether a search costs so much that it should not be made for each byte that comes."""
        return not isinstance(self.sought, bytes)

    def end_in(self, received: bytes | bytearray, begin: int = 0) -> int | None:
        """Where it ends among what came from `begin` on; None if it is not there."""
        if isinstance(self.sought, bytes):
            place = received.find(self.sought, begin, begin + self.most_bytes)
            return None if place < 0 else place + len(self.sought)
        found = self.sought.search(bytes(received[begin : begin + self.most_bytes]))
        return None if found is None else begin + found.end()


def note_received(received: bytes | bytearray, trace: Trace) -> None:
    """Keep what came as facts: its size, and its text without the character NUL, which cannot be stored."""
    trace.facts[Source.SIZE] = len(received)
    trace.facts[Source.BODY] = received.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
