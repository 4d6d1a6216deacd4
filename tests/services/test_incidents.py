"""What people do about incidents."""

import asyncio

import asyncpg
import pytest

from tocsin.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tocsin.services import incidents

pytestmark = pytest.mark.usefixtures("api_orm")

ORGANIZATION = 1


@pytest.fixture
async def incident(owner: asyncpg.Connection, organization: int) -> int:
    key: int = await owner.fetchval(
        "INSERT INTO incidents (organization_id, check_id, opened_at, detected_at) VALUES ($1, 7, now(), now())"
        " RETURNING id",
        organization,
    )
    await owner.execute(
        "INSERT INTO incident_events (organization_id, incident_id, version, kind, at)"
        " VALUES ($1, $2, 1, 'OPENED', now())",
        organization,
        key,
    )
    return key


async def story(owner: asyncpg.Connection, incident: int) -> list[tuple[int, str, str | None, str | None]]:
    rows = await owner.fetch(
        "SELECT version, kind, message, actor FROM incident_events WHERE incident_id = $1 ORDER BY version", incident
    )
    return [tuple(row) for row in rows]


async def resolve(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE incidents SET resolved_at = now(), resolution = 'RECOVERED'")


async def test_acknowledging_is_told_once(owner: asyncpg.Connection, incident: int) -> None:
    for _ in range(2):
        await incidents.acknowledge(ORGANIZATION, incident, "ann")
    assert await story(owner, incident) == [(1, "OPENED", None, None), (2, "ACKNOWLEDGED", None, "ann")]
    assert await owner.fetchval("SELECT number FROM event_counters") == 1


async def test_only_one_of_many_acknowledges(owner: asyncpg.Connection, incident: int) -> None:
    await asyncio.gather(*(incidents.acknowledge(ORGANIZATION, incident, f"person {n}") for n in range(5)))
    assert len(await story(owner, incident)) == 2


async def test_a_resolved_incident_cannot_be_acknowledged(owner: asyncpg.Connection, incident: int) -> None:
    await resolve(owner)
    with pytest.raises(ConflictError):
        await incidents.acknowledge(ORGANIZATION, incident, "ann")


async def test_comments_at_the_same_time_are_all_kept(owner: asyncpg.Connection, incident: int) -> None:
    await asyncio.gather(*(incidents.comment(ORGANIZATION, incident, f"line {n}", "ann") for n in range(5)))
    versions = [version for version, *_ in await story(owner, incident)]
    assert versions == [1, 2, 3, 4, 5, 6]
    assert await owner.fetchval("SELECT number FROM event_counters") == 5


async def test_a_resolved_incident_can_be_commented(owner: asyncpg.Connection, incident: int) -> None:
    await resolve(owner)
    await incidents.comment(ORGANIZATION, incident, " it was DNS\n", "ann")
    assert (await story(owner, incident))[-1] == (2, "COMMENTED", "it was DNS", "ann")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2001, "a\0b", "\x1b[31m"])
async def test_a_comment_is_text(incident: int, text: str) -> None:
    with pytest.raises(InvalidInputError):
        await incidents.comment(ORGANIZATION, incident, text, "ann")


async def test_the_incident_of_another_organization_is_not_found(owner: asyncpg.Connection, incident: int) -> None:
    await owner.execute("INSERT INTO organizations (id, name) VALUES (2, 'two')")
    with pytest.raises(NotFoundError):
        await incidents.acknowledge(2, incident, "mallory")
