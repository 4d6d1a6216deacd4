"""What is told of a target that is tried without being saved: all that was seen, and each thing that was asserted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from probes.aims import Aim
from probes.runner import Sight
from tocsin.domain.assertions import FailedAssertion
from tocsin.domain.evidence import Evidence, JudgedAssertion, Redactor, keep, to_json
from tocsin.domain.observations import Outcome

# As many as a target may have, each with the first of what is expected and seen.
_ASSERTIONS_BYTES: Final = 16_384


def report_of(sight: Sight, aim: Aim) -> str:
    """As evidence, in JSON."""
    trace, redaction = sight.trace, aim.redaction
    redactor = Redactor() if redaction is None else Redactor(redaction.applied_to, redaction.longest_form)
    facts = {} if redaction is not None and redaction.withholds else trace.facts
    kept = keep(facts, _judged(sight, aim), (), redactor, assertions_bytes=_ASSERTIONS_BYTES)
    return to_json(replace(kept or Evidence(), tls_version=trace.tls_version, tls_verified=trace.tls_verified))


def _judged(sight: Sight, aim: Aim) -> Iterator[JudgedAssertion]:
    """Each assertion and condition; where the target did not come so far, none of them was looked at."""
    failed = {(each.source is None, each.index): each for each in sight.trace.failed_assertions}
    looked_at = bool(failed) or sight.observation.outcome is Outcome.SUCCESS

    def result(failure: FailedAssertion | None) -> tuple[str | None, bool | None]:
        return (None, False if looked_at else None) if failure is None else (failure.actual, True)

    for index, each in enumerate(aim.target.assertions):
        actual, has_failed = result(failed.get((False, index)))
        yield JudgedAssertion(
            each.source, each.path, each.operator, each.value, actual, each.severity, failed=has_failed
        )
    for index, condition in enumerate(aim.target.conditions):
        actual, has_failed = result(failed.get((True, index)))
        yield JudgedAssertion(None, None, None, condition.expression, actual, condition.severity, failed=has_failed)
