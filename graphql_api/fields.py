"""Fields with a resolver, typed: Strawberry's own decorator gives `Any` when it takes a description."""

from collections.abc import Callable
from typing import Any

import strawberry


def described(description: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a field of a resolver, with what clients read about it."""

    def decorate(resolver: Callable[..., Any]) -> Any:  # noqa: ANN401 - Strawberry makes a field of its own class
        return strawberry.field(resolver, description=description)

    return decorate


def changing(description: str) -> Callable[[Callable[..., Any]], Any]:
    """The same for a mutation."""

    def decorate(resolver: Callable[..., Any]) -> Any:  # noqa: ANN401 - as above
        return strawberry.mutation(resolver, description=description)

    return decorate
