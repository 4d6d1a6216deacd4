"""Fields that take, or tell, the name of a secret in place of a value: each beside a field that may be secret."""

from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any, Final

import strawberry
from strawberry import UNSET

from tocsin.domain.targets.secrets import Path, is_secret_name

# Beside which field it stands, in the metadata of the field that names the secret.
_VALUE_FIELD: Final = "value_field"


def name_input_field(value_field: str) -> Any:  # noqa: ANN401 - Strawberry's own field
    """The field of an input that names the secret whose value stands in another field."""
    return strawberry.field(
        description=f"Name of the secret to take `{_in_camel_case(value_field)}` from, in its place.",
        default=UNSET,
        metadata={_VALUE_FIELD: value_field},
    )


def name_output_field(value_field: str) -> Any:  # noqa: ANN401 - as above
    """The field of an output that names it."""
    return strawberry.field(
        description=f"Name of the secret that `{_in_camel_case(value_field)}` is taken from; null where it is none."
    )


def names_secret(field: "Field[Any]") -> bool:
    return _VALUE_FIELD in field.metadata


def secrets_named(given: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The names of secrets in an input, each with where its value stands."""
    if isinstance(given, list):
        for index, item in enumerate(given):
            yield from secrets_named(item, (*path, index))
    elif is_dataclass(given):
        for field in fields(given):
            yield from _named_by(field, getattr(given, field.name), path)


def _named_by(field: "Field[Any]", value: Any, path: Path) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - as above
    if not names_secret(field):
        yield from secrets_named(value, (*path, field.name))
    elif value is not UNSET and value is not None:
        yield (*path, field.metadata[_VALUE_FIELD]), value


def name_shown(stored: object) -> str | None:
    """The name in what is stored in the place of a value; None for a value, and for a secret in Kubernetes."""
    reference = stored.get("secret") if isinstance(stored, dict) else None
    return reference if isinstance(reference, str) and is_secret_name(reference) else None


def _in_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
