"""Plain fields are executed without ceremony, with the same answer."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.types import ExecutionResult

from graphql_api.execution import Executor


@strawberry.enum
class Color(Enum):
    RED = "red"
    BLUE = 2


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Cat(Named):
    lives: int


@strawberry.type
class Dog(Named):
    color: Color | None


Pet = Annotated[Cat | Dog, strawberry.union("Pet")]


@strawberry.type
class Owner:
    number: strawberry.Private[int]
    name: str
    born: datetime
    ratio: float
    note: str | None
    tags: list[str | None]
    pets: list[Pet]
    favourite: Named

    @strawberry.field
    def shout(self) -> str:
        return self.name.upper()

    @strawberry.field
    def secret(self, info: strawberry.Info) -> str:
        return f"{info.context} {self.number}"

    @strawberry.field
    def where(self, info: strawberry.Info) -> str:
        return str(info.path.key)

    @strawberry.field
    def neighbour(self) -> "Owner | None":
        return owner(self.number + 10) if self.number < 3 else None

    @strawberry.field
    async def slow(self) -> str:
        return self.name

    @strawberry.field
    def times(self, n: int = 2) -> str:
        return self.name * n

    @strawberry.field
    def odd(self) -> int | None:
        if self.number == 1:
            raise ValueError("one is odd")
        return self.number

    @strawberry.field
    def present(self) -> str:
        return None if self.number == 2 else "here"  # type: ignore[return-value]


def owner(number: int) -> Owner:
    pets: list[Cat | Dog] = [Cat(name="tom", lives=number), Dog(name="rex", color=Color.RED if number % 2 else None)]
    born = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=number)
    note = "odd" if number % 2 else None
    return Owner(
        number=number,
        name=f"o{number}",
        born=born,
        ratio=number / 4,
        note=note,
        tags=["a", None],
        pets=pets,
        favourite=pets[number % 2],
    )


@strawberry.type
class Query:
    @strawberry.field
    def owners(self) -> list[Owner]:
        return [owner(number) for number in range(4)]

    @strawberry.field
    def maybe_owners(self) -> list[Owner | None]:
        return [owner(0), owner(1), owner(2), None, owner(3)]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def births(self) -> AsyncGenerator[Owner]:
        for number in range(20):
            yield owner(number)


usual = strawberry.Schema(Query)
fast = strawberry.Schema(Query, subscription=Subscription, execution_context_class=Executor)

PLAIN = "name born ratio note tags shout secret"
QUERIES = {
    "plain": f"{{ owners {{ __typename {PLAIN} }} }}",
    "objects": "{ owners { neighbour { name neighbour { name } } name } }",
    "unions": "{ owners { pets { __typename ... on Cat { name lives } ... on Dog { color name } } } }",
    "interfaces": "{ owners { favourite { name ... on Dog { color } __typename } } }",
    "aliases": "{ owners { b: name a: note name a2: note } }",
    "fragments": "{ owners { ...f name } } fragment f on Owner { shout name ...g } fragment g on Owner { note }",
    "merged": "{ owners { neighbour { name } neighbour { note } } }",
    "directives": "query ($yes: Boolean = true) { owners { name @skip(if: $yes) note @include(if: $yes) shout } }",
    "async fields": "{ owners { name slow note } }",
    "arguments": "{ owners { name times(n: 3) note twice: times } }",
    "what needs a path": "{ owners { name where note } }",
    "an error in a nullable field": "{ owners { name odd } }",
    "null where none may be": "{ owners { name present } }",
    "null in a list that may hold it": "{ maybeOwners { name present slow } }",
    "errors below": "{ maybeOwners { name neighbour { name odd } } }",
    "nothing": "{ owners { neighbour { } } }",
    "introspection": '{ __type(name: "Owner") { fields { name type { kind name ofType { name } } } } }',
}


async def execute(schema: strawberry.Schema, query: str) -> ExecutionResult:
    return await schema.execute(query, context_value="context")


def shown(result: ExecutionResult) -> tuple[Any, Any]:
    errors = [error.formatted for error in result.errors or []]
    return result.data, sorted(errors, key=str)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_the_answer_is_the_same(query: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "strawberry")
    expected, answer = await execute(usual, query), await execute(fast, query)
    assert shown(answer) == shown(expected)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_fields_come_in_the_order_in_which_they_were_asked_for(query: str) -> None:
    expected, answer = await execute(usual, query), await execute(fast, query)
    assert str(answer.data) == str(expected.data)


async def test_plain_fields_of_many_objects_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[str] = []
    usual_way = Executor.execute_field

    def execute_field(self: Executor, parent_type: Any, source: Any, details: Any, *rest: Any) -> Any:
        executed.append(details[0].node.name.value)
        return usual_way(self, parent_type, source, details, *rest)

    monkeypatch.setattr(Executor, "execute_field", execute_field)
    await execute(fast, "{ owners { name slow neighbour { note } } }")
    assert executed.count("name") == 1
    assert executed.count("note") == 1
    assert executed.count("slow") == 4


async def test_the_events_of_a_subscription_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    executors: list[Executor] = []
    prepare = Executor.__init__

    def init(self: Executor, *args: Any, **kwargs: Any) -> None:
        prepare(self, *args, **kwargs)
        executors.append(self)

    monkeypatch.setattr(Executor, "__init__", init)
    events = await fast.subscribe("subscription { births { name pets { ... on Cat { lives } } } }")
    shown = [event.data async for event in events]
    assert [data["births"]["name"] for data in shown if data] == [f"o{number}" for number in range(20)]
    assert len(executors[0]._relevant_sub_fields) <= 3
