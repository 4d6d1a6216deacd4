"""The prober for what must report in: it asks nobody but the database."""

from datetime import timedelta
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from tocsin.domain.facts import Source
from tocsin.domain.heartbeats import MAXIMUM_PAYLOAD_BYTES, Heartbeat, judged
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.heartbeat import HeartbeatTarget

_MILLISECOND: Final = timedelta(milliseconds=1)


async def probe_heartbeat(target: HeartbeatTarget, engine: Engine, trace: Trace) -> None:
    """Return if the newest report came in time and was a success. Raises ProbeFailure if not."""
    if trace.check_id is None:
        raise ProbeFailure(Reason.HEARTBEAT_AWAITED, "nothing can report in before the check is saved")
    trace.enter(Phase.PROCESSING)
    trace.timeout_outcome = Outcome.UNKNOWN  # Only the database is waited for.
    asserts_on_payload = trace.wants(Source.BODY) or trace.wants(Source.JSON)
    with_payload = trace.tells_all or asserts_on_payload
    heartbeat, reception = await engine.heartbeats.of(trace.check_id, with_payload=with_payload)
    _note(heartbeat, trace)
    if verdict := judged(heartbeat, target.rhythm, reception, engine.now()):
        raise ProbeFailure(verdict.reason, verdict.message)
    if asserts_on_payload and heartbeat.last is not None:
        _require_whole_payload(heartbeat.last.size)


def _require_whole_payload(size_bytes: int) -> None:
    """What is cut tells nothing of the rest. The job did report in time, so this is no failure of it."""
    if size_bytes > MAXIMUM_PAYLOAD_BYTES:
        kept = f"only the first {MAXIMUM_PAYLOAD_BYTES:,} of {size_bytes:,} bytes of the payload are kept"
        message = f"{kept}, so nothing can be asserted on it; send less"
        raise ProbeFailure(Reason.BODY_LIMIT, message, Outcome.UNKNOWN)


def _note(heartbeat: Heartbeat, trace: Trace) -> None:
    """The report that ended a run last, for assertions and as evidence."""
    if (last := heartbeat.last) is None:
        return
    if last.payload or not last.size:  # else it was not asked for
        trace.facts[Source.BODY] = last.payload
    trace.facts[Source.SIZE] = last.size
    if last.exit_code is not None:
        trace.facts[Source.STATUS] = last.exit_code
    # How long the run took, not this probe; nothing where no start was reported.
    took = heartbeat.run_time
    trace.facts[Source.LATENCY] = {} if took is None else {"total": took / _MILLISECOND}
