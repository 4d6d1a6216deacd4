"""The API server of the cluster: who we are there, and an HTTP client that speaks with it."""

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import httpx
import kopf

_TIMEOUT: Final = httpx.Timeout(30, connect=10)
_TOKEN_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
# The kubelet writes a new token long before the old one expires.
_TOKEN_READ_SECONDS: Final = 60.0


class NoClusterError(Exception):
    """There is no cluster to speak with; the message says what to set."""

    def __init__(self) -> None:
        super().__init__("no Kubernetes cluster is known here; run in a pod with a service account, or set KUBECONFIG")


def find_cluster() -> kopf.ConnectionInfo:
    """The cluster that KUBECONFIG names, or the one that this pod runs in. Raises NoClusterError."""
    settings = kopf.OperatorSettings()
    login = kopf.login_with_kubeconfig if os.environ.get("KUBECONFIG") else kopf.login_with_service_account
    if (info := login(settings=settings)) is None:
        raise NoClusterError
    return info


def open_client(info: kopf.ConnectionInfo) -> httpx.AsyncClient:
    """A client whose paths start at the API server's root, as in `/api/v1/namespaces`. Close it after use."""
    if info.server is None:
        raise NoClusterError
    return httpx.AsyncClient(
        base_url=info.server,
        verify=info.as_ssl_context(),
        auth=_credentials(info),
        timeout=_TIMEOUT,
        trust_env=False,
    )


def _credentials(info: kopf.ConnectionInfo) -> httpx.Auth:
    if info.token and not os.environ.get("KUBECONFIG"):
        return _MountedToken(_TOKEN_FILE)
    return _FixedHeaders(info.as_http_headers())


class _FixedHeaders(httpx.Auth):
    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._headers)
        yield request


class _MountedToken(httpx.Auth):
    """The service account's token, read again now and then, since it is replaced before it expires."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._token = ""
        self._read_at = float("-inf")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if time.monotonic() - self._read_at > _TOKEN_READ_SECONDS:
            self._token, self._read_at = self._file.read_text().strip(), time.monotonic()
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
