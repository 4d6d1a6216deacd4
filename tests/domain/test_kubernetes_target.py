"""Targets in the cluster: what is taken, and what is refused with the name of the field and the remedy."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.domain.targets import parse_target
from tocsin.domain.targets.kubernetes import ConditionStatus, KubernetesTarget

DEPLOYMENT = {"kind": "Deployment", "name": "web"}
CERTIFICATE = {"group": "cert-manager.io", "version": "v1", "resource": "certificates", "name": "web"}


def target(**fields: object) -> KubernetesTarget:
    parsed = parse_target("kubernetes", {"namespace": "shop", **fields})
    assert isinstance(parsed, KubernetesTarget)
    return parsed


def problems(**fields: object) -> dict[str, str]:
    """The message of each wrong field, by its path."""
    with pytest.raises(ValidationError) as caught:
        target(**fields)
    return {
        ".".join(map(str, error["loc"])): error["msg"].removeprefix("Value error, ") for error in caught.value.errors()
    }


def certificate(**changes: object) -> Mapping[str, Any]:
    return {**CERTIFICATE, **changes}


def test_a_target_is_one_workload_or_pods_or_a_resource() -> None:
    message = {"": "must have exactly one of workload, pods, resource"}
    assert problems() == message
    assert problems(workload=DEPLOYMENT, pods={"selector": "app=web"}) == message
    assert target(workload=DEPLOYMENT).workload is not None


def test_a_target_needs_the_namespace_that_the_operator_sets() -> None:
    with pytest.raises(ValidationError, match="namespace"):
        parse_target("kubernetes", {"workload": DEPLOYMENT})


def test_one_ready_pod_is_enough_unless_more_are_asked_for() -> None:
    pods = target(pods={"selector": "app=web"}).pods
    assert pods is not None
    assert pods.min_ready == 1


def test_a_resource_must_be_ready_unless_another_condition_is_asked_for() -> None:
    resource = target(resource=CERTIFICATE).resource
    assert resource is not None
    assert (resource.condition, resource.status) == ("Ready", ConditionStatus.TRUE)


def test_a_resource_without_a_group_is_of_the_core_group() -> None:
    resource = target(resource={"version": "v1", "resource": "nodes", "name": "n"}).resource
    assert resource is not None
    assert resource.group == ""


def test_a_cron_job_may_say_how_old_its_last_success_may_be() -> None:
    within = {"last_success_within_seconds": 93_600}
    assert target(workload={"kind": "CronJob", "name": "backup", **within}).workload is not None
    wrong = problems(workload={**DEPLOYMENT, **within})
    assert wrong == {"workload.last_success_within_seconds": "is for a CronJob alone; leave it out"}


def test_secrets_are_no_target() -> None:
    wrong = problems(resource=certificate(resource="secrets", group=""))
    assert wrong == {"resource.resource": "cannot be secrets, which no check reads; choose another kind"}


@pytest.mark.parametrize(
    "name", ["", "..", ".", "a/b", "../secrets/token", "a%2fb", "a?b", "a#b", "a b", "Web", "web\n", "a..b", "-a", "ä"]
)
@pytest.mark.parametrize("field", ["name", "version", "resource", "group", "condition"])
def test_nothing_leads_out_of_the_path_of_the_object(field: str, name: str) -> None:
    if (field, name) not in {("group", ""), ("condition", "Web"), ("condition", "a..b"), ("condition", "a/b")}:
        assert list(problems(resource=certificate(**{field: name}))) == [f"resource.{field}"]


@pytest.mark.parametrize("namespace", ["", "a/b", "..", "kube system", "a.b/../c"])
def test_nothing_leads_out_of_the_namespace(namespace: str) -> None:
    assert list(problems(namespace=namespace, workload=DEPLOYMENT)) == ["namespace"]


@pytest.mark.parametrize(
    "selector",
    [
        "app=web",
        "app==web",
        "app = web , tier!=back",
        "app.kubernetes.io/name=web",
        "tier in (front, edge),app",
        "tier notin (a)",
        "!legacy",
        "app=",
        "tier in ()",
    ],
)
def test_a_selector_is_written_as_for_kubectl(selector: str) -> None:
    assert target(pods={"selector": selector}).pods is not None


@pytest.mark.parametrize(
    "selector",
    ["", " ", ",", "app=web,", "a=b=c", "app=web&limit=1", "app=web\n", "in (a)", "a in b", f"{'a' * 64}=b", "a=-"],
)
def test_what_is_no_selector_is_refused(selector: str) -> None:
    assert list(problems(pods={"selector": selector})) == ["pods.selector"]


def test_a_refused_name_says_what_a_name_is() -> None:
    wrong = problems(workload={"kind": "Deployment", "name": "Web"})
    message = "must be an object's name: lower-case letters, digits, - and ., as in web or web-0.example"
    assert wrong == {"workload.name": message}
