"""Plan ticks: turn the versions of schedules into batches, one second at a time, in the order of time.

Schedulers race to plan exactly the tick after the newest. One autocommit statement inserts the tick and its batches,
so that whoever is frozen or killed leaves either all of a tick or nothing, and holds no lock meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, columns
from tocsin.domain.folding import Gap
from tocsin.domain.schedule import TICK, Cron, cron_instants
from tocsin.services.locations import LIVING_WITHIN

BATCH_SIZE = 150
# Slots older than this are not probed any more: they become one recorded gap, never a flood.
CATCH_UP_LIMIT = timedelta(seconds=30)
# How far ahead the instants of cron expressions are kept, and when they are topped up.
CRON_HORIZON = timedelta(hours=2)
CRON_TOP_UP = timedelta(hours=1)
# So many take a tenth of a second, in which the process does nothing else.
_CRONS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class PlannedTick:
    """A tick that this process has planned, with the batches that it made, and where each is to be probed.

    That is None where no worker lives at present: a hint would lie in its queue for good.
    """

    at: datetime
    batch_ids: list[int]
    locations: list[str | None]
    slots: int

    @property
    def hints(self) -> list[tuple[str, int]]:
        """The batches that somebody can take, each behind the name of its location."""
        return [(name, batch_id) for name, batch_id in zip(self.locations, self.batch_ids, strict=True) if name]


_START_LEDGER = """
WITH first AS (
    INSERT INTO ticks (at) SELECT $1 WHERE NOT EXISTS (SELECT FROM ticks) ON CONFLICT DO NOTHING RETURNING at
)
INSERT INTO gaps (from_at, to_at, reason) SELECT to_timestamp(0), at + interval '1 second', $2 FROM first
"""


async def start_ledger(connection: Connection, now: datetime) -> None:
    """Write the first tick of a new installation; every other one follows it, and nothing is due before."""
    await connection.execute(_START_LEDGER, _second(now), "BEFORE_FIRST_START")


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


# The distinct intervals are found by jumping along the index, so the cost does not grow with the checks that are
# not due; OFFSET keeps each search of the index for itself, for joined at will, PostgreSQL reads all checks. A tick is
# not planned before the cron expressions are expanded past it: an instant would be lost.
_PLAN = """
WITH RECURSIVE next AS (
    SELECT max(at) + interval '1 second' AS at FROM ticks
), ready AS (
    SELECT at FROM next WHERE at <= $1 AND NOT EXISTS (
        SELECT FROM check_versions v
        WHERE v.cron IS NOT NULL AND NOT v.paused AND v.expanded_to < next.at + interval '1 second'
          AND v.valid_to > next.at AND v.valid_from < next.at + interval '1 second')
), planned AS (
    INSERT INTO ticks (at) SELECT at FROM ready ON CONFLICT DO NOTHING RETURNING at
), intervals (every_ms) AS (
    SELECT min(interval_ms) FROM check_versions WHERE NOT paused AND interval_ms IS NOT NULL
    UNION ALL
    SELECT (SELECT min(v.interval_ms) FROM check_versions v
            WHERE NOT v.paused AND v.interval_ms IS NOT NULL AND v.interval_ms > i.every_ms)
    FROM intervals i WHERE i.every_ms IS NOT NULL
), windows AS (
    SELECT p.at, i.every_ms, ((extract(epoch FROM p.at)::bigint * 1000) % i.every_ms)::int AS phase_ms
    FROM planned p, intervals i WHERE i.every_ms IS NOT NULL
), due AS (
    SELECT v.check_id, v.revision, v.location_ids, v.phase_ms - w.phase_ms AS offset_ms
    FROM windows w CROSS JOIN LATERAL (
        SELECT * FROM check_versions
        WHERE interval_ms = w.every_ms AND NOT paused AND interval_ms IS NOT NULL
          AND phase_ms >= w.phase_ms AND phase_ms < w.phase_ms + 1000 AND valid_to > w.at
        OFFSET 0
    ) v
    WHERE w.at + (v.phase_ms - w.phase_ms) * interval '1 millisecond' >= v.valid_from
      AND w.at + (v.phase_ms - w.phase_ms) * interval '1 millisecond' < v.valid_to
    UNION ALL
    SELECT c.check_id, c.revision, v.location_ids, (extract(epoch FROM c.slot - p.at) * 1000)::int
    FROM planned p JOIN cron_instants c ON c.slot >= p.at AND c.slot < p.at + interval '1 second'
    JOIN check_versions v ON v.check_id = c.check_id AND v.revision = c.revision AND NOT v.paused
     AND v.valid_from <= c.slot AND c.slot < v.valid_to
), numbered AS (
    SELECT due.*, location_id,
           (row_number() OVER (PARTITION BY location_id ORDER BY offset_ms, check_id) - 1) / $2 AS batch
    FROM due, unnest(due.location_ids) AS location_id
), batched AS (
    INSERT INTO batches (tick_at, location_id, check_ids, revisions, offsets_ms)
    SELECT p.at, location_id, array_agg(check_id ORDER BY offset_ms, check_id),
           array_agg(revision ORDER BY offset_ms, check_id), array_agg(offset_ms::smallint ORDER BY offset_ms, check_id)
    FROM planned p, numbered GROUP BY p.at, batch, location_id ORDER BY batch, location_id
    RETURNING id, location_id
), leased AS (
    INSERT INTO batch_leases (batch_id) SELECT id FROM batched
)
SELECT p.at, (SELECT count(*) FROM numbered) AS slots, ARRAY(SELECT id FROM batched ORDER BY id) AS batch_ids,
       ARRAY(SELECT CASE WHEN l.seen_at > clock_timestamp() - $3::interval THEN l.name END
             FROM batched b JOIN locations l ON l.id = b.location_id ORDER BY b.id) AS locations
FROM planned p
"""


async def plan_next_tick(connection: Connection, now: datetime) -> PlannedTick | None:
    """Plan the tick after the newest if it begins soon. None when it does not, or another scheduler was faster."""
    row = await connection.fetchrow(_PLAN, now + PLAN_LEAD, BATCH_SIZE, LIVING_WITHIN)
    return None if row is None else PlannedTick(row["at"], row["batch_ids"], row["locations"], row["slots"])


# It takes the key that planning would take, so either the gap or the plan stands, never both.
_RECORD_GAP = """
WITH newest AS (
    SELECT max(at) AS at FROM ticks
), first AS (
    INSERT INTO ticks (at) SELECT at + interval '1 second' FROM newest WHERE at < $1
    ON CONFLICT DO NOTHING RETURNING at
), last AS (
    INSERT INTO ticks (at) SELECT $2::timestamptz - interval '1 second' FROM first ON CONFLICT DO NOTHING
)
INSERT INTO gaps (from_at, to_at, reason) SELECT at, $2, $3 FROM first RETURNING from_at, to_at
"""


async def record_gap(connection: Connection, now: datetime, reason: str = "NOTHING_PLANNED") -> Gap | None:
    """Where planning has fallen behind the catch-up limit, skip to now and leave one row that says so."""
    row = await connection.fetchrow(_RECORD_GAP, now - CATCH_UP_LIMIT, _second(now), reason)
    return None if row is None else Gap(row["from_at"], row["to_at"])


_CRONS_TO_EXPAND = """
SELECT check_id, revision, organization_id, cron, time_zone, expanded_to FROM check_versions
WHERE cron IS NOT NULL AND NOT paused AND expanded_to < $1 AND valid_to > $2
ORDER BY expanded_to LIMIT $3
"""
_INSERT_INSTANTS = """
INSERT INTO cron_instants (slot, check_id, revision, organization_id)
SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::int[], $4::bigint[]) ON CONFLICT DO NOTHING
"""
_SET_EXPANDED = """
UPDATE check_versions v SET expanded_to = $3
FROM unnest($1::bigint[], $2::int[]) AS d (check_id, revision)
WHERE v.check_id = d.check_id AND v.revision = d.revision
"""


async def expand_crons(connection: Connection, now: datetime) -> int:
    """Make the instants of some cron expressions up to the horizon; return how many. None are behind when it is 0."""
    behind = await connection.fetch(_CRONS_TO_EXPAND, now + CRON_TOP_UP, now - CATCH_UP_LIMIT, _CRONS_AT_ONCE)
    if behind:
        horizon = now + CRON_HORIZON
        rows = [
            (instant, version["check_id"], version["revision"], version["organization_id"])
            for version in behind
            for instant in _instants(version["cron"], version["time_zone"], version["expanded_to"], now, horizon)
        ]
        # Should another scheduler do the same, both write the same rows.
        async with connection.transaction():
            await connection.execute(_INSERT_INSTANTS, *columns(rows, 4))
            keys = [(version["check_id"], version["revision"]) for version in behind]
            await connection.execute(_SET_EXPANDED, *columns(keys, 2), horizon)
    return len(behind)


def _instants(cron: str, time_zone: str, after: datetime, now: datetime, horizon: datetime) -> list[datetime]:
    instants = []
    for instant in cron_instants(Cron(cron, time_zone), max(after, now - CATCH_UP_LIMIT - TICK)):
        if instant > horizon:
            break
        instants.append(instant)
    return instants
