"""Checks that HealthChecks own: shown with their owner, changed there alone."""

from typing import Any

import asyncpg
import pytest

MANAGED_BY = "query ($id: ID!) { check(id: $id) { managedBy { cluster namespace name } } }"
_OWN = """
INSERT INTO kubernetes_objects (check_id, organization_id, cluster, namespace, name, uid, generation, deletion_policy,
                                applied_hash)
SELECT id, organization_id, 'default', 'shop', 'front', gen_random_uuid(), 1, 'Delete', '' FROM checks
"""


@pytest.fixture
async def managed(client: Any, owner: asyncpg.Connection) -> str:
    check = str(await client.create_check(await client.create_site()))
    await owner.execute(_OWN)
    return check


async def test_a_check_names_the_object_that_owns_it(client: Any, managed: str) -> None:
    check = await client.data(MANAGED_BY, id=managed)
    assert check["managedBy"] == {"cluster": "default", "namespace": "shop", "name": "front"}


async def test_a_check_whose_object_is_gone_is_managed_by_nobody(
    client: Any, managed: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE kubernetes_objects SET retained_at = now()")
    assert (await client.data(MANAGED_BY, id=managed))["managedBy"] is None


@pytest.mark.parametrize("mutation", ["pauseCheck", "resumeCheck", "deleteCheck"])
async def test_a_managed_check_is_changed_where_it_is_managed(client: Any, managed: str, mutation: str) -> None:
    query = f"mutation ($id: ID!) {{ {mutation}(id: $id) {{ __typename ... on Conflict {{ message }} }} }}"
    refused = await client.data(query, id=managed)
    assert refused["__typename"] == "Conflict"
    assert refused["message"].startswith("This check belongs to HealthCheck shop/front of cluster default")


async def test_a_managed_check_cannot_be_edited(client: Any, managed: str) -> None:
    query = 'mutation ($id: ID!) { updateCheck(id: $id, input: {name: "x"}) { __typename } }'
    assert (await client.data(query, id=managed))["__typename"] == "Conflict"
