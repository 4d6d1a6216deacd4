"""Installs what is missing of the real servers that tests want: `make servers`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.programs import COMPANIONS, PACKAGES, find

PATIENTLY = ("-o", "Acquire::Retries=5")
POLICY = Path("/usr/sbin/policy-rc.d")


def missing_packages() -> list[str]:
    missing = [name for name in PACKAGES if find(name) is None]
    companions = [package for name in missing for package in COMPANIONS.get(name, ())]
    return sorted({*(PACKAGES[name] for name in missing), *companions})


def install(packages: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with no_services_started():
        subprocess.run(["apt-get", "update", "-qq", *PATIENTLY], env=environment, check=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PATIENTLY, *packages]
        subprocess.run(command, env=environment, check=True)


@contextmanager
def no_services_started() -> Iterator[None]:
    """Packages start their services otherwise. A policy that is there already is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def main() -> None:
    if packages := missing_packages():
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit(f"missing, and to be installed by an administrator (Debian's packages): {' '.join(packages)}")
        install(packages)
    for name in PACKAGES:
        sys.stdout.write(f"{name:30} {find(name)}\n")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as exc:
        sys.exit(f"{exc.cmd[0]} failed: see above")
