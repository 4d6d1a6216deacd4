"""What an orchestrator and Prometheus see of an operator."""

import signal
from dataclasses import dataclass

import httpx
import pytest

from tests.engine.harness import EngineProcess
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.cluster import free_ports
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.convergence.operators import RULES, Cluster, wait_until
from tests.kubernetes.convergence.shared import operator_token

# A loop that goes no further, as a deadlock leaves it, and two seconds in place of two minutes until it is noticed.
STUCK = """
import signal, time, tocsin.pulse
tocsin.pulse.STILL_SECONDS = 2.0
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60))
import healthcheck_operator.session as session; session.SWEEP_SECONDS = 0.5
"""


@dataclass(frozen=True)
class Replica:
    """An operator, and the port where it tells how it is."""

    process: EngineProcess
    port: int

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False)

    def status(self, path: str) -> int:
        """0 as long as it does not listen."""
        try:
            return self.get(path).status_code
        except httpx.TransportError:
            return 0


def replica(cluster: Cluster, prelude: str = "") -> Replica:
    [port] = free_ports(1)
    return Replica(cluster.operator(prelude, TOCSIN_METRICS_PORT=str(port)), port)


@pytest.fixture(scope="module")
def leader(cluster: Servers, unwatched: Cluster) -> Replica:
    unwatched.kubeconfig = cluster.kubeconfig_with(operator_token(cluster, unwatched.namespace))
    leader = replica(unwatched)
    wait_until(lambda: leader.status("/readyz"), lambda status: status == 200)
    return leader


def test_a_leader_is_ready_and_alive_when_it_has_swept(leader: Replica) -> None:
    assert (leader.status("/readyz"), leader.status("/healthz")) == (200, 200)
    assert "tocsin_operator_last_sweep_timestamp_seconds 0.0" not in leader.get("/metrics").text


def test_metrics_say_who_leads(leader: Replica) -> None:
    assert "tocsin_operator_leading 1.0" in leader.get("/metrics").text


def test_a_replica_that_stands_by_is_ready(leader: Replica, unwatched: Cluster) -> None:
    standby = replica(unwatched)
    wait_until(lambda: standby.status("/readyz"), lambda status: status == 200)
    assert "tocsin_operator_leading 0.0" in standby.get("/metrics").text


def test_an_operator_that_cannot_sweep_is_alive_and_not_ready(watched: Cluster, account: MakeAccount) -> None:
    watched.kubeconfig = account([rule for rule in RULES if rule["apiGroups"] != ["tocsin.dev"]])
    lame = replica(watched)
    wait_until(lambda: lame.process.said, lambda said: "sweep_failed" in said)
    assert (lame.status("/readyz"), lame.status("/healthz")) == (503, 200)


def test_an_operator_whose_loop_is_stuck_is_not_alive(watched: Cluster) -> None:
    stuck = replica(watched, STUCK)
    wait_until(lambda: stuck.status("/readyz"), lambda status: status == 200)
    stuck.process.signal(signal.SIGUSR1)
    wait_until(lambda: stuck.status("/healthz"), lambda status: status == 503)
