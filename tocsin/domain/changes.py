"""Changes of a check: what is wrong with them beside what is kept, told of the fields that are sent."""

from typing import Final

from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import FieldProblem

_OF_TIMEOUT: Final = (("timeout_seconds",), ("retries",))
_WINDOW: Final = ("failure_window",)


def beside_kept(problem: FieldProblem, merged: DefinitionFields, changes: DefinitionFields) -> FieldProblem:
    """The problem of the merged fields as whoever sent the changes can understand and mend it."""
    if problem.path in _OF_TIMEOUT and "timeout_seconds" not in changes:
        kept = f"timeoutSeconds stays {merged['timeout_seconds']:g} unless another one is sent along"
        return FieldProblem(problem.path, f"{problem.message}; {kept}")
    if problem.path == _WINDOW and "failure_window" not in changes:
        kept = f"which stays {merged['failure_window']} unless another failureWindow is sent along"
        return FieldProblem(("failure_threshold",), f"must be at most the failure window, {kept}")
    return problem
