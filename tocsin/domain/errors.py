"""What a service refuses, and why: one class per kind of refusal, translated at the boundary."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class TocsinError(Exception):
    """A refusal that the caller can act on. The message is one sentence for a person, without secrets."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field. `path` holds the names of fields and the indexes of lists that lead to it."""

    path: tuple[str | int, ...]
    message: str


class InvalidInputError(TocsinError):
    """Fields that cannot be used: all of them, never the first alone."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("Some fields cannot be used.")
        self.problems = tuple(problems)


class NotFoundError(TocsinError):
    """Nothing with this id exists in the organization."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"There is no such {kind}.")


class ConflictError(TocsinError):
    """The request contradicts what is stored; `field` names the field to change, where there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ForbiddenError(TocsinError):
    """The token may not do this."""


class RateLimitedError(TocsinError):
    """Too many changes in a short time."""

    def __init__(self, retry_after: timedelta, message: str = "This token makes changes too fast.") -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnansweredError(TocsinError):
    """No worker did in time what was asked for."""

    def __init__(self, location: str, waited: timedelta) -> None:
        where, seconds = f"at the location {location}", waited.total_seconds()
        super().__init__(f"No worker {where} answered within {seconds:g} seconds; see that one runs there.")
