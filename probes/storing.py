"""Store results together, and apart where one of them cannot be stored: it takes no other with it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import asyncpg
import structlog

from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.running import DATABASE_ERRORS, log_internal_error
from tocsin.services.recording import Result

Write = Callable[[Sequence[Result]], Awaitable[set[int]]]
"""Stores results in one transaction, and returns the organizations that have news."""

# PostgreSQL refuses what it cannot hold with the one, asyncpg what it cannot encode with the other.
UNSTORABLE = (asyncpg.DataError, ValueError)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def is_refusal(error: Exception) -> bool:
    """Whether trying the same again is of no use: it is neither the database's state nor the way to it."""
    return isinstance(error, UNSTORABLE) or not isinstance(error, DATABASE_ERRORS)


async def store(results: Sequence[Result], write: Write) -> set[int]:
    """Store what can be stored; return the organizations that have news. Raises when the database is away."""
    try:
        return await write(results)
    except Exception as exc:
        if not is_refusal(exc):
            raise
        log_internal_error("results_cannot_be_stored", exc, count=len(results))
    if len(results) == 1:
        return await _store_without_content(results[0], write)
    half = len(results) // 2
    return await store(results[:half], write) | await store(results[half:], write)


async def _store_without_content(result: Result, write: Write) -> set[int]:
    plain = replace(result, observation=without_content(result.observation))
    if plain == result:
        _logger.error("result_is_lost", check_id=result.check_id, consequence="its slot counts as missed")
        return set()
    return await store([plain], write)


def without_content(seen: Observation) -> Observation:
    """What is left of an observation that holds something that cannot be stored."""
    return Observation(Outcome.UNKNOWN, seen.started_at, seen.duration, Reason.INTERNAL_ERROR)
