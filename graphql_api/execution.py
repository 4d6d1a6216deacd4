"""Executes plain fields without ceremony.

graphql-core gives each field of each object a path, an info and a resolver of three layers, which is most of what a
page costs. Where a selection is made on many objects, the fields that need none of this are read by functions that are
put together once. Whatever is not plain, or fails, goes the usual way, which alone knows how to say what went wrong.
"""

from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    GraphQLUnionType,
)
from graphql.execution.collect_fields import DeferUsage, FieldDetails
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

Read: TypeAlias = Callable[[Any], Any]
Selected: TypeAlias = dict[str, list[FieldDetails]]
_DEFINITION: Final = "strawberry-definition"


class NotPlainError(Exception):
    """Something that the usual way has to deal with."""


class Plan:
    """How a selection is made on an object: what can be read at once, and what is left."""

    def __init__(self, reads: dict[str, Read], rest: Selected, names: list[str]) -> None:
        self._reads = list(reads.items())
        self._names = names
        self.rest = rest

    def read(self, source: object) -> dict[str, Any]:
        return {name: read(source) for name, read in self._reads}

    def join(self, read: dict[str, Any], executed: dict[str, Any]) -> dict[str, Any]:
        """Both parts, in the order in which they were asked for."""
        return {name: read[name] if name in read else executed[name] for name in self._names}


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Of one operation. A subscription has one for all its events: graphql-core copies it, and the copies share these.

    graphql-core collects the fields of the root for each event anew, and keeps what it finds below them by their
    identity, for ever; so the first collection serves all events.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - graphql-core's own signatures
        super().__init__(*args, **kwargs)
        self._root: list[Selected] = []
        self._plans: dict[int, Plan | None] = {}
        # What plain resolvers take from it.
        self._info: Any = Info(_raw_info=SimpleNamespace(context=self.context_value), _field=None)  # type: ignore[arg-type]

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,  # noqa: ANN401
        grouped_field_set: Selected,
        serially: bool,
        new_defer_usages: Sequence[DeferUsage],
    ) -> Any:  # noqa: ANN401
        """Execute the operation or one event of it."""
        if not self._root:
            self._root.append(grouped_field_set)
        return super().execute_collected_root_fields(root_type, root_value, self._root[0], serially, new_defer_usages)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,  # noqa: ANN401
        path: Path | None,
        grouped_field_set: Selected,
        position_context: Any,  # noqa: ANN401
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Execute what is selected on one object."""
        execute = super().execute_fields
        plan = self._plan(parent_type, grouped_field_set)
        if plan is None:
            return execute(parent_type, source_value, path, grouped_field_set, position_context)
        try:
            read = plan.read(source_value)
        except Exception:
            return execute(parent_type, source_value, path, grouped_field_set, position_context)
        if not plan.rest:
            return read
        executed = execute(parent_type, source_value, path, plan.rest, position_context)
        if isinstance(executed, dict):
            return plan.join(read, executed)
        return _joined(plan, read, executed)

    def _plan(self, parent_type: GraphQLObjectType, selected: Selected) -> Plan | None:
        """None when the selection is made for the first time: on a single object, a plan costs more than it saves."""
        key = id(selected)  # each of them is kept as long as the executor
        if key not in self._plans:
            self._plans[key] = None
            return None
        plan = self._plans[key]
        if plan is None:
            plan = self._plans[key] = self._make_plan(parent_type, selected)
        return plan

    def _make_plan(self, parent_type: GraphQLObjectType, selected: Selected) -> Plan:
        reads: dict[str, Read] = {}
        rest: Selected = {}
        for name, details in selected.items():
            try:
                reads[name] = self._read_field(parent_type, details)
            except NotPlainError:
                rest[name] = details
        return Plan(reads, rest, list(selected))

    def _read_field(self, parent_type: GraphQLObjectType, details: list[FieldDetails]) -> Read:
        name = details[0].node.name.value
        if name == "__typename":
            return lambda _: parent_type.name
        definition = parent_type.fields.get(name)
        if definition is None or definition.args or _DEFINITION not in definition.extensions:
            raise NotPlainError
        resolve = self._resolve(definition)
        complete = self._complete(definition.type, details)
        return lambda source: complete(resolve(source))

    def _resolve(self, definition: GraphQLField) -> Read:
        field: StrawberryField = definition.extensions[_DEFINITION]
        resolver = field.base_resolver
        if resolver is None:
            return attrgetter(field.python_name)
        if field.is_async or field.extensions:
            raise NotPlainError
        resolve: Callable[..., Any] = resolver.wrapped_func  # type: ignore[assignment]  # never a class method
        if resolver.info_parameter is None:
            return resolve
        info = self._info
        return lambda source: resolve(source, info)

    def _complete(self, kind: GraphQLOutputType, details: list[FieldDetails]) -> Read:
        if isinstance(kind, GraphQLNonNull):
            return self._complete_value(kind.of_type, details)
        complete = self._complete_value(kind, details)
        return lambda value: None if value is None else complete(value)

    def _complete_value(self, kind: Any, details: list[FieldDetails]) -> Read:  # noqa: ANN401 - of any nullable type
        """A function of what is not None; of None, it fails."""
        if isinstance(kind, GraphQLList):
            complete = self._complete(kind.of_type, details)
            return lambda values: [complete(value) for value in values]
        if isinstance(kind, GraphQLObjectType):
            return self._read_object(kind, details)
        if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
            return self._read_abstract(kind, details)
        return _leaf(kind)

    def _read_object(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Read:
        selected = self.collect_subfields(kind, details).grouped_field_set
        reads = [(name, self._read_field(kind, inner)) for name, inner in selected.items()]

        def read_object(source: object) -> dict[str, Any]:
            if source is None:
                raise NotPlainError
            return {name: read(source) for name, read in reads}

        return read_object

    def _read_abstract(self, kind: GraphQLAbstractType, details: list[FieldDetails]) -> Read:
        reads: dict[type, Read] = {}
        for possible in self.schema.get_possible_types(kind):
            reads[possible.extensions[_DEFINITION].origin] = self._read_object(possible, details)
        return lambda source: reads[type(source)](source)


async def _joined(plan: Plan, read: dict[str, Any], executed: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return plan.join(read, await executed)


def _leaf(kind: GraphQLScalarType | GraphQLEnumType) -> Read:
    if isinstance(kind, GraphQLEnumType):
        names = {value.value: name for name, value in kind.values.items()}
        return lambda member: names[member.value]
    coerce = kind.coerce_output_value
    if kind is GraphQLString:
        return lambda value: value if type(value) is str else coerce(value)

    def complete(value: object) -> object:
        if value is None:
            raise NotPlainError
        return coerce(value)

    return complete
