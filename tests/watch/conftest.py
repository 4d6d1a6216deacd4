from collections.abc import AsyncIterator

import pytest

from tests.watch.stand_in import StandIn
from tocsin.watch import feed


@pytest.fixture
async def api() -> AsyncIterator[StandIn]:
    async with StandIn().running() as api:
        yield api


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that was cut off tries again soon."""
    monkeypatch.setattr(feed, "FIRST_WAIT_SECONDS", 0.01)
