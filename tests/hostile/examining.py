"""Plays a trick on a probe, and tells how it ended, when, and what it took."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from probes.wire.name_service import NameService
from probes.wire.resolver import Resolver
from probes.wire.tls_contexts import TlsContexts
from tests.hostile.servers import HostileServers
from tests.hostile.tricks import ADDRESS, Trick, filled
from tocsin.domain.observations import Reason
from tocsin.domain.targets import parse_target

OVERTIME_SECONDS: Final = 0.25
MOST_BYTES: Final = 16 * 1024 * 1024
# Others wait for so long while one probe thinks.
LONGEST_STALL_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.001


@dataclass(frozen=True)
class Finding:
    """`grown_bytes` is how far the process grew at its peak; 0 where the system does not tell."""

    trick: Trick
    reason: Reason | None
    message: str
    seconds: float
    stall_seconds: float
    grown_bytes: int

    @property
    def problems(self) -> list[str]:
        found = []
        if self.reason not in self.trick.reasons:
            expected = " or ".join(sorted(str(reason) for reason in self.trick.reasons))
            found.append(f"ended with {self.reason}, not {expected}: {self.message}")
        if self.seconds > self.trick.timeout_seconds + OVERTIME_SECONDS:
            found.append(f"took {self.seconds:.3f} s")
        if self.stall_seconds > LONGEST_STALL_SECONDS:
            found.append(f"held up others for {self.stall_seconds:.3f} s")
        if self.grown_bytes > MOST_BYTES:
            found.append(f"took {self.grown_bytes / 2**20:.1f} MiB")
        return found


class Examiner:
    """Keeps between tricks what a worker keeps between probes."""

    def __init__(self, servers: HostileServers) -> None:
        self._servers = servers
        self._contexts = TlsContexts()

    async def examine(self, trick: Trick) -> Finding:
        port = self._servers.port_of(trick.name)
        target = parse_target(trick.kind, filled(trick.fields, port, self._servers.credentials.ca))
        engine = self._engine(trick, port)
        gc.collect()
        with _environment(trick.environment), peak() as grown:
            async with longest_stall() as stall:
                began = time.perf_counter()
                seen = await probe(target, timedelta(seconds=trick.timeout_seconds), engine)
                seconds = time.perf_counter() - began
        await engine.evaluator.close()
        return Finding(trick, seen.reason, seen.message or "", seconds, stall.seconds, grown.bytes or 0)

    def _engine(self, trick: Trick, port: int) -> Engine:
        policy = EgressPolicy(allow_private=not trick.only_public)
        asked = Resolver(NameService(((ADDRESS, port),)), hosts=Path("/nonexistent")) if trick.names else Resolver()
        return Engine(policy, lambda: datetime.now(UTC), asked, self._contexts)


@dataclass
class Stall:
    seconds: float = 0.0


@asynccontextmanager
async def longest_stall() -> AsyncIterator[Stall]:
    """How long the event loop stood still at most in the block."""
    stall = Stall()

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)
            stall.seconds = max(stall.seconds, time.perf_counter() - before - _LOOK_SECONDS)

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    yield stall
    task.cancel()
    await asyncio.wait([task])


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    yield
    os.environ.clear()
    os.environ.update(before)


@dataclass
class Growth:
    """How far the process grew; None where the system does not tell."""

    bytes: int | None = None


@contextmanager
def peak() -> Iterator[Growth]:
    """How far the process grows in the block at most, by Linux's own mark of its peak, which can be set back."""
    grown = Growth()
    reset = Path("/proc/self/clear_refs")
    if not os.access(reset, os.W_OK):
        yield grown
        return
    reset.write_text("5")
    before = _resident("VmRSS")
    yield grown
    grown.bytes = _resident("VmHWM") - before


def _resident(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
