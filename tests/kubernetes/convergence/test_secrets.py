"""Secrets by reference: resolved, rotated, and never shown."""

import pytest
import yaml

from tests.engine.harness import Platform
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.convergence.operators import RULES, Cluster, wait_until
from tests.kubernetes.convergence.targets import Target

TOKEN = "swordfish-of-the-deep"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api"}, "stringData": {"token": TOKEN}}
HEADERS = [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}]


def put_secret(cluster: Cluster, value: str) -> None:
    cluster.run("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump({**SECRET, "stringData": {"token": value}}))


@pytest.fixture
def granted(watched: Cluster) -> Cluster:
    """An operator that may read the Secrets of its namespace."""
    watched.operator(TOCSIN_SECRET_NAMESPACES=watched.namespace)
    return watched


def apply_with_secret(cluster: Cluster, target: Target) -> None:
    cluster.apply("web", interval="1s", http={"url": target.url, "headers": HEADERS})


def test_a_secret_that_appears_later_is_sent_to_the_target(
    granted: Cluster, engine: Platform, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_with_secret(granted, target)
    granted.wait_reason("web", "SecretsResolved", "NotFound")
    assert granted.condition("web", "Ready")["status"] == "False"
    put_secret(granted, TOKEN)
    # What is missing is looked for about once a minute; a change of the object asks at once.
    granted.run("patch", "thc", "web", "--type=merge", "-p", '{"spec": {"description": "again"}}')
    granted.wait("web", "Ready")
    granted.wait("web", "Healthy")
    assert TOKEN in target.authorizations


def test_the_value_is_nowhere_to_be_read(granted: Cluster, engine: Platform, target: Target) -> None:
    put_secret(granted, TOKEN)
    apply_with_secret(granted, target)
    target.status = 500
    granted.wait("web", "Healthy=False")
    told = granted.run("get", "thc,events", "-o", "yaml") + "".join(process.said for process in engine.processes)
    assert "web" in told
    assert TOKEN not in told


async def test_the_database_holds_the_value_sealed(granted: Cluster, target: Target) -> None:
    put_secret(granted, TOKEN)
    apply_with_secret(granted, target)
    granted.wait("web", "Ready")
    sealed: bytes = await granted.platform.ask("SELECT sealed FROM check_secrets")
    assert TOKEN.encode() not in sealed
    assert TOKEN not in await granted.platform.ask("SELECT target::text FROM checks")


@pytest.mark.soak
def test_a_rotated_secret_is_used_within_a_minute_and_a_half(
    granted: Cluster, engine: Platform, target: Target
) -> None:
    put_secret(granted, TOKEN)
    apply_with_secret(granted, target)
    granted.wait("web", "Healthy")
    put_secret(granted, "rotated")
    wait_until(lambda: target.authorizations[-1], lambda value: value == "rotated", seconds=90)


def test_a_namespace_that_is_not_listed_is_told_what_to_grant(watched: Cluster, target: Target) -> None:
    watched.operator()
    put_secret(watched, TOKEN)
    apply_with_secret(watched, target)
    found = watched.wait_reason("web", "SecretsResolved", "NotGranted")
    assert "operator.secretNamespaces" in found["message"]


def test_a_service_account_without_the_right_is_told_so(watched: Cluster, target: Target, account: MakeAccount) -> None:
    watched.kubeconfig = account(RULES)
    watched.operator(TOCSIN_SECRET_NAMESPACES=watched.namespace)
    put_secret(watched, TOKEN)
    apply_with_secret(watched, target)
    watched.wait_reason("web", "SecretsResolved", "NotGranted")


def test_a_key_that_is_missing_is_named(granted: Cluster, target: Target) -> None:
    put_secret(granted, TOKEN)
    headers = [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "api", "key": "other"}}}]
    granted.apply("web", http={"url": target.url, "headers": headers})
    found = granted.wait_reason("web", "SecretsResolved", "KeyNotFound")
    assert found["message"] == "Secret api has no key other"


def test_a_value_that_cannot_stand_in_its_field_is_refused_without_being_told(granted: Cluster, target: Target) -> None:
    put_secret(granted, "two\nlines")
    apply_with_secret(granted, target)
    found = granted.wait_reason("web", "SecretsResolved", "InvalidValue")
    assert "spec.http.headers[0].value" in found["message"]
    assert "lines" not in found["message"].replace("line breaks", "")


def test_without_encryption_keys_nothing_is_stored(watched: Cluster, target: Target) -> None:
    watched.operator(TOCSIN_SECRET_NAMESPACES=watched.namespace, TOCSIN_ENCRYPTION_KEYS="")
    put_secret(watched, TOKEN)
    apply_with_secret(watched, target)
    found = watched.wait_reason("web", "SecretsResolved", "NoEncryptionKey")
    assert "TOCSIN_ENCRYPTION_KEYS" in found["message"]
