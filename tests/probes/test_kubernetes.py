"""What becomes of an API server that does not tell: nothing of it is the target's fault."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from probes.engine import Engine
from probes.kinds.kubernetes.api_server import MAX_ANSWER_BYTES, ApiServer
from probes.runner import probe
from tests.probes.serving import Serve, read_request
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.kubernetes import KubernetesTarget

WEB = {"workload": {"kind": "Deployment", "name": "web"}}
PODS = {"pods": {"selector": "app=web"}}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}

Told = tuple[Outcome, Reason | None, str | None]
ProbeAt = Callable[..., Awaitable[Observation]]


def told(observation: Observation) -> Told:
    return observation.outcome, observation.reason, observation.message


def answer(status: int, content: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} Something\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def page(count: int, following: str = "") -> bytes:
    pods = [{"metadata": {"name": f"web-{number}"}, "status": READY} for number in range(count)]
    return answer(200, orjson.dumps({"metadata": {"continue": following}, "items": pods}))


@pytest.fixture
async def probe_at(engine: Engine) -> AsyncIterator[ProbeAt]:
    """Probes a target in the namespace `shop` once, at an API server on this port."""
    servers: list[ApiServer] = []

    async def run(port: int, timeout_seconds: float = 5, **fields: Any) -> Observation:
        server = ApiServer(lambda: httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False))
        servers.append(server)
        asking = replace(engine, api_server=server)
        target = KubernetesTarget.model_validate({"namespace": "shop", **(fields or WEB)})
        return await probe(target, timedelta(seconds=timeout_seconds), asking)

    yield run
    for server in servers:
        await server.close()


@pytest.fixture
def serve_answers(serve: Serve) -> Callable[..., Awaitable[tuple[int, list[str]]]]:
    """Starts a server that gives these answers, one after the other; returns its port and what it was asked."""

    async def start(*answers: bytes) -> tuple[int, list[str]]:
        asked: list[str] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for each in answers:
                asked.append((await read_request(reader)).split(b" ")[1].decode())
                writer.write(each)
                await writer.drain()

        return await serve(talk), asked

    return start


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_an_error_of_the_api_server_says_nothing_about_the_target(
    serve_answers: Any, probe_at: ProbeAt, status: int
) -> None:
    port, _ = await serve_answers(answer(status, b"{}"))
    message = f"the API server answered {status} when asked for deployments in namespace shop"
    observation = await probe_at(port)
    assert told(observation) == (Outcome.UNKNOWN, Reason.STATUS, message)
    assert observation.status_code == status


async def test_a_worker_whom_the_api_server_does_not_know_is_told_where_to_look(
    serve_answers: Any, probe_at: ProbeAt
) -> None:
    port, _ = await serve_answers(answer(401, b"{}"))
    message = "the API server does not know this worker; look at its service account"
    assert told(await probe_at(port)) == (Outcome.UNKNOWN, Reason.STATUS, message)


async def test_an_api_server_that_is_away_says_nothing_about_the_target(probe_at: ProbeAt, unused_port: int) -> None:
    message = "the API server cannot be reached (ConnectError)"
    assert told(await probe_at(unused_port)) == (Outcome.UNKNOWN, Reason.CONNECT, message)


async def test_an_api_server_that_hangs_up_says_nothing_about_the_target(serve_answers: Any, probe_at: ProbeAt) -> None:
    port, _ = await serve_answers(b"")
    message = "the API server cannot be reached (RemoteProtocolError)"
    assert told(await probe_at(port)) == (Outcome.UNKNOWN, Reason.PROTOCOL, message)


async def test_an_api_server_that_is_silent_says_nothing_about_the_target(serve: Serve, probe_at: ProbeAt) -> None:
    async def stay(*_: object) -> None:
        await asyncio.Event().wait()

    message = "timed out after 0.1 s while waiting for the response"
    assert told(await probe_at(await serve(stay), 0.1)) == (Outcome.UNKNOWN, Reason.TIMEOUT, message)


async def test_an_answer_that_is_no_json_says_nothing_about_the_target(serve_answers: Any, probe_at: ProbeAt) -> None:
    port, _ = await serve_answers(answer(200, b"<html>"))
    assert told(await probe_at(port)) == (Outcome.UNKNOWN, Reason.PROTOCOL, "the API server's answer is no JSON")


async def test_an_endless_answer_is_not_read_to_its_end(serve: Serve, probe_at: ProbeAt) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent += 65_536

    message = "the API server's answer is over 4 MiB"
    assert told(await probe_at(await serve(flood))) == (Outcome.UNKNOWN, Reason.BODY_LIMIT, message)
    assert sent < 4 * MAX_ANSWER_BYTES


async def test_pods_are_asked_for_page_by_page(serve_answers: Any, probe_at: ProbeAt) -> None:
    port, asked = await serve_answers(page(2, "next"), page(1))
    observation = await probe_at(port, pods={"selector": "app=web,tier in (a)", "min_ready": 3})
    assert observation.outcome is Outcome.SUCCESS
    first = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb%2Ctier+in+%28a%29&limit=50"
    assert asked == [first, f"{first}&continue=next"]


async def test_a_selector_of_too_many_pods_decides_nothing(serve_answers: Any, probe_at: ProbeAt) -> None:
    port, asked = await serve_answers(*[page(50, "next")] * 21)
    message = "more than 1000 Pods match app=web; select fewer"
    assert told(await probe_at(port, **PODS)) == (Outcome.UNKNOWN, Reason.BODY_LIMIT, message)
    assert len(asked) == 20


async def test_probes_share_a_connection(serve: Serve, probe_at: ProbeAt, engine: Engine) -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(page(1))

    port = await serve(talk)
    server = ApiServer(lambda: httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False))
    asking = replace(engine, api_server=server)
    target = KubernetesTarget.model_validate({"namespace": "shop", **PODS})
    outcomes = [(await probe(target, timedelta(seconds=5), asking)).outcome for _ in range(3)]
    await server.close()
    assert (outcomes, connections) == ([Outcome.SUCCESS] * 3, 1)


async def test_a_probe_that_cannot_wait_for_the_client_takes_it_from_no_other(
    serve_answers: Any, engine: Engine
) -> None:
    port, _ = await serve_answers(page(1))
    may_open = threading.Event()

    def open_slowly() -> httpx.AsyncClient:
        may_open.wait()
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    asking = replace(engine, api_server=ApiServer(open_slowly))
    target = KubernetesTarget.model_validate({"namespace": "shop", **PODS})
    hurried = await probe(target, timedelta(milliseconds=20), asking)
    may_open.set()
    patient = await probe(target, timedelta(seconds=5), asking)
    await asking.api_server.close()
    assert (hurried.reason, patient.outcome) == (Reason.TIMEOUT, Outcome.SUCCESS)


async def test_a_worker_outside_of_a_cluster_says_what_grants_access(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    target = KubernetesTarget.model_validate({"namespace": "shop", **WEB})
    for _ in range(2):
        observation = await probe(target, timedelta(seconds=5), engine)
        assert told(observation) == (
            Outcome.UNKNOWN,
            Reason.TARGET_BLOCKED,
            (
                "this worker has no access to a cluster; grant it with the chart's value kubernetesChecks.enabled"
                " (no Kubernetes cluster is known here; run in a pod with a service account, or set KUBECONFIG)"
            ),
        )
    await engine.api_server.close()
