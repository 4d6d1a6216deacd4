"""What is written of objects that change while others are looked at."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from healthcheck_operator.cluster import Cluster
from healthcheck_operator.conditions import Condition, Truth
from healthcheck_operator.reconciling import Reconciler
from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.statuses import Attempt
from healthcheck_operator.synchronizing import Synchronizer
from healthcheck_operator.tracking import Tracking

FIRST = HealthCheck("default", "first", UUID(int=1), generation=1, version=10, spec={}, status={}, run_at=None)
SECOND = replace(FIRST, name="second", uid=UUID(int=2))
DONE = Attempt((Condition("Synced", Truth.TRUE, "Applied"),))


class Written:
    """A cluster that keeps the statuses that were applied, by the name of their object."""

    def __init__(self) -> None:
        self.statuses: dict[str, Mapping[str, Any]] = {}

    async def apply(self, _path: str, content: Mapping[str, Any]) -> Any:
        self.statuses[content["metadata"]["name"]] = content["status"]
        return {"metadata": {"resourceVersion": "20"}}


class Synchronized:
    """A database that holds everything at once; `before` happens while an object is applied."""

    def __init__(self, before: Callable[[HealthCheck], None]) -> None:
        self._before = before

    async def synchronize(self, healthcheck: HealthCheck) -> Attempt:
        self._before(healthcheck)
        return DONE


async def test_a_status_never_speaks_for_a_generation_that_came_meanwhile() -> None:
    tracking, written = Tracking(), Written()

    def change_first(healthcheck: HealthCheck) -> None:
        if healthcheck.name == "second":
            tracking.see(replace(FIRST, generation=2, version=11))

    synchronizer = cast("Synchronizer", Synchronized(change_first))
    reconciler = Reconciler(cast("Cluster", written), synchronizer, tracking)
    for healthcheck in (FIRST, SECOND):
        tracking.see(healthcheck)
    await reconciler.reconcile(await tracking.take(10))
    assert written.statuses.keys() == {"second"}
    tracking.end()
