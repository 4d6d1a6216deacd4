"""Where the programs of the tests on Kubernetes are: the servers, kubectl and helm."""

import hashlib
import os
import re
import sys
from pathlib import Path

MODULE = Path(__file__).parent / "envtest" / "go.mod"
# Each program, and the package that it is built from. `helm-3` is the oldest helm that the chart supports.
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "helm-3": "helm.sh/helm/v3/cmd/helm",
}


def find(name: str) -> Path | None:
    """The program in `KUBEBUILDER_ASSETS`, or the one that `make envtest` keeps."""
    for folder in (assets(), cache()):
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def assets() -> Path:
    return Path(os.environ.get("KUBEBUILDER_ASSETS") or cache())


def cache() -> Path:
    """A folder of its own for each state of MODULE, so that another version is never taken for the right one."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(MODULE.read_bytes()).hexdigest()[:8]
    return home / "tocsin" / "envtest" / f"{version('k8s.io/kubernetes')}-{digest}"


def version(module: str) -> str:
    """The version that MODULE requires, such as `1.36.3`."""
    required = re.search(rf"^\t{re.escape(module)} v(\S+)", MODULE.read_text(), re.MULTILINE)
    assert required, f"{MODULE} does not require {module}"
    return required[1]


if __name__ == "__main__":
    sys.stdout.write(f"{assets()}\n")
