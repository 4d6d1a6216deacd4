"""Hints, to a real Valkey that can be cut off."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.line import Line
from tocsin.queue import PROBE_BATCH, HintSender
from tocsin.settings import Servers


@pytest.fixture
async def line(servers: Servers) -> AsyncIterator[Line]:
    line = Line(servers.redis_url)
    await line.mend()
    yield line
    line.cut()


async def said(sender: HintSender, *batches: list[int]) -> list[str]:
    """What is logged while these are sent, one after the other."""
    with capture_logs() as logs:
        for ids in batches:
            sender.send(PROBE_BATCH, [("default", batch_id) for batch_id in ids])
            if sender._sending:
                await sender._sending
    return [str(entry["event"]) for entry in logs]


async def test_an_outage_is_said_once_when_it_begins_and_once_when_it_ends(line: Line) -> None:
    sender = HintSender(f"redis://127.0.0.1:{line.port}")
    line.cut()
    assert await said(sender, [1], [], [2], [], [3]) == ["hints_are_lost"]
    await line.mend()
    assert await said(sender, [4], [5]) == ["hints_are_sent_again"]
    await asyncio.to_thread(sender.close)
