"""Subscribers who stand at one position of the event log, and are led on together."""

from collections.abc import Sequence
from typing import Protocol

from graphql import GraphQLError

from graphql_api.live.batches import Batch
from graphql_api.live.pages import ShownItem
from tocsin.services.event_reading import Position


class Subscriber(Protocol):
    """Whoever gets the events of one subscription."""

    @property
    def has_room(self) -> bool:
        """Whether its client has read most of what it was sent."""

    def deliver(self, batch: Batch) -> None:
        """Take some events, at once."""

    async def drained(self) -> None:
        """Wait until there is room, or nobody is there any more."""

    def fail(self, error: GraphQLError) -> None:
        """Learn that no more events come."""


class Cohort:
    """Who comes with a position further on waits until the others have reached it.

    Nobody joins a cohort that is `alone`: it has a client that reads slowly.
    """

    def __init__(self, position: Position, *, alone: bool = False) -> None:
        self.position = position
        self.alone = alone
        self._here: dict[Subscriber, None] = {}
        self._ahead: dict[Subscriber, Position] = {}

    @property
    def everybody(self) -> tuple[Subscriber, ...]:
        return (*self._here, *self._ahead)

    def add(self, subscriber: Subscriber, position: Position) -> None:
        """Let somebody join who has seen everything up to a position, which is not before this cohort's."""
        if position <= self.position:
            self._here[subscriber] = None
        else:
            self._ahead[subscriber] = position

    def position_of(self, subscriber: Subscriber) -> Position:
        """How far somebody of this cohort has seen everything."""
        return self._ahead.get(subscriber, self.position)

    def remove(self, subscriber: Subscriber) -> None:
        self._here.pop(subscriber, None)
        self._ahead.pop(subscriber, None)

    def deliver(self, items: Sequence[ShownItem], batch: Batch) -> None:
        """Give everybody the events of these items that they have not seen, and stand at the last of them."""
        for subscriber in tuple(self._here):
            subscriber.deliver(batch)
        for subscriber, position in tuple(self._ahead.items()):
            pairs = zip(items, batch.payloads, strict=True)
            if unseen := [payload for item, payload in pairs if item.position > position]:
                subscriber.deliver(Batch(unseen))
        self.advance(items[-1].position)

    def advance(self, position: Position) -> None:
        """Stand further on: nothing is to be shown up to there."""
        self.position = position
        if self._ahead:
            for subscriber in [waiting for waiting, ahead in self._ahead.items() if ahead <= position]:
                del self._ahead[subscriber]
                self._here[subscriber] = None

    def move_to(self, other: "Cohort") -> None:
        """Join another cohort, which stands where this one has come to."""
        for subscriber in self.everybody:
            other.add(subscriber, self.position_of(subscriber))
