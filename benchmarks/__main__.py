"""`python -m benchmarks [NAME ...]`: run these benchmarks, or all, and print their figures in one table.

A benchmark is a module here that prints one JSON object a figure when it is given `--json`: see `benchmarks.report`.
`benchmarks.ledger`, `benchmarks.hostile`, `benchmarks.operator_scale` and `benchmarks.kinds` take longer or need more
than the others, and are run by their own names.
"""

import json
import subprocess
import sys
import time

from rich.console import Console

from benchmarks.report import Figure, table

BENCHMARKS = ("probe", "pipeline", "record", "delivery", "page", "lateness")
_SECONDS = 120


def run(name: str) -> list[Figure]:
    """The figures of one benchmark; one that fails is a missed figure."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, check=True)
    except subprocess.SubprocessError as exc:
        return [Figure(name, "runs to its end", f"failed: {type(exc).__name__}", met=False)]
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    """Run one after the other, each in a process of its own: side by side they would disturb one another."""
    console = Console()
    figures: list[Figure] = []
    for name in sys.argv[1:] or BENCHMARKS:
        started = time.monotonic()
        figures += run(name)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    console.print(table(figures))


if __name__ == "__main__":
    main()
