"""What people see with kubectl, from the first apply to the last delete."""

import pytest

from tests.engine.harness import Platform
from tests.kubernetes.convergence.operators import Cluster, wait_until
from tests.kubernetes.convergence.targets import Target

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def web(watched: Cluster, target: Target) -> Cluster:
    """An operator, and a check `web` of a good target."""
    watched.operator()
    watched.apply("web", interval="1s", http={"url": target.url})
    watched.wait("web", "Ready")
    return watched


def test_a_check_of_a_good_target_becomes_healthy(web: Cluster) -> None:
    web.wait("web", "Healthy")
    status = web.status("web")
    assert (status["state"], status["type"], status["schedule"]) == ("UP", "http", "1s")


def test_a_broken_target_is_unhealthy_but_ready_and_recovers(web: Cluster, target: Target) -> None:
    web.wait("web", "Healthy")
    target.status = 503
    web.wait("web", "Healthy=False")
    assert web.condition("web", "Ready")["status"] == "True"
    assert "503" in web.status("web")["incident"]["message"]
    target.status = 200
    web.wait("web", "Healthy")
    assert "incident" not in web.status("web")


def test_transitions_are_events(web: Cluster, target: Target) -> None:
    web.wait("web", "Healthy")
    target.status = 503
    web.wait("web", "Healthy=False")
    events = wait_until(lambda: web.events("web"), lambda found: any(each["reason"] == "Down" for each in found))
    assert [each["type"] for each in events if each["reason"] == "Down"] == ["Warning"]


def test_columns_tell_what_matters(web: Cluster, target: Target) -> None:
    web.wait("web", "Healthy")
    heads, row = web.run("get", "thc").splitlines()
    assert heads.split() == [
        "NAME",
        "TYPE",
        "TARGET",
        "STATE",
        "INTERVAL",
        "LATENCY",
        "UPTIME-24H",
        "LAST-CHECK",
        "AGE",
    ]
    assert row.split()[:5] == ["web", "http", target.url, "UP", "1s"]


def test_a_suspended_check_is_ready_and_not_probed(web: Cluster) -> None:
    web.run("patch", "thc", "web", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    web.wait_reason("web", "Healthy", "Suspended")
    assert web.condition("web", "Ready")["status"] == "True"


def test_an_annotation_probes_now(web: Cluster) -> None:
    web.run("patch", "thc", "web", "--type=merge", "-p", '{"spec": {"interval": "1h"}}')
    web.run("annotate", "thc", "web", "tocsin.dev/run-at=now")
    events = wait_until(lambda: web.events("web"), lambda found: any(each["reason"] == "RunFinished" for each in found))
    assert any("SUCCESS" in each["message"] for each in events)
    assert "tocsin.dev/run-at" not in web.get("web")["metadata"].get("annotations", {})


async def test_a_deleted_object_takes_its_check_along(web: Cluster, platform: Platform) -> None:
    web.run("delete", "thc", "web", "--timeout=10s")
    count = "SELECT count(*) FROM checks WHERE deleted_at IS NULL"
    for _ in range(50):
        if await platform.ask(count) == 0:
            break
    assert await platform.ask(count) == 0
