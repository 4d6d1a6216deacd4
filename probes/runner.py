"""What is the same for every kind of probe: the deadline, the clock, and what becomes of errors."""

import traceback
from datetime import timedelta
from typing import Final

import structlog

from probes.deadline import Deadline
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.prober import PROBERS
from probes.trace import Phase, Trace
from tocsin.domain.observations import UNDECIDED_REASONS, Observation, Outcome, Reason
from tocsin.domain.targets.model import Target

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_MAX_MESSAGE: Final = 500
_WAITING_FOR: Final = {
    None: "before it began",
    Phase.RESOLVE: "while resolving the name",
    Phase.CONNECT: "while connecting",
    Phase.TLS: "during the TLS handshake",
    Phase.PROCESSING: "while waiting for the response",
    Phase.TRANSFER: "while reading the body",
}


async def probe(target: Target, timeout: timedelta, engine: Engine) -> Observation:  # noqa: ASYNC109 - it reports it
    """Probe a target once, and tell what was seen. Never raises for what the target does; ends within the timeout.

    Cancelling it closes the probe's connection and raises CancelledError.
    """
    started_at = engine.now()
    trace = Trace(timeout)
    failure = await _run(target, engine, trace)
    trace.enter(None)
    return Observation(
        outcome=_outcome(failure),
        started_at=started_at,
        duration=trace.duration,
        reason=failure.reason if failure else None,
        message=failure.message[:_MAX_MESSAGE] if failure else None,
        status_code=trace.status_code,
        phases=trace.phases(),
        address=trace.address,
        tls_version=trace.tls_version,
        certificate_expires_at=trace.certificate_expires_at,
    )


async def _run(target: Target, engine: Engine, trace: Trace) -> ProbeFailure | None:
    try:
        with Deadline(trace.remaining_seconds):
            await PROBERS[target.kind](target, engine, trace)
    except ProbeFailure as failure:
        return failure
    except TimeoutError:
        return ProbeFailure(
            Reason.TIMEOUT, f"timed out after {trace.timeout.total_seconds():g} s {_WAITING_FOR[trace.phase]}"
        )
    except Exception as exc:
        # An error of ours says nothing about the target.
        _log_internal_error(target, exc)
        return ProbeFailure(Reason.INTERNAL_ERROR, f"internal error: {type(exc).__name__}")
    return None


def _outcome(failure: ProbeFailure | None) -> Outcome:
    if failure is None:
        return Outcome.SUCCESS
    return Outcome.UNKNOWN if failure.reason in UNDECIDED_REASONS else Outcome.FAILURE


def _log_internal_error(target: Target, exc: Exception) -> None:
    """Where it happened, but not what the error says: that may hold a part of the target."""
    frames = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]
    _logger.error("probe_failed_internally", kind=target.kind, error=type(exc).__name__, frames=frames)
