"""Something that must report in, such as a job of cron."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from tocsin.domain.cron import MAXIMUM_CRON_LENGTH, Cron, validate_cron, validate_time_zone
from tocsin.domain.facts import Source
from tocsin.domain.heartbeats import Rhythm
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.rules import Requirement, Rule

# Its slots judge what has come in, which costs next to nothing and fails for no passing reason.
HEARTBEAT_INTERVAL: Final = timedelta(seconds=10)
HEARTBEAT_THRESHOLD: Final = 1
_LONGEST_SECONDS: Final = 31_622_400  # a leap year
_FIVE_FIELDS: Final = Rule(
    r'self.matches(r"^\S+(\s+\S+){4}$")',
    "must have five fields: minute, hour, day of month, month, day of week, as in */5 * * * *",
)
_IANA_NAME: Final = Rule(
    r'self.matches(r"^[A-Za-z][A-Za-z0-9_+/-]*$") && !(self in ["localtime", "Factory"])',
    "must be a time zone of the IANA database, such as Europe/Berlin or UTC",
)
_ZONE_OF_CRON: Final = Requirement(
    "time_zone", "has(self.cron)", "is for cron alone; leave it out, or give cron instead of periodSeconds"
)


class HeartbeatTarget(Target):
    """Something that must report in: its silence is the failure."""

    kind: ClassVar[str] = "heartbeat"
    one_of: ClassVar[tuple[str, ...]] = ("period_seconds", "cron")
    requirements: ClassVar[tuple[Requirement, ...]] = (_ZONE_OF_CRON,)
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.BODY, Source.JSON, Source.SIZE})
    default_interval: ClassVar[timedelta | None] = HEARTBEAT_INTERVAL
    default_failure_threshold: ClassVar[int | None] = HEARTBEAT_THRESHOLD
    default_success_threshold: ClassVar[int | None] = HEARTBEAT_THRESHOLD

    period_seconds: Annotated[int, Field(strict=True, ge=1, le=_LONGEST_SECONDS)] | None = Field(
        default=None, description="How many seconds may lie between two reports, without the grace."
    )
    cron: (
        Annotated[str, Field(min_length=9, max_length=MAXIMUM_CRON_LENGTH), AfterValidator(validate_cron), _FIVE_FIELDS]
        | None
    ) = Field(default=None, description="When a report is due: minute, hour, day of month, month, day of week.")
    time_zone: (
        Annotated[str, Field(min_length=1, max_length=64), AfterValidator(validate_time_zone), _IANA_NAME] | None
    ) = Field(default=None, description="Zone of the IANA database whose clocks cron follows; UTC without it.")
    grace_seconds: Annotated[int, Field(strict=True, ge=1, le=_LONGEST_SECONDS)] = Field(
        default=300,
        description="How many seconds late a report may be, and how long a run may take from its start to its success.",
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_is_of_cron(cls, time_zone: str | None, info: ValidationInfo) -> str | None:
        # An expression that is refused itself is not among the data.
        if time_zone is not None and info.data.get("cron", "") is None:
            raise ValueError(_ZONE_OF_CRON.message)
        return time_zone

    @model_validator(mode="after")
    def _is_due_by_one_of_them(self) -> Self:
        if (self.period_seconds is None) == (self.cron is None):
            raise ValueError("must have exactly one of periodSeconds, cron")
        return self

    @property
    def rhythm(self) -> Rhythm:
        """When reports are due."""
        grace = timedelta(seconds=self.grace_seconds)
        if self.period_seconds is not None:
            return Rhythm(timedelta(seconds=self.period_seconds), grace)
        return Rhythm(Cron(self.cron or "", self.time_zone or "UTC"), grace)
