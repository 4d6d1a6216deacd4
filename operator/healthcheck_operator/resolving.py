"""What a spec leaves to other objects: where its target is and what its Secrets hold, with a condition for each."""

from collections.abc import Collection, ItemsView, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from healthcheck_operator.cluster import Cluster
from healthcheck_operator.conditions import Condition, Truth, is_false
from healthcheck_operator.references import UnresolvedError, resolve
from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.secret_values import SecretValue, read_secrets
from healthcheck_operator.specs import Wish, spec_path
from tocsin.domain.targets import KINDS, parse_target, target_problems
from tocsin.domain.targets.model import is_set_by_operator
from tocsin.domain.targets.secrets import Path, find_references, replaced
from tocsin.encryption import KeyRing, NoKeyError


class Resolver:
    """Reads other objects of a HealthCheck's own namespace. Raises ClusterError."""

    def __init__(self, cluster: Cluster, secret_namespaces: Collection[str], keys: KeyRing) -> None:
        self._cluster = cluster
        self._secret_namespaces = secret_namespaces
        self._keys = keys

    async def find_target(self, healthcheck: HealthCheck, wish: Wish) -> tuple[dict[str, Any], Condition]:
        """The target's fields, complete if the condition is true."""
        namespaced = {name: healthcheck.namespace for name, info in _fields(wish.kind) if is_set_by_operator(info)}
        target = {**wish.target, **namespaced}
        if wish.reference is None:
            return target, Condition("TargetResolved", Truth.TRUE, "Given", "the spec says where the target is")
        as_url = "url" in KINDS[wish.kind].model_fields
        try:
            address = await resolve(self._cluster, healthcheck.namespace, wish.reference, as_url=as_url)
            _judge_values(wish.kind, target, {(field,): value for field, value in address.items()})
        except UnresolvedError as exc:
            return target, is_false("TargetResolved", exc.reason, str(exc))
        return {**target, **address}, Condition("TargetResolved", Truth.TRUE, "Resolved", "the reference leads to it")

    async def read_secrets(
        self, namespace: str, kind: str, target: Mapping[str, Any]
    ) -> tuple[dict[str, SecretValue], Condition]:
        """The values that the target refers to, by reference: all of them if the condition is true."""
        references = find_references(KINDS[kind], target)
        if not references:
            return {}, Condition("SecretsResolved", Truth.TRUE, "NotNeeded", "the spec refers to no Secret")
        try:
            self._keys.first_id  # noqa: B018 - without a key nothing can be stored
            values = await read_secrets(self._cluster, namespace, set(references.values()), self._secret_namespaces)
            _judge_values(kind, target, {path: values[reference].value for path, reference in references.items()})
        except UnresolvedError as exc:
            return {}, is_false("SecretsResolved", exc.reason, str(exc))
        except NoKeyError as exc:
            return {}, is_false("SecretsResolved", "NoEncryptionKey", str(exc))
        return values, Condition("SecretsResolved", Truth.TRUE, "Resolved", "every Secret was read")


def _fields(kind: str) -> ItemsView[str, FieldInfo]:
    return KINDS[kind].model_fields.items()


def _judge_values(kind: str, target: Mapping[str, Any], values: Mapping[Path, str | int]) -> None:
    """Raise UnresolvedError, without the value, where a value from elsewhere cannot stand."""
    try:
        parse_target(kind, replaced(target, values))
    except ValidationError as exc:
        for problem in target_problems(kind, exc):
            if any(problem.path[2 : 2 + len(path)] == path for path in values):
                message = f"the value of {spec_path(problem)} {problem.message}"
                raise UnresolvedError("InvalidValue", message) from None
