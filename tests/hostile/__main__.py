"""Plays every trick once, and prints how each ended: `make hostile`."""

import sys

import uvloop
from rich.console import Console
from rich.table import Table

from tests.hostile.corpus import TRICKS
from tests.hostile.examining import Examiner, Finding
from tests.hostile.servers import HostileServers
from tests.servers.processes import running


async def findings(servers: HostileServers, chosen: str) -> list[Finding]:
    examiner = Examiner(servers)
    return [await examiner.examine(trick) for trick in TRICKS if chosen in trick.name]


def table(found: list[Finding]) -> Table:
    columns = ("trick", "kind", "reason", "ms", "timeout ms", "others waited ms", "MiB", "")
    shown = Table(*columns, title=f"{len(found)} tricks")
    for each in found:
        shown.add_row(
            each.trick.name,
            each.trick.kind,
            str(each.reason or "success"),
            f"{each.seconds * 1000:.0f}",
            f"{each.trick.timeout_seconds * 1000:.0f}",
            f"{each.stall_seconds * 1000:.0f}",
            f"{each.grown_bytes / 2**20:.1f}",
            "; ".join(each.problems),
        )
    return shown


def main() -> None:
    with running(HostileServers) as servers:
        found = uvloop.run(findings(servers, " ".join(sys.argv[1:])))
    Console(width=None if sys.stdout.isatty() else 200).print(table(found))
    if any(each.problems for each in found):
        sys.exit("not every trick ended as it must")


if __name__ == "__main__":
    main()
