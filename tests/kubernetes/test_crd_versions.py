"""A new version of the definition beside the old one, as docs/decisions/0009 describes the way from one to the next."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from healthcheck_operator.crd import custom_resource_definition
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.programs import Client, CommandError

GROUP = "versions.tocsin.example"
NAME = f"healthchecks.{GROUP}"
OLD, NEW = "v1alpha1", "v1beta1"


def definition(stored: str, listed: tuple[str, ...], served: tuple[str, ...]) -> str:
    """In a group of the test's own, in these versions, all with the same schema."""
    document = custom_resource_definition()
    [version] = document["spec"]["versions"]
    document["metadata"]["name"] = NAME
    document["spec"]["group"] = GROUP
    document["spec"]["versions"] = [
        {**deepcopy(version), "name": name, "storage": name == stored, "served": name in served} for name in listed
    ]
    return json.dumps(document)


def health_check(version: str) -> str:
    spec = {"interval": "30s", "http": {"url": "https://example.com/"}}
    return json.dumps(
        {"apiVersion": f"{GROUP}/{version}", "kind": "HealthCheck", "metadata": {"name": "front"}, "spec": spec}
    )


class Served:
    """A definition that changes, and the objects of one namespace."""

    def __init__(self, cluster: Cluster, kubectl: Client, namespace: str) -> None:
        self.cluster, self.kubectl, self.namespace = cluster, kubectl, namespace

    def define(
        self, *, stored: str, listed: tuple[str, ...] = (OLD, NEW), served: tuple[str, ...] = (OLD, NEW)
    ) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=definition(stored, listed, served))
        self.kubectl.await_definition(f"crd/{NAME}")

    def apply(self, version: str) -> None:
        self.kubectl("apply", "--server-side", "-n", self.namespace, "-f", "-", stdin=health_check(version))

    def read(self, version: str) -> Any:
        plural = f"healthchecks.{version}.{GROUP}"
        options = ("-n", self.namespace, "-o", "json", "--show-managed-fields")
        return json.loads(self.kubectl("get", *options, f"{plural}/front"))

    def rewrite(self) -> None:
        """Each object is stored anew, as it is, in the version that is stored now."""
        self.kubectl("replace", "-f", "-", stdin=json.dumps(self.read(NEW)))

    def rename_owners(self) -> None:
        """Who owns a field says so in the new version; the schemas are the same."""
        content = json.dumps(self.read(NEW)).replace(f"{GROUP}/{OLD}", f"{GROUP}/{NEW}")
        self.kubectl("replace", "-f", "-", stdin=content)

    def stored_versions(self) -> list[str]:
        status = json.loads(self.kubectl("get", f"crd/{NAME}", "-o", "json"))["status"]
        return list(status["storedVersions"])

    def forget_the_old_one(self) -> None:
        patch = json.dumps({"status": {"storedVersions": [NEW]}})
        self.kubectl("patch", f"crd/{NAME}", "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture
def served(cluster: Cluster, kubectl: Client, namespace: str) -> Iterator[Served]:
    served = Served(cluster, kubectl, namespace)
    served.define(stored=OLD, listed=(OLD,))
    served.apply(OLD)
    yield served
    kubectl("delete", "crd", NAME)


def test_both_versions_are_served_and_show_one_object(served: Served) -> None:
    served.define(stored=OLD)
    assert served.read(NEW)["apiVersion"] == f"{GROUP}/{NEW}"
    assert served.read(NEW)["spec"] == served.read(OLD)["spec"]


def test_what_is_applied_in_one_version_is_read_in_the_other(served: Served) -> None:
    served.define(stored=NEW)
    served.apply(NEW)
    assert served.read(OLD)["metadata"]["uid"] == served.read(NEW)["metadata"]["uid"]


def test_objects_stay_in_the_old_version_until_they_are_written(served: Served) -> None:
    before = served.read(OLD)["metadata"]["resourceVersion"]
    served.define(stored=NEW)
    assert served.stored_versions() == [OLD, NEW]
    assert served.read(NEW)["metadata"]["resourceVersion"] == before
    served.rewrite()
    assert served.read(NEW)["metadata"]["resourceVersion"] != before


def test_the_old_version_cannot_go_while_objects_may_be_stored_in_it(served: Served) -> None:
    served.define(stored=NEW)
    with pytest.raises(CommandError, match=r"v1alpha1 was previously a storage version, and must remain"):
        served.define(stored=NEW, listed=(NEW,))


def test_the_old_version_is_served_no_more_while_it_stays_listed(served: Served) -> None:
    served.define(stored=NEW, served=(NEW,))
    served.apply(NEW)
    with pytest.raises(CommandError, match=r"could not find the requested resource|have a resource type"):
        served.read(OLD)


def test_an_owner_of_the_old_version_stops_apply_once_it_is_gone(served: Served) -> None:
    served.define(stored=NEW)
    served.rewrite()
    served.forget_the_old_one()
    served.define(stored=NEW, listed=(NEW,))
    with pytest.raises(CommandError, match="convert CR to an invalid group/version"):
        served.apply(NEW)


def test_the_old_version_goes_once_objects_and_owners_are_rewritten(served: Served) -> None:
    uid = served.read(OLD)["metadata"]["uid"]
    served.define(stored=NEW)
    served.rename_owners()
    served.forget_the_old_one()
    served.define(stored=NEW, listed=(NEW,))
    served.apply(NEW)
    assert served.stored_versions() == [NEW]
    assert served.read(NEW)["metadata"]["uid"] == uid
