"""How large a document may be. What is too large is refused before anything looks at it closely."""

from collections import Counter
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from graphql_api.errors import limit_exceeded

MAXIMUM_BODY_BYTES: Final = 512 * 1024
MAXIMUM_SOURCE_LENGTH: Final = 64 * 1024
MAXIMUM_TOKENS: Final = 2_000
MAXIMUM_COMMENTS: Final = 500
MAXIMUM_DEPTH: Final = 16
# About a quarter of a second of one core.
MAXIMUM_COST: Final = 20_000

_MAXIMA: Final = {
    "fields": 500,
    "aliases": 30,
    "directives": 30,
    "operations": 10,
    "fragments": 60,
    "fragment spreads": 60,
    # The same name again and again in one place: validation would compare each with each.
    "repeated fields": 10,
}


def oversize(document: DocumentNode) -> GraphQLError | None:
    """The first limit that what stands in a document exceeds."""
    counts = Counter[str]()
    selection_sets: list[SelectionSetNode] = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            counts["operations"] += isinstance(definition, OperationDefinitionNode)
            counts["fragments"] += isinstance(definition, FragmentDefinitionNode)
            counts["directives"] += len(definition.directives or ())
            selection_sets.append(definition.selection_set)
    while selection_sets:
        selection_sets.extend(_count(selection_sets.pop(), counts))
    for limit, maximum in _MAXIMA.items():
        if counts[limit] > maximum:
            return limit_exceeded(limit, maximum, f"A document may have at most {maximum} {limit}.")
    return None


def _count(selection_set: SelectionSetNode, counts: Counter[str]) -> list[SelectionSetNode]:
    """Count one selection set and return those inside it."""
    keys = Counter[str]()
    inner: list[SelectionSetNode] = []
    for selection in selection_set.selections:
        counts["directives"] += len(selection.directives or ())
        if isinstance(selection, FieldNode):
            counts["fields"] += 1
            counts["aliases"] += selection.alias is not None
            keys[(selection.alias or selection.name).value] += 1
        counts["fragment spreads"] += isinstance(selection, FragmentSpreadNode)
        if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
            inner.append(selection.selection_set)
    counts["repeated fields"] = max(counts["repeated fields"], max(keys.values(), default=0))
    return inner
