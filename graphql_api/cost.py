"""What an operation costs: one for each field of each object, more for a field that asks the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from graphql_api.pagination import MAXIMUM_PAGE_SIZE

# Fields with these arguments ask the database, once for each object that they are fields of.
_QUERYING: Final = frozenset({"first", "window"})
_COST_OF_QUERYING: Final = 10
_COST_OF_INTROSPECTION: Final = 2_000
# Arguments that say how many objects come back.
_SIZES: Final = ("first", "buckets")
# Lists without such an argument are short: labels, headers.
_SHORT_LIST: Final = 5
_DIGITS: Final = 10
_INTROSPECTION: Final = {"__schema": "__Schema", "__type": "__Type"}


@dataclass(frozen=True, slots=True)
class Size:
    """How many objects a field brings: a number, or the variable that holds it."""

    number: int
    variable: str | None = None

    def given(self, variables: Mapping[str, Any]) -> int:
        """The number, within the size of a page: the field itself refuses others."""
        value = self.number if self.variable is None else variables.get(self.variable, self.number)
        return min(max(value, 0), MAXIMUM_PAGE_SIZE) if isinstance(value, int) else MAXIMUM_PAGE_SIZE


_ONE: Final = Size(1)


@dataclass(slots=True)
class Selection:
    """What is selected on an object: its own cost, and what is selected on the objects that its fields bring.

    Fragments are shared, not copied, so nesting them costs no more than writing them.
    """

    own: int = 0
    depth: int = 0
    inner: list[tuple[Size, "Selection"]] = field(default_factory=list)

    def add(self, size: Size, selection: "Selection", levels: int) -> None:
        self.inner.append((size, selection))
        self.depth = max(self.depth, selection.depth + levels)

    def cost(self, variables: Mapping[str, Any], known: dict[int, int] | None = None) -> int:
        known = {} if known is None else known
        if id(self) not in known:
            inner = (size.given(variables) * selection.cost(variables, known) for size, selection in self.inner)
            known[id(self)] = self.own + sum(inner)
        return known[id(self)]


class Surveyor:
    """Measures the operations of one document."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._surveyed: dict[str, Selection] = {}

    def survey(self, selection_set: SelectionSetNode, parent: GraphQLNamedType | None) -> Selection:
        """Measure what is selected on a type; what the schema does not know costs like a plain field."""
        selection = Selection(depth=1)
        for node in selection_set.selections:
            self._add(selection, node, parent)
        return selection

    def _add(self, selection: Selection, node: SelectionNode, parent: GraphQLNamedType | None) -> None:
        if isinstance(node, FieldNode):
            self._add_field(selection, node, parent)
        elif isinstance(node, FragmentSpreadNode):
            selection.add(_ONE, self._fragment(node.name.value), levels=0)
        else:
            condition = node.type_condition  # type: ignore[attr-defined]  # an inline fragment
            kind = self._schema.get_type(condition.name.value) if condition else parent
            selection.add(_ONE, self.survey(node.selection_set, kind), levels=0)  # type: ignore[attr-defined]

    def _fragment(self, name: str) -> Selection:
        if name not in self._surveyed:
            self._surveyed[name] = Selection()  # what a cycle finds; validation refuses cycles
            if fragment := self._fragments.get(name):
                kind = self._schema.get_type(fragment.type_condition.name.value)
                self._surveyed[name] = self.survey(fragment.selection_set, kind)
        return self._surveyed[name]

    def _add_field(self, selection: Selection, node: FieldNode, parent: GraphQLNamedType | None) -> None:
        selection.own += 1
        name = node.name.value
        if name in _INTROSPECTION:
            selection.own += _COST_OF_INTROSPECTION
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) and name in parent.fields:
            definition = parent.fields[name]
            selection.own += _COST_OF_QUERYING * bool(_QUERYING.intersection(definition.args))
            size = _size(node, definition, parent)
            kind: GraphQLNamedType | None = get_named_type(definition.type)
        else:
            size, kind = _ONE, self._schema.get_type(_INTROSPECTION.get(name, ""))
        if node.selection_set:
            selection.add(size, self.survey(node.selection_set, kind), levels=1)


def _size(node: FieldNode, definition: GraphQLField, parent: GraphQLObjectType | GraphQLInterfaceType) -> Size:
    for name in _SIZES:
        if name in definition.args:
            return _argument(node, name, definition.args[name].default_value)
    kind = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
    is_page = "pageInfo" in parent.fields or parent.name.startswith("__")
    return Size(_SHORT_LIST) if isinstance(kind, GraphQLList) and not is_page else _ONE


def _argument(node: FieldNode, name: str, default: Any) -> Size:  # noqa: ANN401 - graphql-core's own type
    default = default if isinstance(default, int) else MAXIMUM_PAGE_SIZE
    for argument in node.arguments or ():
        if argument.name.value == name:
            if isinstance(argument.value, VariableNode):
                return Size(default, argument.value.name.value)
            return Size(whole_number(argument.value) if isinstance(argument.value, IntValueNode) else default)
    return Size(default)


def whole_number(node: IntValueNode) -> int:
    """The number as written, or one that is as good as any that is too large."""
    return int(node.value) if len(node.value) < _DIGITS else MAXIMUM_PAGE_SIZE
