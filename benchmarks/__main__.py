"""`python -m benchmarks`: run the benchmarks, each in a process of its own, and print all figures in one table.

A benchmark is a module here that prints one JSON object a figure when it is given `--json`: see `benchmarks.report`.
"""

import json
import subprocess
import sys
import time
from importlib.util import find_spec

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
    """Run what exists, one after the other: side by side they would disturb one another."""
    console = Console()
    figures: list[Figure] = []
    for name in BENCHMARKS:
        if find_spec(f"benchmarks.{name}") is not None:
            started = time.monotonic()
            figures += run(name)
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    console.print(table(figures))


if __name__ == "__main__":
    main()
