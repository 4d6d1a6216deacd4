"""What is different where a pod's containers run as processes of this machine, and nothing else is.

There is no kubelet here: images are not pulled, no cgroup, namespace or security context is made, and no Service leads
anywhere.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.charts.dockerfile import ROOT, expanded, read_dockerfile, stages
from tests.kubernetes.cluster import free_ports

ADDRESS = "127.0.0.1"


def image_environment() -> dict[str, str]:
    """What the image sets, but for PATH: the program is this environment's own."""
    settings: dict[str, str] = {}
    for instruction in stages(read_dockerfile((ROOT / "Dockerfile").read_text()))[-1]:
        if instruction.name == "ENV":
            settings |= {name: value for name, value in instruction.pairs.items() if name != "PATH"}
    return {name: expanded(value, {}) for name, value in settings.items()}


def entrypoint() -> Path:
    """The image's program."""
    return Path(sys.executable).with_name("tocsin")


@dataclass(frozen=True)
class Substitutions:
    """Of one pod: its ports are free ones of this machine, its mounts are folders, Services are this machine."""

    ports: Mapping[int, int]
    mounts: Mapping[str, Path]
    services: frozenset[str]

    def value(self, value: str) -> str:
        """The value of an environment variable."""
        if value.isdigit() and int(value) in self.ports:
            return str(self.ports[int(value)])
        if value in self.services:
            return ADDRESS
        for prefix, folder in self.mounts.items():
            if value == prefix or value.startswith(f"{prefix}/"):
                return f"{folder}{value.removeprefix(prefix)}"
        return value

    def url(self, port: int, path: str) -> str:
        """What a probe asks."""
        return f"http://{ADDRESS}:{self.ports[port]}{path}"


def free_ports_for(containers: list[dict[str, Any]]) -> dict[int, int]:
    wanted = [port["containerPort"] for container in containers for port in container.get("ports", [])]
    return dict(zip(wanted, free_ports(len(wanted)), strict=True))
