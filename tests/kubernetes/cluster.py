"""A Kubernetes API of the tests' own: its servers, its administrator, and who else may use it."""

import json
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.kubernetes.servers import ADDRESS, ApiServer, Controllers, Etcd
from tocsin.demo.certificates import make_certificates
from tocsin.embedded.folders import Folders
from tocsin.embedded.lock import locked

TOKEN_SECONDS = 3600


class Cluster:
    """`api` and `kubeconfig` are the administrator's.

    The servers can be killed and started again, as long as the test leaves them running.
    """

    def __init__(self, folders: Folders) -> None:
        self.folder = folders.home
        self.token = secrets.token_hex()
        self.ca_file, self.certificate_file, tokens = self._write_credentials()
        self.tls = ssl.create_default_context(cafile=self.ca_file)
        etcd_port, port = free_ports(2)
        self.etcd = Etcd(folders, etcd_port)
        self.api_server = ApiServer(folders, port, self.etcd, self.certificate_file, tokens, self.tls)
        self.url = self.api_server.url
        self.kubeconfig = self.kubeconfig_with(self.token)
        self.api = httpx.Client(base_url=self.url, verify=self.tls, headers={"Authorization": f"Bearer {self.token}"})
        self.controllers = Controllers(folders, self.kubeconfig, self.api)

    def _write_credentials(self) -> tuple[Path, Path, Path]:
        certificates = make_certificates(ADDRESS)
        return (
            self._write("ca.pem", certificates.authority),
            self._write("server.pem", certificates.target_with_key),
            self._write("tokens.csv", f"{self.token},admin,admin,system:masters\n".encode()),
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def kubeconfig_with(self, token: str, url: str | None = None) -> Path:
        """The kubeconfig of whoever has this token; `url` leads through a proxy that has the server's certificate."""
        authority = b64encode(self.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "tests", "cluster": {"server": url or self.url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "tests", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        return self._write(f"{secrets.token_hex(4)}.kubeconfig", json.dumps(config).encode())

    def token_of(self, namespace: str, service_account: str) -> str:
        """A new token of the service account, as a pod is given one."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        token: str = self.create(path, {"spec": {"expirationSeconds": TOKEN_SECONDS}})["status"]["token"]
        return token

    def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """POST as the administrator. Raises httpx.HTTPStatusError."""
        created: dict[str, Any] = self.api.post(path, json=content).raise_for_status().json()
        return created


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Run etcd and kube-apiserver, and no controllers yet. Blocks for seconds, until the API is ready."""
    with ExitStack() as stack:
        cluster = Cluster(Folders(folder, folder, folder, stack.enter_context(locked(folder))))
        stack.callback(cluster.api.close)
        for server in (cluster.etcd, cluster.api_server, cluster.controllers):
            stack.callback(server.stop)
        cluster.etcd.start()
        cluster.api_server.start()
        yield cluster


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(count)]
        return [port for _, port in (bound.getsockname() for bound in sockets)]
