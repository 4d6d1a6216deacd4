"""Heartbeats as they run: scheduler, worker and receiver, and jobs that report, fail and fall silent."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.engine.harness import ORGANIZATION, EngineProcess, Platform, eventually
from tocsin.database import Role, orm
from tocsin.domain.observations import Reason
from tocsin.models.codes import REASONS
from tocsin.services import checks

SITE = 1
PERIOD, GRACE = 2, 1


@dataclass
class Job:
    """What reports in, and what its check makes of it."""

    platform: Platform
    receiver: EngineProcess
    check_id: int
    url: str

    async def reports(self, what: str = "", content: str = "") -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return (await client.post(self.url + what, content=content)).status_code

    async def has_status(self, status: str, seconds: float = 20) -> float:
        """Wait for the status; return how long it took."""
        asked = "SELECT status = $2 FROM check_states WHERE check_id = $1"
        return await eventually(lambda: self.platform.ask(asked, self.check_id, status), seconds, every_seconds=0.1)

    async def reason(self) -> Reason:
        """Why its last slot did not succeed."""
        asked = "SELECT last_reason FROM check_states WHERE check_id = $1"
        return REASONS[await self.platform.ask(asked, self.check_id)]

    async def incidents(self) -> int:
        return int(await self.platform.ask("SELECT count(*) FROM incidents"))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def make_job(platform: Platform, **target: Any) -> Job:
    port = free_port()
    receiver = platform.process("receiver.main", TOCSIN_RECEIVER_PORT=str(port))
    platform.scheduler()
    platform.worker()
    fields = {"period_seconds": PERIOD, "grace_seconds": GRACE, **target}
    async with orm(platform.database_url, Role.API):
        check_id = await checks.create_check(
            ORGANIZATION, SITE, {"name": "job", "target": ("heartbeat", fields), "interval_seconds": 1}
        )
    key: UUID = await platform.ask("SELECT key FROM heartbeats WHERE check_id = $1", check_id)
    job = Job(platform, receiver, check_id, f"http://127.0.0.1:{port}/{key}")
    await listening(port)
    return job


async def listening(port: int) -> None:
    async def accepts() -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True

    await eventually(accepts, 20)


@pytest.fixture
async def job(platform: Platform) -> Job:
    return await make_job(platform)


@pytest.mark.proves("heartbeat", "period and grace")
async def test_a_job_that_falls_silent_is_down_in_time_and_up_again_with_its_next_report(job: Job) -> None:
    await job.has_status("UNKNOWN")
    assert await job.reason() is Reason.HEARTBEAT_AWAITED
    await job.reports()
    await job.has_status("UP", 15)
    # Period, grace and the slot after them; what more there is, is how busy this machine is.
    assert PERIOD + GRACE - 2 < await job.has_status("DOWN") < PERIOD + GRACE + 10
    assert await job.reason() is Reason.HEARTBEAT_OVERDUE
    await job.reports()
    await job.has_status("UP", 15)
    assert await job.incidents() == 1


async def test_a_job_that_fails_is_down_with_the_next_slot(job: Job) -> None:
    assert await job.reports("/3") == 200
    await job.has_status("DOWN")
    message = await job.platform.ask("SELECT message FROM incidents")
    assert message.startswith("reported a failure with exit code 3 ")


async def test_a_run_that_does_not_end_is_overdue(job: Job) -> None:
    await job.reports()
    await job.reports("/start")
    await job.has_status("DOWN")
    message = await job.platform.ask("SELECT message FROM incidents")
    assert message.endswith("has not ended, due within 1 s")


async def keep_reporting(job: Job, statuses: list[int], every_seconds: float = 0.5) -> None:
    while True:
        try:
            statuses.append(await job.reports())
        except httpx.HTTPError:
            statuses.append(0)
        await asyncio.sleep(every_seconds)


async def test_no_report_is_lost_while_the_database_is_away(job: Job) -> None:
    await job.reports()
    await job.has_status("UP")
    statuses: list[int] = []
    reporting = asyncio.create_task(keep_reporting(job, statuses))
    await job.platform.kill_postgres()
    await asyncio.sleep(2 * (PERIOD + GRACE))
    await job.platform.start_postgres()
    await eventually(lambda: job.platform.ask("SELECT max(slot) > now() - interval '2 s' FROM results"), 40)
    reporting.cancel()
    assert 202 in statuses
    assert set(statuses) <= {200, 202}
    stored = "SELECT count(*) FROM heartbeat_reports"
    # The one that was under way when its task was cancelled may be stored too.
    assert len(statuses) + 1 <= await job.platform.ask(stored) <= len(statuses) + 2
    assert await job.incidents() == 0
    assert "reports_not_stored" in job.receiver.said
    assert job.url.rpartition("/")[2] not in "".join(process.said for process in job.platform.processes)


async def test_a_receiver_that_is_away_makes_nobody_late(job: Job) -> None:
    await job.reports()
    await job.has_status("UP")
    statuses: list[int] = []
    reporting = asyncio.create_task(keep_reporting(job, statuses))
    job.receiver.kill()
    await eventually(lambda: job.platform.ask(_AWAITED, job.check_id), 40)
    job.receiver.start()
    await job.has_status("UP")
    await asyncio.sleep(2 * (PERIOD + GRACE))
    reporting.cancel()
    assert {0, 200} <= set(statuses)
    assert await job.incidents() == 0


_AWAITED = "SELECT last_message LIKE '%reports could not come in%' FROM check_states WHERE check_id = $1"
