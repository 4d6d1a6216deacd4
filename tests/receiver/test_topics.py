"""Reports by MQTT, through a real Mosquitto."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from receiver import topics
from tests.engine.harness import eventually
from tests.receiver.conftest import Reports, receiving
from tests.servers.credentials import PASSWORD, USER
from tests.servers.mosquitto import Mosquitto
from tests.servers.processes import ADDRESS
from tests.servers.programs import require_program
from tocsin.settings import Broker

Publish = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_RETRY_SECONDS", 0.2)


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Broker:
    # A topic of its own, for the session of a receiver outlives its test.
    return Broker(ADDRESS, mosquitto.ports["open"], topic=f"tocsin-{uuid4().hex}")


@pytest.fixture
def publish(broker: Broker) -> Publish:
    """Publish as Mosquitto's own client does."""
    place: list[str | Path] = [require_program("mosquitto_pub"), "-h", broker.host, "-p", str(broker.port), "-q", "1"]

    async def publish(topic: str, payload: str = "", *options: str) -> None:
        await run([*place, "-t", f"{broker.topic}/{topic}", "-m", payload, *options])

    return publish


async def run(command: list[str | Path]) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=10)


@pytest.fixture
async def following(
    database_url: str, broker: Broker, publish: Publish, key: UUID, reports: Reports
) -> AsyncIterator[None]:
    """A receiver that takes what is published from now on."""
    async with receiving(database_url, broker):
        await subscribed(publish, key, reports)
        yield


async def subscribed(publish: Publish, key: UUID, reports: Reports) -> None:
    """Report until one arrives: before the first subscription, a broker keeps nothing."""

    async def arrives() -> bool:
        await publish(str(key))
        await asyncio.sleep(0.2)
        return bool(await reports())

    await eventually(arrives, 15)


async def kinds(reports: Reports, count: int) -> list[str]:
    """What has been reported, once there are so many."""

    async def are_there() -> bool:
        return len(await reports()) >= count

    await eventually(are_there, 15)
    return [report["kind"] for report in await reports()]


@pytest.mark.proves("heartbeat", "MQTT topic")
async def test_what_is_published_under_a_key_is_a_report(
    following: None, publish: Publish, key: UUID, reports: Reports
) -> None:
    before = len(await reports())
    for topic in (f"{key}/start", f"{key}/3", f"{key}/log"):
        await publish(topic, "said")
    assert (await kinds(reports, before + 3))[before:] == ["START", "FAILURE", "LOG"]
    last = (await reports())[-1]
    assert (last["source"], last["payload"]) == ("MQTT", "said")


async def test_what_is_no_report_harms_nothing(following: None, publish: Publish, key: UUID, reports: Reports) -> None:
    before = len(await reports())
    for topic in (str(uuid4()), "none", f"{key}/none", f"{key}/256", f"{key}?rid=7", f"{key}/start/x"):
        await publish(topic, "x" * 100_000)
    await publish(f"{key}/log")
    assert (await kinds(reports, before + 1))[before:] == ["LOG"]


async def test_what_is_published_while_no_receiver_runs_comes_later(
    database_url: str, broker: Broker, publish: Publish, key: UUID, reports: Reports
) -> None:
    async with receiving(database_url, broker):
        await subscribed(publish, key, reports)
    before = len(await reports())
    await publish(f"{key}/fail")
    async with receiving(database_url, broker):
        assert (await kinds(reports, before + 1))[before:] == ["FAILURE"]


async def test_of_two_receivers_one_takes_each_message(
    database_url: str, broker: Broker, publish: Publish, key: UUID, reports: Reports
) -> None:
    async with receiving(database_url, broker), receiving(database_url, broker):
        await subscribed(publish, key, reports)
        before = len(await reports())
        for number in range(5):
            await publish(f"{key}/{number}")
        await kinds(reports, before + 5)
    assert [report["exit_code"] for report in (await reports())[before:]] == [0, 1, 2, 3, 4]


async def test_another_receiver_goes_on_when_the_one_that_follows_ends(
    database_url: str, broker: Broker, publish: Publish, key: UUID, reports: Reports
) -> None:
    async with receiving(database_url, broker):
        async with receiving(database_url, broker):
            await subscribed(publish, key, reports)
        before = len(await reports())
        await publish(f"{key}/fail")
        assert (await kinds(reports, before + 1))[before:] == ["FAILURE"]


async def test_a_retained_message_is_of_earlier_and_reports_nothing(
    database_url: str, broker: Broker, publish: Publish, key: UUID, reports: Reports
) -> None:
    await publish(f"{key}/fail", "old", "-r")
    async with receiving(database_url, broker):
        await subscribed(publish, key, reports)
        assert "FAILURE" not in await kinds(reports, 1)


async def test_a_broker_may_want_a_login_and_tls(
    database_url: str, mosquitto: Mosquitto, key: UUID, reports: Reports
) -> None:
    secured, ca_file = Broker("localhost", mosquitto.ports["tls"], True, USER, PASSWORD), mosquitto.credentials.ca_file
    place: list[str | Path] = ["-h", "localhost", "-p", str(secured.port), "--cafile", ca_file, "-u", USER]

    async def arrives() -> bool:
        await run(
            [require_program("mosquitto_pub"), *place, "-P", PASSWORD, "-q", "1", "-t", f"tocsin/{key}", "-m", "x"]
        )
        await asyncio.sleep(0.2)
        return bool(await reports())

    async with receiving(database_url, secured, str(ca_file)):
        await eventually(arrives, 15)
