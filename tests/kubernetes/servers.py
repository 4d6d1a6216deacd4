"""etcd, kube-apiserver and kube-controller-manager on loopback: the project's own way to run servers, for tests."""

import socket
import ssl
from pathlib import Path

import httpx

from tests.kubernetes.programs import installed
from tocsin.embedded.accounts import Account
from tocsin.embedded.folders import Folders
from tocsin.embedded.processes import Server

ADDRESS = "127.0.0.1"
# What cleans up; nothing that would need nodes.
CONTROLLERS = ("garbage-collector-controller", "namespace-controller", "serviceaccount-controller")


class KubernetesServer(Server):
    """Its data is thrown away, so it is stopped as a crash stops it, which takes no time."""

    stops = (("SIGKILL", 1.0),)

    def __init__(self, folders: Folders) -> None:
        super().__init__(folders, Account())

    def prepare(self) -> None:
        self.folders.log.mkdir(exist_ok=True)


class Etcd(KubernetesServer):
    name = "etcd"

    def __init__(self, folders: Folders, port: int) -> None:
        super().__init__(folders)
        self.port = port

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def command(self) -> list[str]:
        return [
            str(installed("etcd")),
            f"--data-dir={self.folders.home / 'etcd'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls=http://{ADDRESS}:0",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((ADDRESS, self.port)) == 0


class ApiServer(KubernetesServer):
    """With RBAC, and the admission plugins that the release has on, pod security among them.

    `certificate` is a file with the server's certificate and its key, which signs service accounts' tokens as well.
    """

    name = "kube-apiserver"

    def __init__(
        self, folders: Folders, port: int, etcd: Etcd, certificate: Path, tokens: Path, tls: ssl.SSLContext
    ) -> None:
        super().__init__(folders)
        self.port, self.etcd, self.certificate, self.tokens, self.tls = port, etcd, certificate, tokens, tls

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self.port}"

    def command(self) -> list[str]:
        return [
            str(installed("kube-apiserver")),
            f"--etcd-servers={self.etcd.url}",
            f"--bind-address={ADDRESS}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.certificate}",
            f"--tls-private-key-file={self.certificate}",
            f"--token-auth-file={self.tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.certificate}",
            f"--service-account-signing-key-file={self.certificate}",
            "--service-cluster-ip-range=10.0.0.0/16",
            # An address of loopback cannot be an endpoint of the Service `kubernetes`.
            "--endpoint-reconciler-type=none",
            # So that it is pod security that refuses privileged pods.
            "--allow-privileged=true",
            "--profiling=false",
        ]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", verify=self.tls).is_success
        except httpx.TransportError:
            return False


class Controllers(KubernetesServer):
    """Deletes what is in deleted namespaces and what lost its owner, and gives each namespace its service account."""

    name = "kube-controller-manager"

    def __init__(self, folders: Folders, kubeconfig: Path, api: httpx.Client) -> None:
        super().__init__(folders)
        self.kubeconfig, self.api = kubeconfig, api

    def command(self) -> list[str]:
        return [
            str(installed("kube-controller-manager")),
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def answers(self) -> bool:
        return self.api.get("/api/v1/namespaces/default/serviceaccounts/default").is_success
