"""What is the same for every kind of probe: the deadline, the clock, and what becomes of errors."""

import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from probes.deadline import Deadline
from probes.engine import Engine
from probes.evaluation.judging import judge_answer, wanted_of
from probes.failures import ProbeFailure
from probes.prober import PROBERS
from probes.redaction import Redaction
from probes.trace import Phase, Trace
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.model import Target

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MAX_MESSAGE: Final = 500
_WAITING_FOR: Final = {
    None: "before it began",
    Phase.RESOLVE: "while resolving the name",
    Phase.CONNECT: "while connecting",
    Phase.TLS: "during the TLS handshake",
    Phase.PROCESSING: "while waiting for the response",
    Phase.TRANSFER: "while reading the body",
}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a probe saw, and its notes, which are not redacted."""

    observation: Observation
    trace: Trace


async def probe(
    target: Target,
    timeout: timedelta,  # noqa: ASYNC109 - it reports it
    engine: Engine,
    redaction: Redaction | None = None,
    *,
    check_id: int | None = None,
) -> Observation:
    """Probe a target once, and tell what was seen in brief."""
    return (await look(target, timeout, engine, redaction, check_id=check_id)).observation


async def look(
    target: Target,
    timeout: timedelta,  # noqa: ASYNC109 - it reports it
    engine: Engine,
    redaction: Redaction | None = None,
    *,
    check_id: int | None = None,
    tells_all: bool = False,
) -> Sight:
    """Probe a target once, and tell what was seen, also of a good answer where it `tells_all`.

    Never raises for what the target does; ends within the timeout. A target that holds secrets comes with what keeps
    them out of the observation, and one that is judged by what a check has received with the id of the check.
    Cancelling the probe closes its connection and raises CancelledError.
    """
    started_at = engine.now()
    secrets = () if redaction is None else redaction.secrets
    trace = Trace(timeout, secrets, wanted_of(target), check_id=check_id, tells_all=tells_all)
    failure = await _run(target, engine, trace)
    trace.enter(None)
    if redaction is not None and trace.learned is not None:
        redaction.learn(trace.learned)
    if trace.unmet is not None:
        failure = trace.unmet.as_failure(trace.timeout, redaction)
    if failure is None and (target.assertions or target.conditions):
        failure = await judge_answer(target, trace, engine.evaluator, engine.now(), redaction)
    observation = Observation(
        outcome=failure.outcome if failure else Outcome.SUCCESS,
        started_at=started_at,
        duration=trace.duration,
        reason=failure.reason if failure else None,
        message=_message(failure, redaction) if failure else None,
        status_code=trace.status_code,
        phases=trace.phases(),
        address=trace.address,
        tls_version=trace.tls_version,
        tls_verified=trace.tls_verified,
        certificate_expires_at=trace.certificate_expires_at,
    )
    return Sight(observation, trace)


async def _run(target: Target, engine: Engine, trace: Trace) -> ProbeFailure | None:
    try:
        with Deadline(trace.remaining_seconds):
            await PROBERS[target.kind](target, engine, trace)
    except ProbeFailure as failure:
        return failure
    except TimeoutError:
        waited = f"timed out after {trace.timeout.total_seconds():g} s {_WAITING_FOR[trace.phase]}"
        return ProbeFailure(Reason.TIMEOUT, waited, trace.timeout_outcome)
    except Exception as exc:
        # An error of ours says nothing about the target.
        _log_internal_error(target, exc)
        return ProbeFailure(Reason.INTERNAL_ERROR, f"internal error: {type(exc).__name__}")
    return None


def _message(failure: ProbeFailure, redaction: Redaction | None) -> str:
    # Before it is cut, for half a secret would not be found.
    message = failure.message if redaction is None else redaction.applied_to(failure.message)
    return message[:MAX_MESSAGE]


def _log_internal_error(target: Target, exc: Exception) -> None:
    """Where it happened, but not what the error says: that may hold a part of the target."""
    frames = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]
    _logger.error("probe_failed_internally", kind=target.kind, error=type(exc).__name__, frames=frames)
