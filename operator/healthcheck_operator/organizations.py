"""Which organization a namespace belongs to. The cluster's administrator says so, never a label on an object."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from healthcheck_operator.references import UnresolvedError
from tocsin.services.kubernetes_objects import organization_ids

_ALL_OTHERS: Final = "*"
# How long an organization that was not there is believed not to be.
_REMEMBERED_SECONDS: Final = 30.0


class Organizations:
    """Maps namespaces to the ids of organizations."""

    def __init__(self, names: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._names = names
        self._clock = clock
        self._ids: dict[str, int] = {}
        self._read_at = float("-inf")

    async def id_of(self, namespace: str) -> int:
        """Raises UnresolvedError for a namespace that belongs to nobody."""
        name = self._names.get(namespace) or self._names.get(_ALL_OTHERS)
        if name is None:
            raise UnresolvedError(
                "NamespaceNotMapped",
                f"namespace {namespace} belongs to no organization; add it to operator.namespaceOrganizations "
                "(TOCSIN_NAMESPACE_ORGANIZATIONS)",
            )
        if name not in self._ids and self._clock() - self._read_at > _REMEMBERED_SECONDS:
            self._ids = await organization_ids(list(self._names.values()))
            self._read_at = self._clock()
        if name not in self._ids:
            raise UnresolvedError(
                "OrganizationNotFound",
                f"there is no organization {name}; make it with `tocsin token create --name ... --organization {name}`",
            )
        return self._ids[name]
