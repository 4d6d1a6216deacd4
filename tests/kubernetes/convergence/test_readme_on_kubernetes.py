"""The README's commands for Kubernetes, run as they stand; an operator stands in for the one that a node would run."""

import json
import os
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from tests.engine.harness import Platform
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import Cluster
from tests.kubernetes.programs import Client
from tests.test_readme import KUBERNETES, ROOT, block_with

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/healthchecks.tocsin.dev"


@pytest.fixture
def kubeconfig(cluster: Servers, namespace: str) -> Path:
    """The administrator's, with the test's namespace as its own."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = cluster.folder / f"{token_hex(4)}.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_the_commands_of_the_readme_bring_a_check(
    watched: Cluster, engine: Platform, helm: Client, kubeconfig: Path, cluster: Servers
) -> None:
    # The chart brings the definition, and refuses to take over one that is there already.
    cluster.api.delete(CRD).raise_for_status()
    watched.operator()
    path = os.pathsep.join((str(helm.program.parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block_with(KUBERNETES)],
        cwd=ROOT,
        env={"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(cluster.folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "https://example.com/health" in done.stdout
