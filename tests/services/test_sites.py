"""Races between changes of sites."""

import asyncio

import asyncpg
import pytest

from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import ConflictError, NotFoundError
from tocsin.services import accounts, checks, sites

pytestmark = pytest.mark.usefixtures("api_orm")


@pytest.fixture
async def organization(owner: asyncpg.Connection) -> int:
    return await accounts.ensure_organization(owner, "one")


@pytest.fixture
async def other_organization(owner: asyncpg.Connection, organization: int) -> int:
    return organization and await accounts.ensure_organization(owner, "two")


async def test_one_of_two_sites_gets_the_name(organization: int) -> None:
    attempts = (sites.create_site(organization, {"name": "shop"}) for _ in range(2))
    made = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["ConflictError", "int"]


async def test_equal_requests_at_the_same_time_make_one_site(organization: int) -> None:
    attempts = (sites.create_site(organization, {"name": "shop"}, key="k") for _ in range(6))
    assert len(set(await asyncio.gather(*attempts))) == 1


async def test_equal_keys_of_two_organizations_are_two(organization: int, other_organization: int) -> None:
    first = await sites.create_site(organization, {"name": "shop"}, key="k")
    assert await sites.create_site(other_organization, {"name": "shop"}, key="k") != first


async def test_a_site_is_deleted_or_gets_a_check_never_both(owner: asyncpg.Connection, organization: int) -> None:
    site = await sites.create_site(organization, {"name": "shop"})
    fields: DefinitionFields = {"name": "front", "target": ("tcp", {"host": "example.com", "port": 1})}
    await asyncio.gather(
        sites.delete_site(organization, site), checks.create_check(organization, site, fields), return_exceptions=True
    )
    orphans = "SELECT count(*) FROM checks c JOIN sites s ON s.id = c.site_id WHERE s.deleted_at IS NOT NULL"
    assert await owner.fetchval(orphans) == 0


async def test_the_site_of_another_organization_is_not_found(organization: int, other_organization: int) -> None:
    site = await sites.create_site(organization, {"name": "shop"})
    with pytest.raises(NotFoundError):
        await sites.delete_site(other_organization, site)


async def test_a_conflict_names_the_field(organization: int) -> None:
    await sites.create_site(organization, {"name": "shop"})
    with pytest.raises(ConflictError) as refusal:
        await sites.create_site(organization, {"name": "shop"})
    assert refusal.value.field == "name"
