"""The health of any object that tells it by a condition."""

from probes.kinds.kubernetes.findings import Finding, Json, cause, conditions_of, degraded, failed, is_behind, names
from tocsin.domain.targets.kubernetes import ConditionStatus


def judge_condition(item: Json, kind: str, wanted: ConditionStatus) -> Finding | None:
    """None for an object whose condition has the wanted status, and is about its newest spec as far as it says."""
    conditions = conditions_of(item.get("status") or {})
    condition = conditions.get(kind)
    if condition is None:
        others = f"; it has {names(sorted(conditions))}" if conditions else ""
        return failed(f"has no condition {kind}{others}")
    if condition.get("status") != wanted:
        return failed(f"has condition {kind} {condition.get('status')}, not {wanted}{cause(condition)}")
    return degraded(f"has condition {kind} {wanted} for an older spec") if _is_outdated(item, condition) else None


def _is_outdated(item: Json, condition: Json) -> bool:
    """Only where the condition, or the status, says which spec it is about."""
    if (observed := condition.get("observedGeneration")) is not None:
        return bool(observed < item["metadata"].get("generation", 0))
    return "observedGeneration" in item["status"] and is_behind(item)
