"""Puts what is missing of the tests' Kubernetes programs into the cache: `make envtest`.

Each is built under another name and renamed, so what is there under its own name is whole, and a build that was
interrupted goes on where it was.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kubernetes.binaries import MODULE, PACKAGES, assets, cache, find, version

# What setup-envtest has; it knows no controllers and no helm.
DOWNLOADABLE = ("etcd", "kube-apiserver", "kubectl")
# Two compilers at once: linking takes a gigabyte each.
COMPILERS = "2"
GO_ELSEWHERE = "/usr/local/go/bin/go"


def missing() -> list[str]:
    return [name for name in PACKAGES if find(name) is None]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(folder: Path) -> None:
    if (downloader := shutil.which("setup-envtest")) and set(DOWNLOADABLE) <= set(missing()):
        download(downloader, folder)
    for name in missing():
        build(name, folder)


def download(downloader: str, folder: Path) -> None:
    """Link to what setup-envtest keeps; what it cannot get is built."""
    release = version("k8s.io/kubernetes").rpartition(".")[0]
    command = [downloader, "use", f"{release}.x", "--print", "path"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        for name in DOWNLOADABLE:
            # The store that an older link leads to may be gone.
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(Path(done.stdout.strip()) / name)


def build(name: str, folder: Path) -> None:
    say(f"building {name} {version(module_of(name))} (minutes, once)")
    fresh = folder / f".{name}.new"
    command = [find_go(), "build", "-p", COMPILERS, "-ldflags", link_flags(), "-o", str(fresh), PACKAGES[name]]
    subprocess.run(command, cwd=MODULE.parent, env=os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}, check=True)
    fresh.rename(folder / name)


def module_of(name: str) -> str:
    return PACKAGES[name].partition("/cmd/")[0]


def find_go() -> str:
    """The Go compiler. Ends the program when there is none."""
    if found := shutil.which("go") or shutil.which(GO_ELSEWHERE):
        return found
    names = ", ".join(missing())
    sys.exit(f"Go 1.26 or later is needed to build {names}: install it, or set KUBEBUILDER_ASSETS to their folder")


def link_flags() -> str:
    """No symbols, and the versions that release builds carry: charts and clients ask for them."""
    kubernetes = version("k8s.io/kubernetes")
    major, minor, _ = kubernetes.split(".")
    stamps = {
        "k8s.io/component-base/version.gitVersion": f"v{kubernetes}",
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "helm.sh/helm/v4/internal/version.version": f"v{version('helm.sh/helm/v4')}",
        "helm.sh/helm/v3/internal/version.version": f"v{version('helm.sh/helm/v3')}",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": major,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": minor,
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": major,
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": minor,
    }
    return " ".join(["-s -w", *(f"-X {variable}={value}" for variable, value in stamps.items())])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    if missing():
        with locked(cache()):
            fill(cache())
    for name in PACKAGES:
        say(f"{name:24} {find(name)}")
    say(f"KUBEBUILDER_ASSETS={assets()}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as exc:
        sys.exit(f"{exc.cmd[0]} failed: see above")
    except KeyboardInterrupt:
        sys.exit("interrupted: what is built already stays")
