"""Record what probes saw: one path, one short transaction a flush.

One statement stores the results once, folds them where nothing is to be decided, and appends the event. What it could
not fold goes through the state machine in the same transaction. Arrival order, repeats, crashes and restarts cannot
matter.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tocsin.database import Connection
from tocsin.domain.observations import UNDECIDED_REASONS, Observation
from tocsin.domain.status import confirmed_status
from tocsin.models.codes import OUTCOME_CODES, REASON_CODES
from tocsin.services.courses import KEPT_FROM
from tocsin.services.event_log import News, append_news
from tocsin.services.result_rows import instant_of, microseconds_of, observation_row
from tocsin.services.rollups import hour_of, mark_hours
from tocsin.services.state_folding import fold_states
from tocsin.services.transitions import write_transitions

# Results are kept for a day at least, and slots are planned where there is room for their results.
_SURELY_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How one slot of a check ended at a location, and the revision of the check that was probed."""

    check_id: int
    slot: datetime
    location_id: int
    revision: int
    observation: Observation


# No foreign key and no organization from the message: the check's row decides both. In one order everywhere, so that
# two transactions with the same keys wait for one another and never in a circle.
INSERT = f"""
INSERT INTO results (organization_id, check_id, slot, location_id, revision, started_at, duration_us, outcome, reason,
                     status_code, resolve_us, connect_us, tls_us, processing_us, transfer_us, certificate_expires_at,
                     address, message, attempts, tls_verified, evidence)
SELECT c.organization_id, d.check_id, {instant_of("d.slot_us")}, d.location_id, d.revision,
       {instant_of("d.started_at_us")}, d.duration_us, d.outcome, d.reason, d.status_code, d.resolve_us, d.connect_us,
       d.tls_us, d.processing_us, d.transfer_us, {instant_of("d.certificate_expires_at_us")}, d.address::inet,
       d.message, d.attempts, d.tls_verified, d.evidence
FROM unnest($1::incoming_result[]) d JOIN checks c ON c.id = d.check_id AND c.deleted_at IS NULL
WHERE d.slot_us > $2 OR {instant_of("d.slot_us")} >= {KEPT_FROM}
ORDER BY d.check_id, d.slot_us, d.location_id
ON CONFLICT DO NOTHING
"""  # noqa: S608 - here as below, no value of a user is in it
_UNDECIDED = ", ".join(str(REASON_CODES[reason]) for reason in sorted(UNDECIDED_REASONS))
_CONFIRMED = " ".join(
    f"WHEN i.outcome = {code} THEN '{status}'"
    for outcome, code in OUTCOME_CODES.items()
    if (status := confirmed_status(outcome))
)
# The newest result of each state, the status that it confirms, and the slot that it follows if it was due. The sort
# lets no state be locked before all results are in.
_NEWEST = f"""
SELECT DISTINCT ON (i.check_id, i.location_id) i.*, i.slot - v.interval_ms * interval '1 millisecond' AS follows,
       CASE WHEN i.reason IN ({_UNDECIDED}) THEN NULL {_CONFIRMED} END AS confirms
FROM inserted i LEFT JOIN check_versions v
  ON v.check_id = i.check_id AND v.revision = i.revision AND NOT v.paused AND i.slot < v.valid_to
 AND i.slot - v.interval_ms * interval '1 millisecond' >= v.valid_from
 AND (date_part('epoch', i.slot) * 1000)::bigint % v.interval_ms = v.phase_ms
ORDER BY i.check_id, i.location_id, i.slot DESC
"""  # noqa: S608
# Such a result changes nothing of its state but what was last: the state machine would return the state that it got.
_CONFIRMS = """(s.folded_through = n.follows AND s.decided = n.confirms AND s.status = s.decided AND s.run_length = 0
          AND NOT s.waiting)"""
_LAST = {
    "folded_through": "n.slot",
    "last_slot": "n.slot",
    "last_started_at": "n.started_at",
    "last_duration_us": "n.duration_us",
    "last_outcome": "n.outcome",
    "last_reason": "n.reason",
    "last_message": "n.message",
    "last_status_code": "n.status_code",
    "certificate_expires_at": "coalesce(n.certificate_expires_at, s.certificate_expires_at)",
}
_SET_LAST = ", ".join(
    f"{column} = CASE WHEN {_CONFIRMS} THEN {new} ELSE s.{column} END" for column, new in _LAST.items()
)
# Every state is written, also where it stays as it is: that locks all of them in one order. Counters are locked after
# all states, and only if nothing is left to be folded, which would make more news.
_STORE = f"""
WITH inserted AS (
    {INSERT}
    RETURNING organization_id, check_id, slot, location_id, revision, started_at, duration_us, outcome, reason,
              message, status_code, certificate_expires_at
), newest AS (
    {_NEWEST}
), written AS (
    UPDATE check_states s SET {_SET_LAST}
    FROM newest n WHERE s.check_id = n.check_id AND s.location_id = n.location_id
    RETURNING s.check_id, s.location_id, s.folded_through = n.slot AS folded
), unfolded AS (
    SELECT check_id, location_id FROM written WHERE NOT folded
), news AS (
    SELECT organization_id, array_agg(check_id) AS check_ids, array_agg(slot) AS slots,
           array_agg(location_id) AS location_ids
    FROM inserted WHERE NOT EXISTS (SELECT FROM unfolded) GROUP BY organization_id
), locked AS (
    SELECT organization_id FROM event_counters WHERE organization_id IN (SELECT organization_id FROM news)
    ORDER BY organization_id FOR NO KEY UPDATE
), numbered AS (
    UPDATE event_counters c SET number = c.number + 1 FROM locked l WHERE c.organization_id = l.organization_id
    RETURNING c.organization_id, c.number
), appended AS (
    INSERT INTO events (organization_id, number, result_check_ids, result_slots, result_location_ids,
                        status_change_ids, incident_event_ids)
    SELECT organization_id, number, check_ids, slots, location_ids, '{{}}', '{{}}'
    FROM numbered JOIN news USING (organization_id)
)
SELECT organization_id, number, NULL::bigint AS check_id, NULL::timestamptz AS slot, NULL::smallint AS location_id,
       NULL::bool AS unfolded
FROM numbered
UNION ALL
SELECT organization_id, NULL, check_id, slot, location_id,
       (check_id, location_id) IN (SELECT check_id, location_id FROM unfolded)
FROM inserted WHERE EXISTS (SELECT FROM unfolded)
"""  # noqa: S608


async def record(connection: Connection, results: Sequence[Result], now: datetime) -> dict[int, int]:
    """Store the results and fold what they complete, in one transaction.

    Return the number of the event that was appended for each organization. Safe to repeat: what is stored stays.
    """
    async with connection.transaction():
        # The running hour is rolled up when it is over; an earlier one has been, or soon will be.
        await mark_hours(connection, {hour_of(result.slot) for result in results} - {hour_of(now)})
        rows = await connection.fetch(_STORE, *arguments(results, now))
        if rows and rows[0]["number"] is None:
            return await _decide(connection, rows)
    return {row["organization_id"]: row["number"] for row in rows}


def arguments(results: Sequence[Result], now: datetime) -> tuple[list[tuple[object, ...]], int]:
    """The results, and since when no slot needs to be compared with what is kept, for that is dear."""
    return [_incoming(result) for result in results], microseconds_of(now - _SURELY_KEPT)


def _incoming(result: Result) -> tuple[object, ...]:
    key = (result.check_id, microseconds_of(result.slot), result.location_id, result.revision)
    return (*key, *observation_row(result.observation))


async def _decide(connection: Connection, inserted: Sequence[asyncpg.Record]) -> dict[int, int]:
    """Fold the states that the stored results left behind, and append the event with what came of it."""
    keys = {(row["check_id"], row["location_id"]) for row in inserted if row["unfolded"]}
    events = await fold_states(connection, sorted(keys), max(row["slot"] for row in inserted))
    news = defaultdict(News, await write_transitions(connection, events) if events else {})
    for row in inserted:
        news[row["organization_id"]].results.append((row["check_id"], row["slot"], row["location_id"]))
    return await append_news(connection, news)
