"""What a probe notes on its way, so that a failed one can still tell it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import IntEnum
from time import monotonic

from probes.unmet import Unmet
from tocsin.domain.assertions import FailedAssertion
from tocsin.domain.facts import Facts, Source
from tocsin.domain.observations import Outcome, Phases


class Phase(IntEnum):
    """A part of a probe; the number is its place in `Phases`."""

    RESOLVE = 0
    CONNECT = 1
    TLS = 2
    PROCESSING = 3
    TRANSFER = 4


class Trace:
    """The notes of one probe, filled in by the prober and read by the runner.

    A probe is in one phase at a time. A phase that is entered again, by the next hop of a redirect or the next
    address of a name, adds to its time, so the phases together never exceed the duration.
    """

    __slots__ = (
        "_entered_at",
        "_seconds",
        "_started_at",
        "address",
        "certificate_expires_at",
        "check_id",
        "facts",
        "failed_assertions",
        "learned",
        "measured",
        "phase",
        "secrets",
        "status_code",
        "tells_all",
        "timeout",
        "timeout_outcome",
        "tls_verified",
        "tls_version",
        "unmet",
        "wanted",
    )

    def __init__(
        self,
        timeout: timedelta,
        secrets: Collection[str] = (),
        wanted: Collection[Source] = frozenset(),
        *,
        check_id: int | None = None,
        tells_all: bool = False,
    ) -> None:
        self._seconds: list[float | None] = [None, None, None, None, None]
        self.timeout = timeout
        self.tells_all = tells_all  # whether the first of a good answer is kept too
        self.check_id = check_id  # None for a target that is tried without being saved
        self.timeout_outcome = Outcome.FAILURE  # UNKNOWN where another server than the target is waited for
        # What the target holds of them; nothing that is made of such a target outlives the probe.
        self.secrets = secrets
        self.learned: str | None = None  # what was given for them, such as a token: it is not told either
        self.wanted = wanted  # what assertions are made on, beside what costs nothing
        # Not the event loop's clock: uvloop's ticks in milliseconds.
        self._started_at = self._entered_at = monotonic()
        self.phase: Phase | None = None
        self.measured: dict[Phase, float] = {}  # seconds, of phases that hold more than what they are meant to tell
        self.address: str | None = None
        self.tls_version: str | None = None
        self.certificate_expires_at: datetime | None = None
        self.tls_verified: bool | None = None  # False where a certificate was accepted unseen; None without TLS
        self.status_code: int | None = None
        self.facts: Facts = {}
        self.failed_assertions: tuple[FailedAssertion, ...] = ()  # not redacted
        self.unmet: Unmet | None = None  # what was waited for when the deadline came

    def wants(self, source: Source) -> bool:
        """Whether something is expected of it, so that what is dear to keep is worth it."""
        return source in self.wanted

    def enter(self, phase: Phase | None) -> None:
        """End the phase under way and begin another, or none."""
        now = monotonic()
        if self.phase is not None:
            self._seconds[self.phase] = (self._seconds[self.phase] or 0.0) + now - self._entered_at
        self.phase = phase
        self._entered_at = now

    @property
    def duration(self) -> timedelta:
        """How long the probe has taken up to the last change of phase."""
        return timedelta(0, self._entered_at - self._started_at)

    @property
    def remaining_seconds(self) -> float:
        return self._started_at + self.timeout.total_seconds() - monotonic()

    def phases(self) -> Phases:
        told = self._seconds
        if self.measured:
            told = [self.measured.get(phase, seconds) for phase, seconds in zip(Phase, told, strict=True)]
        return Phases(*[None if seconds is None else timedelta(0, seconds) for seconds in told])
