"""Documents, parsed, limited and validated once: clients send the same ones again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    IntValueNode,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graphql_api.cost import Selection, Surveyor, whole_number
from graphql_api.errors import limit_exceeded
from graphql_api.limits import (
    MAXIMUM_COMMENTS,
    MAXIMUM_COST,
    MAXIMUM_DEPTH,
    MAXIMUM_SOURCE_LENGTH,
    MAXIMUM_TOKENS,
    oversize,
)

_KEPT: Final = 128
_MAXIMUM_ERRORS: Final = 20


@dataclass(frozen=True)
class Prepared:
    """A document, what is wrong with it, and what each of its operations costs."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    selections: dict[str | None, Selection]


@lru_cache(_KEPT)
def prepare(schema: GraphQLSchema, source: str) -> Prepared:
    """Parse and validate a document. Raises GraphQLError when it cannot be parsed."""
    document = _parse(source)
    if error := oversize(document):
        return Prepared(document, (error,), {})
    selections = _survey(schema, document)
    if any(selection.depth > MAXIMUM_DEPTH for selection in selections.values()):
        return Prepared(document, (limit_exceeded("depth", MAXIMUM_DEPTH, _TOO_DEEP),), {})
    rules = (*specified_rules, OneOfInputValidationRule)
    errors = validate(schema, document, rules, max_errors=_MAXIMUM_ERRORS, hide_suggestions=True)
    return Prepared(document, tuple(errors), selections)


def _parse(source: str) -> DocumentNode:
    try:
        return parse(
            source,
            max_lexical_tokens=MAXIMUM_TOKENS,
            max_comments=MAXIMUM_COMMENTS,
            max_source_length=MAXIMUM_SOURCE_LENGTH,
        )
    except GraphQLSyntaxError as exc:
        raise _limit_of(exc) or exc from exc


_TOO_DEEP: Final = f"An operation may be at most {MAXIMUM_DEPTH} levels deep."
# How the parser says that it has met a limit.
_PARSER_LIMITS: Final = {
    "tokens.": ("tokens", MAXIMUM_TOKENS, f"A document may have at most {MAXIMUM_TOKENS} tokens."),
    "comments.": ("comments", MAXIMUM_COMMENTS, f"A document may have at most {MAXIMUM_COMMENTS} comments."),
    "code points.": (
        "length",
        MAXIMUM_SOURCE_LENGTH,
        f"A document may have at most {MAXIMUM_SOURCE_LENGTH} characters.",
    ),
    "nested too deeply": ("depth", MAXIMUM_DEPTH, _TOO_DEEP),
}


def _limit_of(error: GraphQLSyntaxError) -> GraphQLError | None:
    limits = (limit for words, limit in _PARSER_LIMITS.items() if words in error.message)
    limit = next(limits, None)
    return None if limit is None else limit_exceeded(*limit)


def _survey(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Selection]:
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    surveyor = Surveyor(schema, fragments)
    return {
        _name(definition): surveyor.survey(definition.selection_set, schema.get_root_type(definition.operation))
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    }


def _name(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


class Documents(SchemaExtension):
    """Puts prepared documents in the place of Strawberry's own parsing and validation."""

    _prepared: Prepared

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            self._prepared = prepare(context.schema._schema, context.query)  # noqa: SLF001 - as its own extensions do
            context.graphql_document = self._prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        errors = self._prepared.errors or self._too_dear(context.operation_name, context.variables or {})
        context.pre_execution_errors = list(errors)
        yield

    def _too_dear(self, operation_name: str | None, variables: dict[str, Any]) -> tuple[GraphQLError, ...]:
        operation = get_operation_ast(self._prepared.document, operation_name)
        if operation is None:
            return ()
        given = {**_defaults(operation), **variables}
        cost = self._prepared.selections[_name(operation)].cost(given)
        if cost <= MAXIMUM_COST:
            return ()
        message = f"The operation costs {cost}, at most {MAXIMUM_COST} is allowed; ask for smaller pages."
        return (limit_exceeded("cost", MAXIMUM_COST, message),)


def _defaults(operation: OperationDefinitionNode) -> dict[str, int]:
    return {
        definition.variable.name.value: whole_number(definition.default_value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
