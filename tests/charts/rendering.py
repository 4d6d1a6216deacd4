"""The chart, as helm renders it."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.charts.dockerfile import ROOT
from tests.charts.matrix import EVERYTHING, Values
from tests.kubernetes.programs import installed

CHART = ROOT / "charts" / "tocsin"
RELEASE, NAMESPACE = "bell", "watch"
WORKLOADS = ("Deployment", "StatefulSet")
HELMS = ("helm", "helm-3")

Object = dict[str, Any]


class ChartError(Exception):
    """helm refused; the message is what it said."""


def run(program: Path, command: str, values: Values, *arguments: str) -> str:
    """Raises ChartError."""
    done = subprocess.run(
        [program, *command.split(), CHART, "--values", "-", *arguments],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ChartError(done.stderr)
    # A warning is no rendering of ours.
    assert command.startswith("lint") or not done.stderr, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Rendered:
    """What a release is made of."""

    objects: list[Object]

    def of(self, *kinds: str) -> list[Object]:
        return [made for made in self.objects if made["kind"] in kinds]

    @property
    def workloads(self) -> list[Object]:
        return self.of(*WORKLOADS)

    @property
    def pods(self) -> list[Object]:
        """The templates of all pods."""
        return [workload["spec"]["template"] for workload in self.workloads]

    @property
    def containers(self) -> Iterator[Object]:
        for pod in self.pods:
            yield from pod["spec"].get("initContainers", [])
            yield from pod["spec"]["containers"]

    @property
    def our_containers(self) -> list[Object]:
        """Those that run Tocsin, and not an image of somebody else's."""
        return [container for container in self.containers if "tocsin" in container["image"]]

    def workload(self, component: str) -> Object:
        (found,) = [made for made in self.workloads if labels_of(made)["app.kubernetes.io/component"] == component]
        return found


def labels_of(workload: Object) -> dict[str, str]:
    """The labels of a workload's pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def render(values: Values, helm: str = "helm") -> Rendered:
    """Raises ChartError."""
    text = run(installed(helm), f"template {RELEASE}", values, "--namespace", NAMESPACE)
    return Rendered([made for made in yaml.safe_load_all(text) if made])


@cache
def rendered(name: str, helm: str = "helm") -> Rendered:
    """With the values of this name. What tests read of it is not to be changed."""
    return render(EVERYTHING[name], helm)
