"""The schemas of where a check is probed from, and of how many locations decide."""

from typing import Final

from healthcheck_operator.rules import Validation, validation
from healthcheck_operator.schema_parts import RULES, Schema
from tocsin.domain.locations import DEFAULT_LOCATION, DEFAULT_QUORUM, LOCATION_PATTERN, MAXIMUM_LOCATIONS, QuorumRule

_RULES: Final = ", ".join(f'"{rule}"' for rule in QuorumRule)

LOCATIONS: Final[Schema] = {
    "type": "array",
    "description": f"Names of the locations that probe it, each a pool of workers. Default: {DEFAULT_LOCATION} alone.",
    "minItems": 1,
    "maxItems": MAXIMUM_LOCATIONS,
    "x-kubernetes-list-type": "set",
    "items": {"type": "string", "maxLength": 63, "pattern": f"^{LOCATION_PATTERN}$"},
}
QUORUM: Final[Schema] = {
    "x-kubernetes-int-or-string": True,
    "description": "How many locations must be DOWN for the check to be: ANY, MAJORITY, ALL that have decided, or a "
    f"number. Default: {DEFAULT_QUORUM}.",
    RULES: [
        validation(
            f"type(self) == int ? self >= 1 && self <= {MAXIMUM_LOCATIONS} : self in [{_RULES}]",
            f"must be ANY, MAJORITY, ALL, or how many locations: 1 to {MAXIMUM_LOCATIONS}",
        )
    ],
}


def location_rules() -> list[Validation]:
    """How the fields go together."""
    return [
        validation(
            "!has(self.quorum) || type(self.quorum) != int || "
            "self.quorum <= (has(self.locations) ? size(self.locations) : 1)",
            "must be at most the number of locations",
            "quorum",
        )
    ]
