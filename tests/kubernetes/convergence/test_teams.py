"""Two teams in one cluster: the administrator's map decides whose a namespace is, and nobody sees into the other's."""

from collections.abc import Iterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import asyncpg
import pytest
import yaml

from tests.engine.harness import EngineProcess
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import Cluster, healthcheck
from tests.kubernetes.programs import CommandError
from tocsin.services.accounts import ensure_organization

HTTP = {"url": "https://example.com/"}


@pytest.fixture
def other(cluster: Servers, watched: Cluster) -> Iterator[Cluster]:
    """The namespace of the second team."""
    name = f"test-{token_hex(4)}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield replace(watched, namespace=name)
    cluster.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def operate(cluster: Servers, watched: Cluster, other: Cluster, **organizations: str) -> EngineProcess:
    """An operator of both namespaces, which belong to these organizations."""
    pairs = ((watched.namespace, organizations.get("first")), (other.namespace, organizations.get("second")))
    return watched.operator(
        KUBECONFIG=str(cluster.kubeconfig),
        TOCSIN_WATCH_NAMESPACES=f"{watched.namespace},{other.namespace}",
        TOCSIN_NAMESPACE_ORGANIZATIONS=",".join(f"{namespace}={name}" for namespace, name in pairs if name),
    )


async def organization_of(owner: asyncpg.Connection, cluster: Cluster) -> str | None:
    query = """
        SELECT o.name FROM kubernetes_objects k JOIN organizations o ON o.id = k.organization_id
        JOIN checks c ON c.id = k.check_id AND c.deleted_at IS NULL AND c.organization_id = o.id
        WHERE k.namespace = $1
    """
    name: str | None = await owner.fetchval(query, cluster.namespace)
    return name


@pytest.fixture
async def two(watched: Cluster) -> Any:
    """A second organization, `two`; the first is `one`."""
    async with watched.platform.connection() as connection:
        await ensure_organization(connection, "two")
        yield connection


async def test_the_namespace_decides_the_organization(
    cluster: Servers, watched: Cluster, other: Cluster, two: asyncpg.Connection
) -> None:
    operate(cluster, watched, other, first="one", second="two")
    watched.apply("web", http=HTTP)
    other.apply("web", http=HTTP)
    watched.wait("web", "Ready")
    other.wait("web", "Ready")
    assert await organization_of(two, watched) == "one"
    assert await organization_of(two, other) == "two"


async def test_no_label_or_annotation_moves_an_object_into_another_organization(
    cluster: Servers, watched: Cluster, other: Cluster, two: asyncpg.Connection
) -> None:
    operate(cluster, watched, other, first="one", second="two")
    pretending = healthcheck("web", http=HTTP, labels={"organization": "one"})
    pretending["metadata"] |= {"labels": {"organization": "one"}, "annotations": {"tocsin.dev/organization": "one"}}
    other.run("apply", "-f", "-", stdin=yaml.safe_dump(pretending))
    other.wait("web", "Ready")
    assert await organization_of(two, other) == "two"


async def test_a_namespace_that_belongs_to_nobody_is_told_so(
    cluster: Servers, watched: Cluster, other: Cluster
) -> None:
    operate(cluster, watched, other, first="one")
    other.apply("web", http=HTTP)
    found = other.wait_reason("web", "Ready", "NamespaceNotMapped")
    assert "operator.namespaceOrganizations" in found["message"]


async def test_an_organization_that_is_not_there_is_told(cluster: Servers, watched: Cluster, other: Cluster) -> None:
    operate(cluster, watched, other, second="nobody")
    other.apply("web", http=HTTP)
    other.wait_reason("web", "Ready", "OrganizationNotFound")


async def test_a_namespace_that_moves_takes_its_checks_along(
    cluster: Servers, watched: Cluster, other: Cluster, two: asyncpg.Connection
) -> None:
    first = operate(cluster, watched, other, first="one", second="one")
    other.apply("web", http=HTTP)
    other.wait("web", "Ready")
    first.terminate()
    first.wait()
    operate(cluster, watched, other, first="one", second="two")
    other.apply("web", http=HTTP, description="seen again")
    other.wait("web", "Ready")
    assert await organization_of(two, other) == "two"


@pytest.mark.parametrize(
    "reference",
    [
        {"name": "api", "key": "token", "namespace": "team-a"},
        {"name": "team-a/api", "key": "token"},
        {"name": "../../team-a/secrets/api", "key": "token"},
        {"name": "api", "key": "../token"},
        {"name": "..", "key": "token"},
    ],
)
def test_no_reference_leads_into_another_namespace(watched: Cluster, reference: dict[str, str]) -> None:
    headers = [{"name": "Authorization", "valueFrom": {"secretKeyRef": reference}}]
    with pytest.raises(CommandError, match="secretKeyRef"):
        watched.apply("web", http={**HTTP, "headers": headers})


@pytest.mark.parametrize("field", ["serviceRef", "ingressRef", "httpRouteRef"])
def test_no_object_of_another_namespace_is_a_target(watched: Cluster, field: str) -> None:
    with pytest.raises(CommandError, match=field):
        watched.apply("web", http={field: {"name": "../../team-a/services/web"}})
    with pytest.raises(CommandError, match=r"namespace"):
        watched.apply("web", http={field: {"name": "web", "namespace": "team-a"}})
