"""Who probes which batch: claims, heartbeats, hand-backs and completions, each a single autocommit statement.

Completion is fenced by the attempt, so that a worker that was frozen past its lease cannot finish what another one
has taken over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, columns
from tocsin.domain.retries import NO_RETRIES, Retries
from tocsin.domain.schedule import MILLISECOND, TICK
from tocsin.services.planning import CATCH_UP_LIMIT

# How long before its tick a batch is taken: time enough for that, and not more, for what a worker holds is late when
# the worker is killed.
TAKE_LEAD = timedelta(seconds=0.5)
# How long a hint may take; hints spread batches evenly over the workers, looking into the ledger does not.
_HINT_TIME = timedelta(seconds=0.15)


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch that a worker holds, in which attempt."""

    batch_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that takes batches, and where it probes from."""

    id: UUID
    location_id: int


@dataclass(frozen=True, slots=True)
class DueSlot:
    """A slot that is to be probed, and with which revision of its check."""

    check_id: int
    revision: int
    slot: datetime
    location_id: int


@dataclass(frozen=True, slots=True)
class Definition:
    """What a worker needs to know to probe a check."""

    kind: str
    target: str  # JSON
    timeout: timedelta
    retries: Retries = NO_RETRIES


# A batch that nobody took in time is left for the sweeper, which says that its slots were missed.
_CLAIM = """
WITH open AS (
    SELECT l.batch_id FROM batch_leases l JOIN batches b ON b.id = l.batch_id
    WHERE l.done_at IS NULL AND l.holder IS NULL AND l.batch_id >= $2 AND ($3::bigint IS NULL OR l.batch_id = $3)
      AND b.tick_at > $4 AND b.tick_at < $5 AND b.location_id = $7
    ORDER BY l.batch_id LIMIT $6 FOR UPDATE OF l SKIP LOCKED
)
UPDATE batch_leases l SET holder = $1, attempt = l.attempt + 1, heartbeat = 0
FROM open WHERE l.batch_id = open.batch_id
RETURNING l.batch_id, l.attempt
"""


async def claim_batch(connection: Connection, holder: Holder, batch_id: int, now: datetime) -> Lease | None:
    """Take one batch, unless somebody else holds or has done it, or it is another location's."""
    oldest, newest = now - CATCH_UP_LIMIT, now + PLAN_LEAD + TICK
    rows = await connection.fetch(_CLAIM, holder.id, batch_id, batch_id, oldest, newest, 1, holder.location_id)
    return Lease(rows[0]["batch_id"], rows[0]["attempt"]) if rows else None


async def claim_batches(
    connection: Connection, holder: Holder, watermark: int, now: datetime, most: int
) -> list[Lease]:
    """Take the location's oldest batches that nobody took on a hint. All below the watermark are known to be done."""
    oldest, newest = now - CATCH_UP_LIMIT, now + TAKE_LEAD - _HINT_TIME
    rows = await connection.fetch(_CLAIM, holder.id, watermark, None, oldest, newest, most, holder.location_id)
    return [Lease(row["batch_id"], row["attempt"]) for row in rows]


_WATERMARK = """
SELECT coalesce((SELECT batch_id FROM batch_leases WHERE done_at IS NULL AND batch_id >= $1 ORDER BY batch_id LIMIT 1),
                (SELECT max(batch_id) FROM batch_leases), 0)
"""


async def watermark(connection: Connection, known: int) -> int:
    """The oldest batch that is not done, given that all below `known` are."""
    return int(await connection.fetchval(_WATERMARK, known))


# After a first attempt, only what has no result yet is probed again.
_LOAD = """
SELECT d.check_id, d.revision, b.tick_at + d.offset_ms * interval '1 millisecond' AS slot, b.location_id
FROM batches b, unnest(b.check_ids, b.revisions, b.offsets_ms) AS d (check_id, revision, offset_ms)
WHERE b.id = $1 AND ($2 = 1 OR NOT EXISTS (
    SELECT FROM results r
    WHERE r.check_id = d.check_id AND r.location_id = b.location_id
      AND r.slot = b.tick_at + d.offset_ms * interval '1 millisecond'))
"""


async def load_slots(connection: Connection, lease: Lease) -> list[DueSlot]:
    """What is to be probed for a lease."""
    rows = await connection.fetch(_LOAD, lease.batch_id, lease.attempt)
    return [DueSlot(row["check_id"], row["revision"], row["slot"], row["location_id"]) for row in rows]


_DEFINITIONS = """
SELECT v.check_id, v.revision, v.kind, v.target::text, v.timeout_ms, v.retry_attempts, v.retry_delay_ms, v.retry_backoff
FROM unnest($1::bigint[], $2::int[]) AS d (check_id, revision)
JOIN check_versions v ON v.check_id = d.check_id AND v.revision = d.revision
"""


async def load_definitions(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Definition]:
    """The definitions of these (check id, revision); one whose check was removed meanwhile is left out."""
    rows = await connection.fetch(_DEFINITIONS, *columns(keys, 2))
    return {(row["check_id"], row["revision"]): definition_of(row) for row in rows}


def definition_of(row: asyncpg.Record) -> Definition:
    """What a row of `check_versions` says."""
    retries = Retries(row["retry_attempts"], row["retry_delay_ms"] * MILLISECOND, row["retry_backoff"])
    return Definition(row["kind"], row["target"], row["timeout_ms"] * MILLISECOND, retries)


_HEARTBEAT = """
UPDATE batch_leases SET heartbeat = heartbeat + 1
WHERE batch_id = ANY($2::bigint[]) AND holder = $1 AND done_at IS NULL
"""


async def heartbeat(connection: Connection, holder: UUID, batch_ids: Collection[int]) -> None:
    """Say that these batches are still being probed."""
    await connection.execute(_HEARTBEAT, holder, list(batch_ids))


_COMPLETE = """
UPDATE batch_leases l SET done_at = clock_timestamp()
FROM unnest($1::bigint[], $2::int[]) AS d (batch_id, attempt)
WHERE l.batch_id = d.batch_id AND l.attempt = d.attempt AND l.done_at IS NULL
"""


async def complete(connection: Connection, leases: Sequence[Lease]) -> None:
    """Mark batches as done: every slot of theirs has a result. A lease that was lost changes nothing."""
    await connection.execute(_COMPLETE, *columns([(lease.batch_id, lease.attempt) for lease in leases], 2))


_HAND_BACK = """
UPDATE batch_leases SET holder = NULL WHERE holder = $1 AND done_at IS NULL AND batch_id <> ALL($2::bigint[])
"""


async def hand_back(connection: Connection, holder: UUID, keep: Collection[int] = ()) -> None:
    """Give up what this worker holds but the batches to keep, so that others need not wait for its leases to end."""
    await connection.execute(_HAND_BACK, holder, list(keep))
