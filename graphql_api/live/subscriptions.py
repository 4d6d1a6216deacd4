"""The subscriptions of the schema.

Their resolvers say what is to be watched and give no event: `graphql_api.live.hub` follows the event log once for all
subscribers, and executes equal subscriptions together.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

import strawberry
from graphql import SKIP, DocumentNode, FieldNode, GraphQLError, VariableNode, Visitor, VisitorAction, visit

from graphql_api.context import Context, Info
from graphql_api.ids import key_of
from graphql_api.live.cursors import cursor_expired, cursor_unknown, position_of
from graphql_api.live.events import CheckResultEvent, IncidentEvent, StatusChangeEvent
from graphql_api.live.pages import Selection
from tocsin.database import Connection
from tocsin.domain.errors import NotFoundError
from tocsin.services.check_rows import check_by_key
from tocsin.services.event_reading import CursorExpiredError, CursorUnknownError, ItemKind, Position, require_replayable
from tocsin.services.sites import site_by_key

SiteId: TypeAlias = Annotated[
    strawberry.ID | None, strawberry.argument(name="siteId", description="Only checks of this site.")
]
CheckId: TypeAlias = Annotated[
    strawberry.ID | None, strawberry.argument(name="checkId", description="Only this check.")
]
After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Begin with what happened after the event that gave this cursor; without it, with what comes now."
    ),
]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a subscription asks for. `after_variable` names the variable that gives `after` and nothing else."""

    selection: Selection
    after: Position | None
    document: DocumentNode
    after_variable: str | None


@dataclass
class SubscriptionContext(Context):
    """The context of an operation that may be a subscription, which leaves here what it asks for.

    `resume_after` is the last cursor that the client has seen: it takes the place of the argument `after`.
    """

    resume_after: str | None = None
    watch: Watch | None = field(default=None, repr=False)


def _told(description: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a subscription of a resolver, with what clients read about it."""

    def decorate(resolver: Callable[..., Any]) -> Any:  # noqa: ANN401 - Strawberry makes a field of its own class
        return strawberry.subscription(resolver, description=description)

    return decorate


@strawberry.type(description="What is told as it happens.")
class Subscription:
    """Each event carries a cursor; nothing after a cursor is ever left out."""

    @_told("Every slot that ends.")
    async def check_results(
        self, info: Info, site_id: SiteId = None, check_id: CheckId = None, after: After = None
    ) -> AsyncGenerator[CheckResultEvent]:
        return await _watch(info, ItemKind.RESULT, site_id, check_id, after)

    @_told("Every change of a check's status.")
    async def status_changes(
        self, info: Info, site_id: SiteId = None, check_id: CheckId = None, after: After = None
    ) -> AsyncGenerator[StatusChangeEvent]:
        return await _watch(info, ItemKind.STATUS_CHANGE, site_id, check_id, after)

    @_told("Everything that happens to incidents.")
    async def incident_events(
        self, info: Info, site_id: SiteId = None, check_id: CheckId = None, after: After = None
    ) -> AsyncGenerator[IncidentEvent]:
        return await _watch(info, ItemKind.INCIDENT_EVENT, site_id, check_id, after)


async def _watch(
    info: Info, kind: ItemKind, site_id: str | None, check_id: str | None, after: str | None
) -> AsyncGenerator[Any]:
    context = info.context
    if not isinstance(context, SubscriptionContext):
        raise GraphQLError("Subscribe through a WebSocket, or at /graphql/stream.")
    organization_id = context.principal.organization_id
    after = context.resume_after or after
    position = None if after is None else position_of(organization_id, after)
    async with context.reading() as connection:
        selection = Selection(kind, await _check_key(connection, check_id), await _site_key(connection, site_id))
        if position is not None:
            await _require_replayable(connection, organization_id, position)
    raw = info._raw_info  # noqa: SLF001 - nothing else knows the fragments
    document = DocumentNode(definitions=(raw.operation, *raw.fragments.values()))
    context.watch = Watch(selection, position, document, _after_variable(document, raw.field_nodes[0]))
    return _no_events()


async def _no_events() -> AsyncGenerator[Any]:
    return
    yield


async def _check_key(connection: Connection, check_id: str | None) -> int | None:
    if check_id is None:
        return None
    key = key_of("check", check_id)
    if key is None or await check_by_key(connection, key) is None:
        raise NotFoundError("check")
    return key


async def _site_key(connection: Connection, site_id: str | None) -> int | None:
    if site_id is None:
        return None
    key = key_of("site", site_id)
    if key is None or await site_by_key(connection, key) is None:
        raise NotFoundError("site")
    return key


async def _require_replayable(connection: Connection, organization_id: int, position: Position) -> None:
    try:
        await require_replayable(connection, organization_id, position)
    except CursorUnknownError:
        raise cursor_unknown() from None
    except CursorExpiredError:
        raise cursor_expired() from None


def _after_variable(document: DocumentNode, node: FieldNode) -> str | None:
    """The variable that gives `after` and is used for nothing else: subscriptions that differ in it alone are equal."""
    for argument in node.arguments or ():
        if argument.name.value == "after" and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            return name if _count(document, name) == 1 else None
    return None


def _count(document: DocumentNode, variable: str) -> int:
    """How often a variable is used."""
    counter = _VariableCounter()
    visit(document, counter)
    return counter.uses[variable]


class _VariableCounter(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.uses: Counter[str] = Counter()

    def enter_variable_definition(self, *_: object) -> VisitorAction:
        return SKIP

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.uses[node.name.value] += 1
