"""What becomes of reports while the database is away."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from receiver import intake
from receiver.intake import Intake, Taken
from tests.receiver.conftest import receiving
from tocsin.clock import PlatformClock
from tocsin.domain.heartbeats import Report, ReportKind, ReportSource
from tocsin.pulse import Pulse
from tocsin.services.reporting import Incoming

NOWHERE = "postgresql://tocsin@127.0.0.1:1/tocsin"
KEY_HASH = bytes(32)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ANSWER_SECONDS", 0.2)


def incoming() -> Incoming:
    return Incoming(KEY_HASH, Report(ReportKind.SUCCESS, datetime.now(UTC)), ReportSource.HTTP)


async def test_a_receiver_that_knows_no_key_yet_lets_clients_try_again() -> None:
    async with (
        receiving(NOWHERE) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client,
    ):
        answer = await client.get(f"/{uuid4()}")
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "try again", "5")


async def test_a_report_of_a_known_key_is_kept() -> None:
    made = Intake(PlatformClock(), Pulse())
    made._known[KEY_HASH] = None
    assert await made.take(incoming()) is Taken.KEPT
    assert len(made._waiting) == 1


async def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING", 2)
    made = Intake(PlatformClock(), Pulse())
    made._known[KEY_HASH] = None
    taken = [await made.take(incoming()) for _ in range(3)]
    assert taken == [Taken.KEPT, Taken.KEPT, Taken.REFUSED]
