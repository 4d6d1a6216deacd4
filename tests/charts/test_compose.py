"""compose.yaml: the same roles and settings as the chart, for people without Kubernetes."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.charts.dockerfile import ROOT
from tocsin.cli import app
from tocsin.settings import read_settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("tocsin:")}
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


def test_it_runs_every_role_but_the_operator() -> None:
    assert set(OURS) == {"migrate", "api", "receiver", "scheduler", "worker"}


def test_the_image_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"tocsin:{version}"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    assert OURS[name]["command"][0] in COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_known_and_good(name: str) -> None:
    environment = {key: re.sub(r"\$\{(\w+).*?\}", written, value) for key, value in OURS[name]["environment"].items()}
    read = Reading(environment)
    read_settings(read)
    assert set(environment) <= read.asked


def written(variable: re.Match[str]) -> str:
    """Something that `.env` may hold."""
    return "k1:" + "A" * 43 + "=" if variable[1] == "TOCSIN_ENCRYPTION_KEYS" else "a" * 32


class Reading(dict[str, str]):
    """An environment that knows what it was asked for."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(environment)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("name", OURS)
def test_a_service_can_change_nothing_but_its_temporary_files(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_services_that_there_are(name: str) -> None:
    waits = SERVICES[name].get("depends_on", {})
    assert set(waits) <= set(SERVICES)
    conditions = {other: wait["condition"] for other, wait in waits.items()}
    assert all("healthcheck" in SERVICES[o] for o, condition in conditions.items() if condition == "service_healthy")


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)(.)", (ROOT / "compose.yaml").read_text())
    assert {kind for _, kind in used} == {":"}
    assert {name for name, _ in used} == {
        "TOCSIN_DATABASE_PASSWORD",
        "TOCSIN_BOOTSTRAP_TOKEN",
        "TOCSIN_ENCRYPTION_KEYS",
    }


def test_only_this_machine_reaches_it() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000", "127.0.0.1:8001:8001"]


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert all((ROOT / source).exists() for source in mounted if source.startswith("./"))
