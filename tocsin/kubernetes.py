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
        auth=_Authentication(Credentials(info)),
        timeout=_TIMEOUT,
        trust_env=False,
    )


class Credentials:
    """Who we are, for the next request: a mounted token is replaced before it expires, so it is read now and then."""

    def __init__(self, info: kopf.ConnectionInfo, token_file: Path = _TOKEN_FILE) -> None:
        self._headers = info.as_http_headers()
        self._token_file = token_file if info.token and not os.environ.get("KUBECONFIG") else None
        self._read_at = float("-inf")

    def headers(self) -> dict[str, str]:
        if self._token_file and time.monotonic() - self._read_at > _TOKEN_READ_SECONDS:
            self._headers = {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
            self._read_at = time.monotonic()
        return self._headers


class _Authentication(httpx.Auth):
    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._credentials.headers())
        yield request
