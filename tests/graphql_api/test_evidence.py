"""What was kept of failures, through the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.graphql_api.test_history import check, minute, store
from tests.graphql_api.test_incidents import open_incident
from tocsin.domain.evidence import Attempt, Evidence, JudgedAssertion, to_json
from tocsin.domain.facts import Source
from tocsin.domain.observations import Outcome, Reason

__all__ = ["check"]

EVIDENCE = Evidence(
    attempts=(
        Attempt(
            datetime(2026, 11, 21, 12, tzinfo=UTC),
            timedelta(milliseconds=12),
            Outcome.FAILURE,
            Reason.TIMEOUT,
            "timed out",
        ),
    ),
    assertions=(
        JudgedAssertion("JSON", "$.status", "EQUALS", '"up"', '"down"', "DOWN"),
        JudgedAssertion("SIZE", None, "LESS_THAN", "10", None, "DOWN", failed=False),
    ),
    headers=(("Server", "nginx"),),
    facts=((Source.SIZE, "9"),),
    body_excerpt="sorry\\x00",
    tls_version="TLSv1.3",
    tls_verified=False,
)
SHOWN = """evidence {
    failedAssertions { source path operator expected actual severity } headers { name value } bodyExcerpt
    facts { source value } tlsVersion tlsVerified attempts { startedAt durationMs outcome reason message } }"""
TOLD = {
    "failedAssertions": [
        {
            "source": "JSON",
            "path": "$.status",
            "operator": "EQUALS",
            "expected": '"up"',
            "actual": '"down"',
            "severity": "DOWN",
        }
    ],
    "headers": [{"name": "Server", "value": "nginx"}],
    "bodyExcerpt": "sorry\\x00",
    "facts": [{"source": "SIZE", "value": "9"}],
    "tlsVersion": "TLSv1.3",
    "tlsVerified": False,
    "attempts": [
        {
            "startedAt": "2026-11-21T12:00:00+00:00",
            "durationMs": 12,
            "outcome": "FAILURE",
            "reason": "TIMEOUT",
            "message": "timed out",
        }
    ],
}
RESULTS = f"query ($id: ID!) {{ check(id: $id) {{ results {{ nodes {{ attempts tlsVerified {SHOWN} }} }} }} }}"


@pytest.mark.usefixtures("check")
async def test_what_was_kept_is_read_from_the_incident(client: Any, reader: Any, owner: asyncpg.Connection) -> None:
    incident = await open_incident(owner)
    query = f"query ($id: ID!) {{ incident(id: $id) {{ {SHOWN} }} }}"
    assert await client.data(query, id=incident) == {"evidence": None}
    await owner.execute("UPDATE incidents SET evidence = $1", to_json(EVIDENCE))
    assert await reader.data(query, id=incident) == {"evidence": TOLD}


async def test_a_result_tells_what_was_kept_of_it(client: Any, owner: asyncpg.Connection, check: str) -> None:
    await store(owner, check, minute(0), outcome=3, reason=5)
    keep = "UPDATE results SET evidence = $1, attempts = 2, tls_verified = false"
    await owner.execute(keep, to_json(EVIDENCE))
    told = await client.data(RESULTS, id=check)
    assert told["results"]["nodes"] == [{"attempts": 2, "tlsVerified": False, "evidence": TOLD}]


async def test_a_result_of_which_nothing_was_kept_has_no_evidence(
    client: Any, owner: asyncpg.Connection, check: str
) -> None:
    await store(owner, check, minute(0))
    told = await client.data(RESULTS, id=check)
    assert told["results"]["nodes"] == [{"attempts": 1, "tlsVerified": None, "evidence": None}]
