"""What is kept for as long as something else is, such as the request that was made of a target."""

from typing import Generic, TypeVar
from weakref import ref

V = TypeVar("V")


class Kept(Generic[V]):
    """Values by the very objects that they belong to, and gone with them.

    Unlike those of a `WeakKeyDictionary`, the objects are not hashed and compared, which for a target costs a tenth of
    its probe.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[ref[object], V]] = {}

    def get(self, holder: object) -> V | None:
        entry = self._entries.get(id(holder))
        return None if entry is None else entry[1]

    def keep(self, holder: object, value: V) -> None:
        key = id(holder)
        # Called before the id can be another's.
        self._entries[key] = (ref(holder, lambda _: self._entries.pop(key, None)), value)

    def values(self) -> list[V]:
        return [value for _, value in self._entries.values()]
