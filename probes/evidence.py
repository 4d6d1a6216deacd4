"""Evidence of what a probe saw, made of its notes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from probes.aims import Aim
from probes.redaction import Redaction
from probes.runner import Sight
from tocsin.domain.assertions import FailedAssertion
from tocsin.domain.evidence import Attempt, Evidence, JudgedAssertion, to_json
from tocsin.domain.evidence_keeping import ASSERTIONS_BYTES, Redactor, keep
from tocsin.domain.observations import Observation, Outcome
from tocsin.running import log_internal_error

# All that a target may assert, each with the first of what is expected and seen.
_REPORTED_ASSERTIONS_BYTES: Final = 16_384


def evidence_of(sight: Sight, earlier: Sequence[Attempt], redaction: Redaction | None) -> str | None:
    """What is kept beside the observation, as JSON; None where there is nothing."""
    kept = _keep(sight, map(_judged, sight.trace.failed_assertions), earlier, redaction, ASSERTIONS_BYTES)
    return None if kept is None else to_json(kept)


def report_of(sight: Sight, aim: Aim) -> str:
    """All that was seen of a target that is tried, with everything that it asserts, in the same form."""
    kept = _keep(sight, _everything_asserted(sight, aim), (), aim.redaction, _REPORTED_ASSERTIONS_BYTES)
    trace = sight.trace
    return to_json(replace(kept or Evidence(), tls_version=trace.tls_version, tls_verified=trace.tls_verified))


def _keep(
    sight: Sight,
    assertions: Iterable[JudgedAssertion],
    earlier: Sequence[Attempt],
    redaction: Redaction | None,
    assertions_bytes: int,
) -> Evidence | None:
    trace = sight.trace
    redactor = Redactor() if redaction is None else Redactor(redaction.applied_to, redaction.longest_form)
    facts = {} if redaction is not None and redaction.withholds else trace.facts
    tls = trace.tls_version, trace.tls_verified
    try:
        return keep(facts, assertions, earlier, redactor, tls, assertions_bytes)
    except Exception as exc:
        # Such as facts of an installed kind in a shape of their own. The result does not depend on it.
        log_internal_error("evidence_not_made", exc)
        return None


def _judged(failed: FailedAssertion) -> JudgedAssertion:
    source, path, operator = failed.source, failed.path, failed.operator
    return JudgedAssertion(source, path, operator, failed.expected, failed.actual, failed.severity)


def _everything_asserted(sight: Sight, aim: Aim) -> Iterator[JudgedAssertion]:
    """Each assertion, then each condition; where the target did not come so far, none of them was looked at."""
    failed = {(each.source is None, each.index): each for each in sight.trace.failed_assertions}
    has_failed = False if failed or sight.observation.outcome is Outcome.SUCCESS else None
    for index, each in enumerate(aim.target.assertions):
        as_met = JudgedAssertion(
            each.source, each.path, each.operator, each.value, None, each.severity, failed=has_failed
        )
        yield _judged(failed[False, index]) if (False, index) in failed else as_met
    for index, condition in enumerate(aim.target.conditions):
        as_met = JudgedAssertion(None, None, None, condition.expression, None, condition.severity, failed=has_failed)
        yield _judged(failed[True, index]) if (True, index) in failed else as_met


def attempt_of(seen: Observation) -> Attempt:
    """What is kept of an attempt that another one follows."""
    return Attempt(seen.started_at, seen.duration, seen.outcome, seen.reason, seen.message)
