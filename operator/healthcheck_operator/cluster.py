"""What the operator asks of the API server, beside the watch: a few calls on a few paths."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import kopf
import orjson

from tocsin.kubernetes import Credentials, NoClusterError

PAGE_SIZE: Final = 500
_CONNECTIONS: Final = 20
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
FIELD_MANAGER: Final = "tocsin-operator"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LONGEST_MESSAGE: Final = 500
_LONGEST_RETRY_AFTER_SECONDS: Final = 30


class ClusterError(Exception):
    """The API server did not do what was asked; the message is its own, bounded."""

    def __init__(self, status_code: int, message: str, retry_after_seconds: float = 0) -> None:
        super().__init__(message[:_LONGEST_MESSAGE])
        self.status_code = status_code
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_passing(self) -> bool:
        """Whether the same call may do later: the API server is overloaded or broken."""
        return self.status_code == HTTPStatus.TOO_MANY_REQUESTS or self.status_code >= 500


class MissingObjectError(ClusterError):
    """There is no such object, or no such kind of object."""


class ForbiddenCallError(ClusterError):
    """The operator's service account may not do this."""


class ConflictingObjectError(ClusterError):
    """Somebody else was faster."""


class UnansweredError(ClusterError):
    """Nobody answered, or not to the end: the call may have been done."""

    def __init__(self, exc: Exception) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, f"the API server does not answer ({type(exc).__name__})")


_ERRORS: Final[Mapping[int, type[ClusterError]]] = {
    401: ForbiddenCallError,
    403: ForbiddenCallError,
    404: MissingObjectError,
    409: ConflictingObjectError,
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Calls on paths such as `/api/v1/namespaces/default/services/web`.

    Each raises ClusterError. By aiohttp, which the watch uses too: a call costs a third of what it does by httpx.
    """

    session: aiohttp.ClientSession
    credentials: Credentials

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return await self._call("GET", path)

    async def create(self, path: str, content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return await self._call("POST", path, content)

    async def replace(self, path: str, content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return await self._call("PUT", path, content)

    async def apply(self, path: str, content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Apply what this operator says of an object, and leave what others say of it; returns the object."""
        return await self._call(
            "PATCH",
            path,
            content,
            {"fieldManager": FIELD_MANAGER, "force": "true"},
            {"Content-Type": "application/apply-patch+yaml"},
        )

    async def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """A JSON patch: all of its operations, or none."""
        await self._call("PATCH", path, operations, headers={"Content-Type": "application/json-patch+json"})

    async def list_metadata(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """The metadata of every object of a collection, all of one moment."""
        parameters = {"limit": str(PAGE_SIZE)}
        while True:
            page = await self._call("GET", path, parameters=parameters, headers={"Accept": _METADATA_ONLY})
            # An empty list of metadata is null there.
            for item in page["items"] or ():
                yield item["metadata"]
            if not (token := page["metadata"].get("continue")):
                return
            parameters["continue"] = token

    async def _call(
        self,
        method: str,
        path: str,
        content: object = None,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        body = None if content is None else orjson.dumps(content)
        kind = {} if content is None else {"Content-Type": "application/json"}
        sent = {**kind, **(headers or {}), **self.credentials.headers()}
        try:
            async with self.session.request(method, path, data=body, params=parameters, headers=sent) as response:
                return _answer(response, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise UnansweredError(exc) from exc


@asynccontextmanager
async def open_cluster(info: kopf.ConnectionInfo) -> AsyncIterator[Cluster]:
    """Raises NoClusterError for credentials that name no server."""
    if info.server is None:
        raise NoClusterError
    connector = aiohttp.TCPConnector(ssl=info.as_ssl_context(), limit=_CONNECTIONS)
    async with aiohttp.ClientSession(info.server, connector=connector, timeout=_TIMEOUT) as session:
        yield Cluster(session, Credentials(info))


def _answer(response: aiohttp.ClientResponse, content: bytes) -> Any:  # noqa: ANN401 - JSON
    if not response.ok:
        error = _ERRORS.get(response.status, ClusterError)
        raise error(response.status, _message(response.status, content), _retry_after_seconds(response))
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise ClusterError(response.status, "something before the API server answered, without JSON") from exc


def _message(status_code: int, content: bytes) -> str:
    """What the API server says; an error page of something before it is not repeated."""
    try:
        return str(orjson.loads(content)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"the API server answered {status_code}"


def _retry_after_seconds(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(min(int(text), _LONGEST_RETRY_AFTER_SECONDS)) if text.isdecimal() else 0.0
