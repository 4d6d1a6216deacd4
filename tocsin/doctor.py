"""`tocsin doctor`: is anything wrong with this installation, and what helps?"""

import resource
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from tocsin.database import Connection, Role
from tocsin.embedded.abandoned import AbandonedData, abandoned_data
from tocsin.installation import find_servers, own_servers, with_kept_keys, with_servers
from tocsin.ledger_health import CLOCK_STEP, Finding, State, judge_ledger, read_ledger
from tocsin.problems import plain_words
from tocsin.readiness import judge_migrations, look_at_redis
from tocsin.schema_version import missing_migrations
from tocsin.services.secret_rotation import stored_key_ids
from tocsin.settings import Settings, SettingsError, read_settings

OLDEST_POSTGRES: Final = 16
CONNECT_SECONDS: Final = 3
# A probe under way is an open file, and a worker has a thousand of them by default.
FEWEST_FILES: Final = 4096
LEAST_FREE_BYTES: Final = 1024**3


@dataclass(frozen=True)
class Line:
    """What was looked at, and what was found."""

    part: str
    finding: Finding

    @property
    def is_healthy(self) -> bool:
        return self.finding.state is not State.NOT_READY

    def __str__(self) -> str:
        mark = {State.READY: "ok", State.DEGRADED: "warning", State.NOT_READY: "WRONG"}[self.finding.state]
        return f"{mark:<8} {self.part:<11} {self.finding.message}".rstrip()


async def examine(data_dir: Path, environment: Mapping[str, str]) -> AsyncIterator[Line]:
    """Look at one part after the other; what cannot be looked at without another one is left out."""
    for data in abandoned_data():
        yield Line("old data", _judge_abandoned(data))
    try:
        servers = find_servers(data_dir, environment)
        settings = read_settings(with_servers(with_kept_keys(environment, data_dir), servers))
    except SettingsError as exc:
        yield Line("settings", _wrong(str(exc)))
        return
    yield Line("settings", Finding())
    yield Line("open files", _judge_open_files())
    if own_servers(environment) is None:
        yield Line("disk", _judge_disk(data_dir))
    yield Line("redis", await look_at_redis(servers.redis_url))
    async for line in _examine_database(settings):
        yield line


async def _examine_database(settings: Settings) -> AsyncIterator[Line]:
    try:
        connection = await asyncpg.connect(settings.servers.database_url, timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        yield Line("database", _wrong(plain_words(exc)))
        return
    try:
        yield Line("database", await _judge_version(connection))
        yield Line("roles", await _judge_roles(connection))
        missing = await missing_migrations(connection)
        yield Line("migrations", judge_migrations(missing))
        if not missing:
            yield Line("partitions", await _judge_partitions(connection))
            yield Line("secrets", _judge_keys(await stored_key_ids(connection) - set(settings.encryption.keys)))
            ledger = await read_ledger(connection)
            yield Line("time", _judge_skew(ledger.database_at - datetime.now(UTC)))
            for part, finding in judge_ledger(ledger).items():
                yield Line(part, finding)
    finally:
        await connection.close()


def _wrong(message: str) -> Finding:
    return Finding(State.NOT_READY, message)


def _judge_open_files() -> Finding:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= FEWEST_FILES:
        return Finding()
    return Finding(State.DEGRADED, f"a process may open {most} files only; allow 65536, as with `ulimit -n 65536`")


def _judge_disk(data_dir: Path) -> Finding:
    free = shutil.disk_usage(data_dir).free
    if free >= LEAST_FREE_BYTES:
        return Finding()
    return Finding(State.DEGRADED, f"{free // 1024**2} MiB are free under {data_dir}; make room")


def _judge_abandoned(data: AbandonedData) -> Finding:
    return Finding(
        State.DEGRADED,
        f"{data.home} ({data.size_bytes // 1024**2} MiB) was the data of {data.data_dir}, which leads there no more; "
        f"unless that was merely moved or is not mounted, remove it: rm -r {data.home}",
    )


async def _judge_version(connection: Connection) -> Finding:
    number = await connection.fetchval("SHOW server_version")
    if connection.get_server_version().major >= OLDEST_POSTGRES:
        return Finding(message=f"PostgreSQL {number}")
    return _wrong(f"PostgreSQL {number} is too old; use {OLDEST_POSTGRES} or newer")


_ROLES: Final = """
SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS unbound,
       ARRAY(SELECT wanted FROM unnest($1::text[]) AS wanted
             WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted AND pg_has_role(oid, 'SET'))) AS missing
"""


async def _judge_roles(connection: Connection) -> Finding:
    row = await connection.fetchrow(_ROLES, [role.value for role in Role])
    assert row is not None  # noqa: S101 - a select without a table always has one row
    if row["unbound"]:
        return _wrong(
            "the user of TOCSIN_DATABASE_URL is one whom row-level security does not hold; use one that merely owns "
            "the database"
        )
    if row["missing"]:
        return _wrong(
            f"the user of TOCSIN_DATABASE_URL cannot become {', '.join(row['missing'])}; run `tocsin migrate`"
        )
    return Finding()


async def _judge_partitions(connection: Connection) -> Finding:
    tomorrow = f"results_{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
    attached = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))"
    if await connection.fetchval(attached, tomorrow):
        return Finding()
    return _wrong("results of tomorrow have no place yet; check that a scheduler runs, and what it logs")


def _judge_keys(missing: Collection[str]) -> Finding:
    if not missing:
        return Finding()
    return _wrong(
        f"some are encrypted with {', '.join(sorted(missing))}, which TOCSIN_ENCRYPTION_KEYS does not hold here; "
        "add it, or have the secrets stored anew"
    )


def _judge_skew(skew: timedelta) -> Finding:
    if abs(skew) <= CLOCK_STEP:
        return Finding()
    return Finding(
        State.DEGRADED,
        f"the database's clock is {skew.total_seconds():+.1f} s off this machine's; let NTP set both",
    )
