"""What becomes of a probe whose target answered as its kind expects, but not as its assertions say."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from probes.deadline import Deadline
from probes.evaluation.evaluator import Evaluator, TooDearError
from probes.failures import ProbeFailure
from probes.redaction import Redaction
from probes.trace import Trace
from tocsin.domain.assertions import SHOWN_CHARACTERS, AssertionSeverity, Judgement, wanted_sources
from tocsin.domain.evidence_texts import excerpt
from tocsin.domain.facts import Source
from tocsin.domain.observations import Outcome, Phases, Reason
from tocsin.domain.targets.model import Target
from tocsin.running import log_internal_error

_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
# What came at the last moment is judged all the same.
_LEAST_SECONDS: Final = 0.2
_OUTCOMES: Final = {AssertionSeverity.DOWN: Outcome.FAILURE, AssertionSeverity.DEGRADED: Outcome.DEGRADED}


def wanted_of(target: Target) -> frozenset[Source]:
    """What the prober must note for the target's assertions and conditions."""
    if not (target.assertions or target.conditions):
        return frozenset()
    return wanted_sources(target.assertions, target.conditions)


async def judge_answer(
    target: Target, trace: Trace, evaluator: Evaluator, now: datetime, redaction: Redaction | None
) -> ProbeFailure | None:
    """What is not as it was asserted, as a failure of the probe; None if all is, or nothing was."""
    if not (target.assertions or target.conditions):
        return None
    _note_what_all_kinds_know(trace, now)
    longest = 0 if redaction is None else redaction.longest_form
    try:
        with Deadline(max(trace.remaining_seconds, _LEAST_SECONDS)):
            judgement = await evaluator.judge(
                target.assertions, target.conditions, trace.facts, SHOWN_CHARACTERS + longest + 1
            )
    except TooDearError as exc:
        return ProbeFailure(Reason.ASSERTION, f"what is asserted {exc}")
    except TimeoutError:
        return ProbeFailure(Reason.INTERNAL_ERROR, "the assertions were not evaluated in time: this worker is too busy")
    except Exception as exc:
        # An error of ours says nothing about the target.
        log_internal_error("assertions_not_evaluated", exc, kind=target.kind)
        return ProbeFailure(Reason.INTERNAL_ERROR, f"the assertions could not be evaluated: {type(exc).__name__}")
    trace.failed_assertions = judgement.failed
    return _failure(judgement, redaction)


def _failure(judgement: Judgement, redaction: Redaction | None) -> ProbeFailure | None:
    """The first one of the worst, in words."""
    if judgement.severity is None:
        return None
    first = next(each for each in judgement.failed if each.severity is judgement.severity)
    redact = redaction.applied_to if redaction else str
    actual = excerpt(first.actual, SHOWN_CHARACTERS, redact, redaction.longest_form if redaction else 0)
    others = len(judgement.failed) - 1
    message = f"{replace(first, actual=actual)}{f' (and {others} more)' if others else ''}"
    return ProbeFailure(Reason.ASSERTION, message, _OUTCOMES[judgement.severity])


def _note_what_all_kinds_know(trace: Trace, now: datetime) -> None:
    trace.facts.setdefault(Source.LATENCY, _latency(trace.phases(), trace.duration))
    if trace.tls_version is not None:
        certificate = {"days": _days(trace.certificate_expires_at, now), "protocol": trace.tls_version}
        trace.facts[Source.CERTIFICATE] = {**certificate, **trace.facts.get(Source.CERTIFICATE, {})}


def _latency(phases: Phases, duration: timedelta) -> dict[str, float]:
    """By phase, those that there were."""
    times = {"total": duration, **{name: getattr(phases, name) for name in Phases.__slots__}}
    return {name: round(time / _MILLISECOND, 3) for name, time in times.items() if time is not None}


def _days(expires_at: datetime | None, now: datetime) -> float | None:
    return None if expires_at is None else round((expires_at - now) / _DAY, 3)
