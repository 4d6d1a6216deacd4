"""What the deadline ended the waiting for, as it is told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from probes.failures import ProbeFailure
from probes.redaction import Redaction
from tocsin.domain.evidence_texts import excerpt
from tocsin.domain.observations import Reason

_TOLD_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class Unmet:
    """What was expected, as the target writes it, and the last of what came. It is not redacted.

    `place` is such as "step 1: ", `count` says how much came where it is more than `got`.
    """

    expected: str
    got: bytes
    place: str = ""
    count: str = ""

    def as_failure(self, timeout: timedelta, redaction: Redaction | None) -> ProbeFailure:
        """A server that said something else is there; one that said nothing may not be."""
        within = f"within {timeout.total_seconds():g} s"
        if not (self.got or self.count):
            return ProbeFailure(Reason.TIMEOUT, f"{self.place}nothing came {within}")
        expected, got = _told(self.expected, redaction), _told(self.got.decode("utf-8", "replace"), redaction)
        came = f"{self.count}{len(self.got)} byte{'' if len(self.got) == 1 else 's'}"
        return ProbeFailure(Reason.ASSERTION, f"{self.place}expected {expected} {within}, got {came}: {got}")


def _told(text: str, redaction: Redaction | None) -> str:
    """Its beginning in one line, redacted before it is cut, for half a secret would not be found."""
    redact, longest = (redaction.applied_to, redaction.longest_form) if redaction else (str, 0)
    told = excerpt(text.strip(), _TOLD_BYTES, redact, longest)
    return f'"{told}"'.replace("\n", "\\n").replace("\t", "\\t")


def counted(count: int, what: str) -> str:
    """Such as "2 messages, the last of "; nothing for none."""
    return f"{count} {what}s, the last of " if count > 1 else f"{count} {what} of " * count
