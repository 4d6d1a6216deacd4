"""Which rows are shown where not all have room."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.watch.cells import rank
from tocsin.watch.model import Check

# A site's heading, and the empty line behind its checks.
_SITE_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class ShownChecks:
    """Checks by the names of their sites, the worst first, and how many others there are in each status."""

    sites: Mapping[str, Sequence[Check]]
    hidden: Sequence[tuple[str, int]]


def lines_of(checks: Iterable[Check]) -> int:
    """How many lines all of them need."""
    counts = Counter(check.named.site for check in checks)
    return counts.total() + len(counts) * _SITE_LINES


def shown_checks(checks: Iterable[Check], lines: int) -> ShownChecks:
    """The worst checks that have room; where others stay hidden, a line is kept for saying so."""
    ordered = sorted(checks, key=lambda check: (rank(check.status), check.named.site, check.named.name))
    if lines_of(ordered) > lines:
        lines -= 1
    sites: dict[str, list[Check]] = {}
    for number, check in enumerate(ordered):
        lines -= 1 if check.named.site in sites else 1 + _SITE_LINES
        # Nothing better is shown in the place of what is worse.
        if lines < 0:
            return ShownChecks(sites, counts(ordered[number:]))
        sites.setdefault(check.named.site, []).append(check)
    return ShownChecks(sites, [])


def counts(checks: Iterable[Check]) -> list[tuple[str, int]]:
    """How many checks are in each status that occurs, the worst first."""
    counted = Counter(check.status for check in checks)
    return sorted(counted.items(), key=lambda count: (rank(count[0]), count[0]))
