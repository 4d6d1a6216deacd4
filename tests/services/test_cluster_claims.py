"""Names of clusters that share a database."""

from uuid import uuid4

import pytest

from tocsin.database import Connection
from tocsin.domain.errors import NotFoundError
from tocsin.services.cluster_claims import claim_cluster, forget_cluster

pytestmark = pytest.mark.usefixtures("operator_orm")


async def test_a_name_belongs_to_the_first_cluster_that_claims_it(owner: Connection) -> None:
    first, second = uuid4(), uuid4()
    assert await claim_cluster("default", first)
    assert await claim_cluster("default", first)
    assert not await claim_cluster("default", second)


async def test_a_forgotten_name_can_be_claimed_by_another_cluster(owner: Connection) -> None:
    await claim_cluster("default", uuid4())
    await forget_cluster(owner, "default")
    assert await claim_cluster("default", uuid4())
    with pytest.raises(NotFoundError):
        await forget_cluster(owner, "nobody")
