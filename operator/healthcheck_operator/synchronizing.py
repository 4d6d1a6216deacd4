"""Make the database agree with one HealthCheck, and say in conditions how far that went."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import orjson
import structlog
from tortoise.exceptions import BaseORMException

from healthcheck_operator.cluster_name import ClusterName
from healthcheck_operator.conditions import Condition, Truth, is_false
from healthcheck_operator.organizations import Organizations
from healthcheck_operator.references import UnresolvedError
from healthcheck_operator.resolving import Resolver
from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.secret_values import SecretValue
from healthcheck_operator.shown import shown_spec
from healthcheck_operator.specs import Wish, read_spec, spec_path
from healthcheck_operator.statuses import Attempt
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import InvalidInputError
from tocsin.encryption import KeyRing
from tocsin.services.check_secrets import store_secret, stored_versions
from tocsin.services.kubernetes_objects import (
    DeletionPolicy,
    DesiredCheck,
    KnownObject,
    ObjectKey,
    apply_object,
    let_go,
)
from tocsin.services.locations import UnknownLocationError

DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, BaseORMException, OSError, TimeoutError)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Synchronizer:
    """Applies objects. `known` is what the database holds already, so that what is in step costs no statement."""

    def __init__(
        self,
        cluster_name: ClusterName,
        organizations: Organizations,
        resolver: Resolver,
        keys: KeyRing,
    ) -> None:
        self._cluster_name = cluster_name
        self._organizations = organizations
        self._resolver = resolver
        self._keys = keys
        self.known: dict[UUID, KnownObject] = {}

    async def synchronize(self, healthcheck: HealthCheck) -> Attempt:
        """Apply what the object wants, unless it is applied already. Raises ClusterError."""
        try:
            return await self._synchronize(healthcheck)
        except UnknownLocationError as exc:
            failed = self._failed(healthcheck, (is_false("Synced", "UnknownLocation", _told(exc)), *_NOTHING_WRONG[1:]))
            return replace(failed, depends_on_others=True)
        except InvalidInputError as exc:
            return self._failed(healthcheck, _refusal(exc))
        except UnresolvedError as exc:
            failed = self._failed(healthcheck, (is_false("Synced", exc.reason, str(exc)), *_NOTHING_WRONG[1:]))
            return replace(failed, depends_on_others=True)
        except DATABASE_ERRORS as exc:
            _logger.warning("database_unavailable", object=str(healthcheck), error=type(exc).__name__)
            return replace(self._failed(healthcheck, _DATABASE_AWAY), needs_retry=True)

    async def _synchronize(self, healthcheck: HealthCheck) -> Attempt:
        wish = read_spec(healthcheck.spec, healthcheck.namespace, healthcheck.name)
        await self._cluster_name.claim()
        organization_id = await self._organizations.id_of(healthcheck.namespace)
        target, found = await self._resolver.find_target(healthcheck, wish)
        secrets, read = await self._resolver.read_secrets(healthcheck.namespace, wish.kind, target)
        shown, depends = shown_spec(wish, target), bool(wish.reference or secrets)
        if found.status is Truth.FALSE or read.status is Truth.FALSE:
            waiting = is_false("Synced", "NotResolved", "what the spec refers to is missing; it goes on as before")
            failed = self._failed(healthcheck, (waiting, found, read, _NOT_STALLED))
            return replace(failed, shown=shown, depends_on_others=True)
        desired = self._desired(healthcheck, wish, target, secrets)
        check_id = await self._apply(organization_id, desired)
        await self._store_secrets(organization_id, check_id, secrets)
        synced = Condition("Synced", Truth.TRUE, "Applied", "the database holds this generation")
        return Attempt((synced, found, read, _NOT_STALLED), organization_id, check_id, shown, depends_on_others=depends)

    def _failed(self, healthcheck: HealthCheck, conditions: tuple[Condition, ...]) -> Attempt:
        """An attempt that changed nothing; what was applied before goes on."""
        before = self.known.get(healthcheck.uid)
        if before is None:
            return Attempt(conditions)
        return Attempt(conditions, before.organization_id, before.check_id)

    def _desired(
        self, healthcheck: HealthCheck, wish: Wish, target: Mapping[str, Any], secrets: Collection[str]
    ) -> DesiredCheck:
        fields = cast("DefinitionFields", {**wish.definition, "target": (wish.kind, target)})
        return DesiredCheck(
            key=ObjectKey(self._cluster_name.name, healthcheck.namespace, healthcheck.name),
            uid=healthcheck.uid,
            generation=healthcheck.generation,
            deletion_policy=DeletionPolicy(wish.deletion_policy),
            site=wish.site,
            fields=fields,
            paused=wish.suspend,
            applied_hash=sha256(orjson.dumps((fields, wish), option=orjson.OPT_SORT_KEYS)).digest(),
            secrets=frozenset(secrets),
        )

    async def _apply(self, organization_id: int, desired: DesiredCheck) -> int:
        before = self.known.get(desired.uid)
        if before is not None and before.organization_id != organization_id:
            await let_go(before.organization_id, before.key, before.uid)
        elif before is not None and before.applied_hash == desired.applied_hash and not before.is_retained:
            return before.check_id
        check_id = await apply_object(organization_id, desired)
        self.known[desired.uid] = KnownObject(
            organization_id,
            check_id,
            desired.key,
            desired.uid,
            desired.generation,
            desired.applied_hash,
            is_retained=False,
        )
        return check_id

    async def _store_secrets(self, organization_id: int, check_id: int, secrets: Mapping[str, SecretValue]) -> None:
        if not secrets:
            return
        stored = await stored_versions(organization_id, [check_id])
        for reference, secret in secrets.items():
            if stored.get((check_id, reference)) != secret.source_version:
                version, value = secret.source_version, secret.value
                await store_secret(organization_id, self._keys, check_id, reference, version, value)

    def correct(self, remembered: Mapping[UUID, KnownObject], stored: Mapping[UUID, KnownObject]) -> list[UUID]:
        """Believe the database, which may have been put back to an earlier state, and return what it forgot.

        What was applied since it was remembered is left as it is.
        """
        wrong = [uid for uid, known in remembered.items() if stored.get(uid) != known == self.known.get(uid)]
        for uid in wrong:
            self.known.pop(uid)
        self.known.update({uid: known for uid, known in stored.items() if uid in wrong or uid not in self.known})
        return wrong

    async def let_go(self, uid: UUID) -> None:
        """End what an object owned that is gone. Raises DATABASE_ERRORS."""
        if known := self.known.get(uid):
            await let_go(known.organization_id, known.key, uid)
            self.known.pop(uid, None)


def _refusal(error: InvalidInputError) -> tuple[Condition, ...]:
    """The conditions of a spec that will never do: trying again changes nothing."""
    message = _told(error)
    stalled = Condition("Stalled", Truth.TRUE, "InvalidSpec", message)
    return (is_false("Synced", "InvalidSpec", message), *_NOTHING_WRONG[1:3], stalled)


def _told(error: InvalidInputError) -> str:
    return "; ".join(f"{spec_path(problem)} {problem.message}" for problem in error.problems)


_NOT_STALLED: Final = Condition("Stalled", Truth.FALSE, "Progressing", "nothing keeps the operator from going on")
_NOTHING_WRONG: Final = (
    Condition("Synced", Truth.UNKNOWN, "NotTried", ""),
    Condition("TargetResolved", Truth.UNKNOWN, "NotTried", "the spec was not read that far"),
    Condition("SecretsResolved", Truth.UNKNOWN, "NotTried", "the spec was not read that far"),
    _NOT_STALLED,
)
_DATABASE_AWAY: Final = (
    is_false("Synced", "DatabaseUnavailable", "the database does not answer; the operator tries again"),
    *_NOTHING_WRONG[1:],
)
