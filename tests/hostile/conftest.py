import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from tests.hostile.examining import Examiner
from tests.hostile.servers import HostileServers
from tests.servers.processes import running


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What workers run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def hostile_servers() -> Iterator[HostileServers]:
    with running(HostileServers) as servers:
        yield servers


@pytest.fixture(scope="session")
def examiner(hostile_servers: HostileServers) -> Examiner:
    return Examiner(hostile_servers)
