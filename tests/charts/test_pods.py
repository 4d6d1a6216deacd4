"""What the chart's pods run, with which settings and rights, and how they are asked and stopped."""

import re
from typing import Any

import pytest

from graphql_api.main import DRAIN_SECONDS as API_DRAIN_SECONDS
from probes.worker import DRAIN_SECONDS as WORKER_DRAIN_SECONDS
from probes.worker import HAND_OVER_SECONDS
from receiver.app import STOP_SECONDS
from receiver.main import DRAIN_SECONDS as RECEIVER_DRAIN_SECONDS
from tests.charts.dockerfile import ROOT
from tests.charts.matrix import EVERYTHING
from tests.charts.rendering import Object, labels_of, rendered
from tocsin.cli import app
from tocsin.settings import read_bootstrap_token, read_settings

COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
KNOWN_SETTINGS = set(re.findall(r'"(TOCSIN_\w+)"', (ROOT / "tocsin" / "settings.py").read_text()))
# How long closing connections takes, beside what a role drains.
CLOSE_SECONDS = 6

every_choice = pytest.mark.parametrize("name", EVERYTHING)


@every_choice
def test_every_pod_passes_the_restricted_standard(name: str) -> None:
    for pod in rendered(name).pods:
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {sysctl["name"] for sysctl in security.get("sysctls", [])} <= {"net.ipv4.ping_group_range"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]


@every_choice
def test_every_container_passes_the_restricted_standard_and_cannot_write_its_root(name: str) -> None:
    for container in rendered(name).containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@every_choice
def test_every_container_has_a_place_for_temporary_files(name: str) -> None:
    for pod in rendered(name).pods:
        (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "tmp"]
        assert "emptyDir" in volume
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@every_choice
def test_every_container_says_what_it_needs(name: str) -> None:
    for container in rendered(name).containers:
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@every_choice
def test_every_command_is_one_of_ours(name: str) -> None:
    for container in rendered(name).our_containers:
        assert "command" not in container
        assert container["args"][0] in COMMANDS


@every_choice
def test_every_setting_is_known(name: str) -> None:
    for container in rendered(name).our_containers:
        assert {variable["name"] for variable in container["env"]} <= KNOWN_SETTINGS


@every_choice
def test_every_setting_is_good(name: str) -> None:
    for container in rendered(name).our_containers:
        environment = {variable["name"]: variable.get("value") or secret(variable) for variable in container["env"]}
        environment.pop("TOCSIN_EXTRA_CA_FILE", None)
        read_settings(environment)
        read_bootstrap_token(environment)


def secret(variable: Object) -> str:
    """Something that the variable may hold."""
    known = {
        "TOCSIN_DATABASE_URL": "postgresql://db/tocsin",
        "TOCSIN_REDIS_URL": "redis://redis",
        "TOCSIN_PROXY_URL": "http://me:word@proxy.test:3128",
        "TOCSIN_BOOTSTRAP_TOKEN": "a" * 40,
        "TOCSIN_ENCRYPTION_KEYS": "k1:" + "A" * 43 + "=",
        "TOCSIN_OPERATOR_NAMESPACE": "watch",
        "TOCSIN_MQTT_URL": "mqtts://user:password@broker/tocsin",
    }
    return known[variable["name"]]


@every_choice
def test_a_secret_reaches_a_pod_by_reference_alone(name: str) -> None:
    for container in rendered(name).our_containers:
        secrets = {variable["name"] for variable in container["env"] if "secretKeyRef" in variable.get("valueFrom", {})}
        expected = {"TOCSIN_DATABASE_URL", "TOCSIN_REDIS_URL"}
        role = container["name"]
        expected |= {"TOCSIN_BOOTSTRAP_TOKEN"} if role == "migrate" else set()
        expected |= {"TOCSIN_ENCRYPTION_KEYS"} if role in ("api", "worker", "operator") else set()
        expected |= {"TOCSIN_MQTT_URL"} if (role, name) == ("receiver", "an ingress") else set()
        expected |= {"TOCSIN_PROXY_URL"} if (role, name) == ("worker", "strict egress, and echoes") else set()
        assert secrets == expected


@every_choice
def test_what_a_pod_reads_is_there(name: str) -> None:
    release = rendered(name)
    made = {(o["kind"], o["metadata"]["name"]): set(o["data"]) for o in release.of("Secret", "ConfigMap")}
    own = {
        "servers": {"database-url", "redis-url"},
        "token": {"t.oken"},
        "keys": {"encryption-keys"},
        "broker": {"url"},
        "proxy": {"url"},
    }
    made |= {("Secret", secret): keys for secret, keys in own.items()}
    for container in release.containers:
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in made["Secret", reference["name"]]
    for pod in release.pods:
        for volume in pod["spec"]["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made


@every_choice
def test_what_is_mounted_is_a_volume(name: str) -> None:
    for workload in rendered(name).workloads:
        pod = workload["spec"]["template"]["spec"]
        claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
        volumes = {volume["name"] for volume in pod["volumes"]} | set(claims)
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == volumes


VARIABLES = {"http": "TOCSIN_PORT", "reports": "TOCSIN_RECEIVER_PORT", "metrics": "TOCSIN_METRICS_PORT"}


@every_choice
def test_a_role_listens_where_its_port_is(name: str) -> None:
    for container in rendered(name).our_containers:
        for port in container.get("ports", []):
            variable = VARIABLES[port["name"]]
            assert {"name": variable, "value": str(port["containerPort"])} in container["env"]


@every_choice
def test_a_probe_asks_a_port_that_there_is(name: str) -> None:
    for container in rendered(name).containers:
        ports = {port["name"] for port in container.get("ports", [])}
        asked = [
            question["port"]
            for probe, asking in container.items()
            if probe.endswith("Probe")
            for question in asking.values()
            if isinstance(question, dict) and "port" in question
        ]
        assert set(asked) <= ports


@every_choice
def test_every_role_migrates_first(name: str) -> None:
    ours = [pod["spec"] for pod in rendered(name).pods if "initContainers" in pod["spec"]]
    assert len(ours) == len([c for c in rendered(name).our_containers if c["name"] != "migrate"])
    assert all(pod["initContainers"][0]["args"][0] == "migrate" for pod in ours)


@pytest.mark.parametrize(
    ("component", "seconds"),
    [
        ("api", API_DRAIN_SECONDS + CLOSE_SECONDS),
        ("worker", WORKER_DRAIN_SECONDS + HAND_OVER_SECONDS + CLOSE_SECONDS),
        ("scheduler", CLOSE_SECONDS),
        ("receiver", RECEIVER_DRAIN_SECONDS + STOP_SECONDS + CLOSE_SECONDS),
    ],
)
def test_a_role_has_the_time_that_it_takes_to_stop(component: str, seconds: float) -> None:
    pod = rendered("own servers").workload(component)["spec"]["template"]["spec"]
    waits = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    assert pod["terminationGracePeriodSeconds"] > seconds + float(waits[1])


@every_choice
def test_a_rollout_takes_no_pod_away_before_its_twin_is_ready(name: str) -> None:
    for deployment in rendered(name).of("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_change_of_the_authorities_restarts_the_workers() -> None:
    workload = rendered("strict egress, and echoes").workload("worker")
    annotations = workload["spec"]["template"]["metadata"]["annotations"]
    assert set(annotations) == {"checksum/authorities", "example.com/a"}


def settings_of(name: str, component: str) -> dict[str, Any]:
    container = rendered(name).workload(component)["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("own servers", "true"), ("several organizations", "false"), ("strict egress, and echoes", "false")],
)
def test_who_shares_a_cluster_probes_public_addresses_alone(name: str, allowed: str) -> None:
    assert settings_of(name, "worker")["TOCSIN_ALLOW_PRIVATE_TARGETS"] == allowed


def worker_at(location: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Deployment of a location of two, and its settings."""
    deployments = rendered("two locations").of("Deployment")
    [made] = [each for each in deployments if each["metadata"]["name"].endswith(f"-worker-{location}")]
    [container] = made["spec"]["template"]["spec"]["containers"]
    return made, {variable["name"]: variable.get("value") for variable in container["env"]}


def test_each_location_has_workers_that_know_its_name_and_canaries() -> None:
    default, edge = worker_at("default")[1], worker_at("edge")[1]
    assert (default["TOCSIN_LOCATION"], edge["TOCSIN_LOCATION"]) == ("default", "edge")
    assert default["TOCSIN_CANARIES"] == "https://example.com,192.0.2.1:53"
    assert "TOCSIN_CANARIES" not in edge


def test_what_a_location_leaves_out_it_has_as_the_default_one_does() -> None:
    made, settings = worker_at("edge")
    pod = made["spec"]["template"]["spec"]
    assert settings["TOCSIN_WORKER_CONCURRENCY"] == "500"
    assert pod["nodeSelector"] == {"zone": "edge"}
    assert (
        pod["containers"][0]["resources"]
        == worker_at("default")[0]["spec"]["template"]["spec"]["containers"][0]["resources"]
    )
    assert "replicas" not in made["spec"]
    scaled = [each["metadata"]["name"] for each in rendered("two locations").of("HorizontalPodAutoscaler")]
    assert [name.rpartition("-")[2] for name in scaled] == ["edge"]


def test_workers_know_where_the_api_is_that_they_must_not_probe() -> None:
    release = rendered("an ingress")
    service = next(made for made in release.of("Service") if made["metadata"]["name"].endswith("-api"))
    settings = settings_of("an ingress", "worker")
    assert settings["TOCSIN_HOST"] == service["metadata"]["name"]
    assert settings["TOCSIN_PORT"] == str(service["spec"]["ports"][0]["port"])


def test_the_operator_is_told_what_the_values_say() -> None:
    settings = settings_of("several organizations", "operator")
    assert settings["TOCSIN_NAMESPACE_ORGANIZATIONS"] == "*=default,team-a=acme"
    assert (settings["TOCSIN_CLUSTER"], settings["TOCSIN_SECRET_NAMESPACES"]) == ("west", "team-a,team-b")


def test_echoes_take_one_safe_sysctl_and_no_capability() -> None:
    pod = rendered("strict egress, and echoes").workload("worker")["spec"]["template"]["spec"]
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ping_group_range", "value": "10001 10001"}]


def test_users_may_be_left_to_the_cluster() -> None:
    for pod in rendered("users of the cluster's choice").pods:
        assert not {"runAsUser", "runAsGroup"} & set(pod["spec"]["securityContext"])


@every_choice
def test_workloads_do_not_take_one_anothers_pods(name: str) -> None:
    release = rendered(name)
    for workload in release.workloads:
        selector = workload["spec"]["selector"]["matchLabels"].items()
        assert [other for other in release.workloads if selector <= labels_of(other).items()] == [workload]
