"""Questions to the API server of the cluster that the worker runs in."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import orjson

from probes.failures import ProbeFailure, TargetBlockedError
from probes.kinds.kubernetes.findings import Json
from probes.trace import Phase, Trace
from tocsin.domain.observations import Outcome, Reason

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
# Compressing costs both sides more than the bytes do within a cluster.
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
# A cluster has one API server for everybody.
_MOST_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered; an object where the status says so, else a `Status` or nothing."""

    status_code: int
    content: Json


def _open_client() -> httpx.AsyncClient:
    # kopf costs 16 MiB and 0.6 CPU-seconds, which a worker without such checks need not pay.
    from tocsin.kubernetes import NoClusterError, find_cluster, open_client  # noqa: PLC0415

    try:
        return open_client(find_cluster())
    except NoClusterError as exc:
        raise TargetBlockedError(
            f"this worker has no access to a cluster; grant it with the chart's value kubernetesChecks.enabled ({exc})"
        ) from exc


class ApiServer:
    """Asked with the worker's own rights, over connections that stay open. The first question opens the client."""

    def __init__(self, open_client: Callable[[], httpx.AsyncClient] = _open_client) -> None:
        self._open_client = open_client
        self._opening: asyncio.Task[httpx.AsyncClient] | None = None
        self._turns = asyncio.Semaphore(_MOST_AT_A_TIME)

    async def get(self, path: str, parameters: Mapping[str, str], trace: Trace) -> Answer:
        """Ask once. Raises ProbeFailure when there is no answer, which is never the target's fault."""
        trace.timeout_outcome = Outcome.UNKNOWN
        trace.enter(Phase.PROCESSING)
        client = await self._client()
        async with self._turns:
            try:
                return await _ask(client, path, parameters, trace)
            except httpx.TransportError as exc:
                raise _unreachable(exc) from exc

    async def close(self) -> None:
        if self._opening is not None and self._opening.done() and not self._opening.exception():
            await self._opening.result().aclose()

    async def _client(self) -> httpx.AsyncClient:
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_client))
        # One probe that runs out of time takes it from no other.
        return await asyncio.shield(self._opening)


async def _ask(client: httpx.AsyncClient, path: str, parameters: Mapping[str, str], trace: Trace) -> Answer:
    async with client.stream("GET", path, params=parameters, headers=_HEADERS) as response:
        trace.status_code = response.status_code
        trace.enter(Phase.TRANSFER)
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MAX_ANSWER_BYTES:
                raise ProbeFailure(Reason.BODY_LIMIT, "the API server's answer is over 4 MiB", Outcome.UNKNOWN)
        return Answer(response.status_code, _parsed(bytes(content), response))


def _parsed(content: bytes, response: httpx.Response) -> Json:
    """The JSON of the answer. What an API server does not know at all, it says in plain text."""
    if response.is_error and not response.headers.get("Content-Type", "").startswith("application/json"):
        return {}
    try:
        parsed: Json = orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the API server's answer is no JSON", Outcome.UNKNOWN) from exc
    return parsed


def _unreachable(exc: httpx.TransportError) -> ProbeFailure:
    """The error itself may name hosts of the platform, and is left out."""
    if isinstance(exc, httpx.TimeoutException):
        return ProbeFailure(Reason.TIMEOUT, "the API server did not answer in time", Outcome.UNKNOWN)
    reason = Reason.CONNECT if isinstance(exc, httpx.ConnectError) else Reason.PROTOCOL
    return ProbeFailure(reason, f"the API server cannot be reached ({type(exc).__name__})", Outcome.UNKNOWN)
