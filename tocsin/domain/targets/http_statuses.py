"""Which statuses of HTTP count as success."""

import re
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tocsin.domain.targets.rules import Rule

_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_STATUS_OR_RANGE: Final = Rule(
    'self.matches("^[1-5][0-9]{2}(-[1-5][0-9]{2})?$") && '
    "(size(self) == 3 || self.substring(0, 3) <= self.substring(4))",
    "must be a status such as 204, or a range such as 200-299",
)


def _validate_status(status: str) -> str:
    match = _STATUS.fullmatch(status)
    if not match or (match[2] and match[1] > match[2]):
        raise ValueError(_STATUS_OR_RANGE.message)
    return status


def _validate_statuses(statuses: tuple[str, ...]) -> tuple[str, ...]:
    # Not by min_length: pydantic then calls a tuple empty as well whose only item is wrong.
    if not statuses:
        raise ValueError("must name at least one status, such as 200-299")
    return statuses


ExpectedStatus = Annotated[
    str, AfterValidator(_validate_status), _STATUS_OR_RANGE, Field(json_schema_extra={"maxLength": len("200-299")})
]
ExpectedStatuses = Annotated[tuple[ExpectedStatus, ...], AfterValidator(_validate_statuses)]


@lru_cache(maxsize=1024)
def statuses(expected: tuple[str, ...]) -> frozenset[int]:
    """The statuses that single ones and ranges name; kept, as every probe asks."""
    ranges = (part.partition("-") for part in expected)
    return frozenset(status for first, _, last in ranges for status in range(int(first), int(last or first) + 1))
