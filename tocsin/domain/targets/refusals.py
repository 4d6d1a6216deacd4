"""What pydantic refuses, in our words: by the type of its error and the numbers of its limits, never by the value."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from tocsin.domain.targets.model import Target
from tocsin.domain.targets.secrets import may_hold_secret, name_field

_TEXT: Final = "must be a text"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_EITHER: Final = "must be true or false"
_LIST: Final = "must be a list"
_OBJECT: Final = "must be an object"
_CHOICE: Final = "must be one of {expected}"
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is no field here; leave it out",
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _EITHER,
    "bool_parsing": _EITHER,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
_EMPTY: Final = ("string_too_short", "too_short")


def refusal(model: type[Target], error: ErrorDetails) -> str:
    """What is wrong with a field. A kind's own words, and what is said too rarely for ours, stay as they are."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _EMPTY and limits["min_length"] == 1:
        return "must not be empty"
    if kind == "missing" and may_hold_secret(model, error["loc"]):
        return f"is missing; give it, or name a secret in {to_camel(str(name_field(error['loc'])[-1]))}"
    if kind not in _WORDS:
        return error["msg"].removeprefix("Value error, ")
    return _WORDS[kind].format_map({name: _shown(limit) for name, limit in limits.items()})


def _shown(limit: Any) -> str:  # noqa: ANN401 - of any type of error
    if isinstance(limit, float):
        return f"{limit:g}"
    return str(limit).replace("'", "").replace(" or ", ", ")
