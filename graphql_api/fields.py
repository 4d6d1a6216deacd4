"""Fields with a resolver, typed: Strawberry's own decorator gives `Any` when it takes a description."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import strawberry

from graphql_api.problems import problem_of
from tocsin.domain.errors import TocsinError

Id = Annotated[strawberry.ID, strawberry.argument(description="Global id.")]


def described(description: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a field of a resolver, with what clients read about it."""

    def decorate(resolver: Callable[..., Any]) -> Any:  # noqa: ANN401 - Strawberry makes a field of its own class
        return strawberry.field(resolver, description=description)

    return decorate


def changing(description: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a mutation of a resolver: refused to those who may not, and what it raises is part of its answer."""

    def decorate(resolver: Callable[..., Any]) -> Any:  # noqa: ANN401 - as above
        @wraps(resolver)
        async def answer(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the resolver
            try:
                await kwargs["info"].context.begin_change()
                return await resolver(*args, **kwargs)
            except TocsinError as refusal:
                return problem_of(refusal)

        return strawberry.mutation(answer, description=description)

    return decorate
