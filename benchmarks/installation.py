"""A whole installation to measure: servers, one organization with many checks, and the engine's processes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from benchmarks.costs import CpuClock, cpu_of_family, parent
from tocsin.database import Connection, Role
from tocsin.embedded import embedded_servers
from tocsin.migrate import migrate
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Servers

ORGANIZATION = 1
SITE = 1

_ORGANIZATION = """
INSERT INTO organizations (id, name) VALUES (1, 'benchmark');
INSERT INTO event_counters (organization_id) VALUES (1);
INSERT INTO sites (id, organization_id, name) VALUES (1, 1, 'site');
"""
_CHECKS = """
WITH made AS (
    INSERT INTO checks (id, organization_id, site_id, name, kind, target, interval_seconds, timeout_ms,
                        failure_threshold, success_threshold)
    SELECT i, 1, 1, 'check ' || i, 'http', jsonb_build_object('url', $4 || '/' || i), $3, least($3 * 1000, 5000), 3, 2
    FROM generate_series($1::int, $2::int) i RETURNING *
), versions AS (
    INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms, timeout_ms,
                                failure_threshold, success_threshold, paused)
    SELECT id, 1, 1, $5, kind, target, interval_seconds * 1000, timeout_ms, failure_threshold, success_threshold, false
    FROM made
)
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT id, 1, 1, $5, 'PENDING', $5, 'PENDING' FROM made
"""


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Servers as an installation has them, synced to disk, on data that is thrown away."""
    with TemporaryDirectory() as folder:
        # The servers' own account must be able to enter it, or their data would be kept elsewhere.
        Path(folder).chmod(0o755)
        with embedded_servers(Path(folder)) as servers:
            yield Servers(servers.database_url, servers.redis_url)


@asynccontextmanager
async def installed(servers: Servers) -> AsyncIterator[Connection]:
    """Migrate, make an organization with a site, and yield a connection of the owner."""
    await migrate(servers.database_url)
    connection: Connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(_ORGANIZATION)
        await ensure_partitions(connection, datetime.now(UTC))
        yield connection
    finally:
        await connection.close()


async def make_checks(
    connection: Connection, count: int, interval_seconds: int, url: str, since: datetime | None = None, first: int = 1
) -> None:
    """Make so many checks, with ids from `first` on and targets of their own, due from an instant on."""
    since = since or datetime.now(UTC)
    await connection.execute(_CHECKS, first, first + count - 1, interval_seconds, url, since)
    await connection.execute("ANALYZE checks, check_versions, check_states")


async def delete_checks(connection: Connection) -> None:
    """Let nothing be due any more."""
    await connection.execute("UPDATE checks SET deleted_at = now()")
    await connection.execute("UPDATE check_versions SET valid_to = now() WHERE valid_to = 'infinity'")


async def engine_sessions(connection: Connection) -> int:
    """How many connections schedulers and workers have."""
    sessions: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", Role.ENGINE.value
    )
    return sessions


async def postgres_cpu(connection: Connection) -> CpuClock:
    """The CPU clock of the whole server, of all its processes."""
    postmaster = parent(await connection.fetchval("SELECT pg_backend_pid()"))
    assert postmaster is not None
    return cpu_of_family(postmaster)


@asynccontextmanager
async def running(module: str, servers: Servers, *arguments: str, **settings: str) -> AsyncIterator[int]:
    """Run one of the platform's processes, yield its id, and let it end as it would in an installation."""
    urls = {"TOCSIN_DATABASE_URL": servers.database_url, "TOCSIN_REDIS_URL": servers.redis_url}
    environment = {**os.environ, **urls, **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
