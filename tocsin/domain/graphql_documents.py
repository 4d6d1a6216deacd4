"""GraphQL documents, as far as they can be judged without the server's schema."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graphql import GraphQLSyntaxError

# Far more than an operation has; as many are read within some 25 ms.
_MOST_TOKENS: Final = 5000
_TOO_LARGE: Final = f"must have at most {_MOST_TOKENS} words and signs, and be nested less; ask for less"


@lru_cache(maxsize=1024)
def validate_document(text: str) -> str:
    """Return the document unchanged. Raises ValueError with the place, and without what stands there."""
    from graphql import GraphQLSyntaxError, parse  # noqa: PLC0415 - it takes 100 ms and loads asyncio

    try:
        parse(text, no_location=True, max_tokens=_MOST_TOKENS)
    except RecursionError:
        raise ValueError(_TOO_LARGE) from None
    except GraphQLSyntaxError as exc:
        raise ValueError(_TOO_LARGE if "aborted" in exc.message else _wrong_syntax(exc)) from None
    return text


@lru_cache(maxsize=1024)
def is_subscription(text: str, operation_name: str | None) -> bool:
    """Whether a valid document's operation, by its name or the first one, is a subscription."""
    from graphql import OperationDefinitionNode, OperationType, parse  # noqa: PLC0415 - as above

    found = [each for each in parse(text, no_location=True).definitions if isinstance(each, OperationDefinitionNode)]
    chosen = [each for each in found if operation_name in (None, each.name and each.name.value)]
    return bool(chosen) and chosen[0].operation is OperationType.SUBSCRIPTION


def _wrong_syntax(error: "GraphQLSyntaxError") -> str:
    where = "".join(f" at line {place.line}, column {place.column}" for place in error.locations or ())
    return f"must be a document in GraphQL, such as {{ shop {{ name }} }}; it is wrong{where}"
