"""The programs of the tests on Kubernetes: which there are, and kubectl and helm as a person runs them."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.kubernetes.binaries import find

SECONDS = 60


def installed(name: str) -> Path:
    """Where the program is. Without it, tests skip at home and fail in CI."""
    if path := find(name):
        return path
    reason = f"{name} is not there: make envtest"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class CommandError(Exception):
    """The program's exit code was not 0; the message is what it said on standard error."""


@dataclass(frozen=True)
class Client:
    """kubectl or helm, with a kubeconfig and a home of its own."""

    program: Path
    kubeconfig: Path
    home: Path

    def await_definition(self, *place: str | Path) -> None:
        """Wait until the API server serves a definition.

        First for its names: waiting for conditions fails where there are none yet, with large ones for a moment.
        """
        for wanted in ("jsonpath={.status.acceptedNames.kind}=HealthCheck", "condition=Established"):
            self("wait", f"--for={wanted}", "--timeout=30s", *place)

    def __call__(self, *arguments: str | Path, stdin: str = "") -> str:
        """Run it and return its standard output. Raises CommandError."""
        done = subprocess.run(
            [self.program, *arguments],
            env={"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "PATH": os.environ["PATH"]},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(done.stderr)
        return done.stdout

    def using(self, kubeconfig: Path) -> "Client":
        """The same program for somebody else, such as a service account."""
        return replace(self, kubeconfig=kubeconfig)
