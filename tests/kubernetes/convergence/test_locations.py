"""HealthChecks that name locations, with workers there and without."""

import pytest

from tests.kubernetes.convergence.operators import Cluster, wait_until
from tests.kubernetes.convergence.targets import Target

# What depends on others is looked at again soon.
SOON = "from healthcheck_operator import tracking; tracking.RECHECK_SECONDS = (1.0, 2.0)"


@pytest.fixture
def web(watched: Cluster, target: Target) -> Cluster:
    """An operator, a worker at `eu`, and a check `web` of a good target at `eu` and `us`."""
    watched.platform.scheduler()
    watched.platform.worker(TOCSIN_LOCATION="eu")
    watched.operator(SOON)
    watched.apply("web", interval="1s", locations=["eu", "us"], quorum=1, http={"url": target.url})
    return watched


def test_a_location_without_a_worker_is_named_until_one_starts_and_then_all_are_shown(web: Cluster) -> None:
    # The worker at `eu` may start after the operator has looked.
    wait_until(
        lambda: web.wait_reason("web", "Ready", "UnknownLocation")["message"],
        lambda said: said.startswith("spec.locations[1] is no known location; start a worker there first"),
    )
    web.platform.worker(TOCSIN_LOCATION="us")
    web.wait("web", "Healthy", 60)
    locations = wait_until(lambda: web.status("web")["locations"], lambda found: all("state" in each for each in found))
    assert [each["name"] for each in locations] == ["eu", "us"]


def test_the_status_is_that_of_the_quorum_and_of_each_location(web: Cluster, target: Target) -> None:
    us = web.platform.worker(TOCSIN_LOCATION="us")
    web.wait("web", "Healthy", 60)
    us.kill()
    target.status = 503
    web.wait("web", "Healthy=False", 60)
    status = web.status("web")
    assert status["state"] == "DOWN"
    assert "503" in status["incident"]["message"]
    assert next(each["state"] for each in status["locations"] if each["name"] == "eu") == "DOWN"
