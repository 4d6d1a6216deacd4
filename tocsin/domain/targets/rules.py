r"""What validators refuse, said once more in CEL, so that the API server of Kubernetes refuses it as well.

A rule stands beside its validator in a field's Annotated, a requirement in its model's `requirements`, a need in its
`needs`; all give the message. CEL's patterns are RE2's: no look-ahead, and `\pL` for letters of any script. What they
cannot say is left to the validators: characters that Unicode has not assigned, and whether a name's IDNA form is valid
and short enough.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """`expression` is true for what is taken; `self` is the value of the field."""

    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """What `field` needs of other fields when it is given; `self` is the model, its fields are in camelCase."""

    field: str
    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class Need:
    """When `field` must be given: where `expression` is true; `self` is the model, its fields are in camelCase."""

    field: str
    expression: str
    message: str


def matches(pattern: str, message: str) -> Rule:
    return Rule(f'self.matches(r"{pattern}")', message)


def matches_not(pattern: str, message: str) -> Rule:
    return Rule(f'!self.matches(r"{pattern}")', message)
