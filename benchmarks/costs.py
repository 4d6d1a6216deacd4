"""What work costs: CPU time beside wall time, of this process and of others.

Machines are noisy, so two things are compared by alternating rounds within one run, and by the median of the ratios.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CpuClock = Callable[[], float]
"""Reads the CPU-seconds, user and system, that something has used so far."""


@dataclass(slots=True)
class Cost:
    """What a number of operations cost, on the client's side and, where it was asked for, on the server's."""

    operations: int
    client_cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """CPU-milliseconds per 1,000 operations."""
        return (self.client_cpu_seconds + self.server_cpu_seconds) * 1e6 / self.operations

    def __str__(self) -> str:
        share = f" ({self.server_cpu_seconds / (self.cpu_ms * self.operations / 1e6):.0%} server)"
        wall_ms = self.wall_seconds * 1e6 / self.operations
        return f"{self.cpu_ms:.3g}{share if self.server_cpu_seconds else ''} CPU-ms, {wall_ms:.3g} ms wall"


def own_cpu() -> float:
    """Of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> CpuClock:
    """Of another process, all its threads. Linux makes the id of a process's CPU clock from its number."""
    clock_id = (~pid << 3) | 2
    return lambda: time.clock_gettime(clock_id)


def cpu_of_family(pid: int) -> CpuClock:
    """Of a process, its children, and those that it has outlived: PostgreSQL's postmaster with all its backends."""
    return lambda: _own_and_outlived(pid) + sum(_cpu_if_alive(child) for child in children(pid))


def _own_and_outlived(pid: int) -> float:
    outlived_ticks = sum(int(field) for field in _stat(pid)[13:15])
    return cpu_of(pid)() + outlived_ticks / os.sysconf("SC_CLK_TCK")


def _cpu_if_alive(pid: int) -> float:
    try:
        return cpu_of(pid)()
    except OSError:
        return 0.0


def children(pid: int) -> list[int]:
    """The ids of a process's children."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [child for child in pids if parent(child) == pid]


def parent(pid: int) -> int | None:
    """The id of a process's parent; None for a process that is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name, from its state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def measured(operations: int, client: CpuClock = own_cpu, server: CpuClock = lambda: 0.0) -> Iterator[Cost]:
    """Measure what is done inside; the cost is complete at the end."""
    cost = Cost(operations)
    started = client(), server(), time.perf_counter()
    yield cost
    cost.client_cpu_seconds = client() - started[0]
    cost.server_cpu_seconds = server() - started[1]
    cost.wall_seconds = time.perf_counter() - started[2]


def median(costs: Sequence[Cost]) -> Cost:
    """The cost in the middle."""
    return sorted(costs, key=lambda cost: cost.cpu_ms)[len(costs) // 2]


def median_ratio(costs: Sequence[Cost], references: Sequence[Cost]) -> float:
    """How many times as much CPU, round by round."""
    return statistics.median(a.cpu_ms / b.cpu_ms for a, b in zip(costs, references, strict=True))
