"""A worker that is ours but for one thing: it probes through stock httpx. `python -m benchmarks.stock_worker`."""

from functools import lru_cache

import httpx

from probes import runner, worker
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.http.prober import make_call
from probes.trace import Trace
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget


@lru_cache(maxsize=1)
def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(limits=limits), timeout=None)


async def probe_http(target: HttpTarget, _: Engine, trace: Trace) -> None:
    """Probe with the same requests, made ready as ours are; the deadline is the runner's here too."""
    response = await _client().send(make_call(target).request)
    trace.status_code = response.status_code
    if not target.accepts_status(response.status_code):
        raise ProbeFailure(Reason.STATUS, f"got {response.status_code}")


if __name__ == "__main__":
    vars(runner)["PROBERS"] = {HttpTarget.kind: probe_http}
    worker.main()
