"""The values that a HealthCheck refers to, read from Secrets of its own namespace."""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from healthcheck_operator.cluster import Cluster, ForbiddenCallError, MissingObjectError
from healthcheck_operator.references import UnresolvedError


@dataclass(frozen=True, slots=True)
class SecretValue:
    """What stands under one key, and from which state of its Secret it is."""

    value: str = field(repr=False)
    source_version: str


async def read_secrets(
    cluster: Cluster, namespace: str, references: Collection[str], granted: Collection[str]
) -> dict[str, SecretValue]:
    """The values of `<name>/<key>` references. Raises UnresolvedError, whose message names no value."""
    if not references:
        return {}
    if namespace not in granted:
        raise UnresolvedError(
            "NotGranted", f"Secrets of namespace {namespace} may not be read; add it to operator.secretNamespaces"
        )
    names = {reference.partition("/")[0] for reference in references}
    secrets = {name: await _read(cluster, namespace, name) for name in sorted(names)}
    return {reference: _value(secrets, reference) for reference in sorted(references)}


async def _read(cluster: Cluster, namespace: str, name: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return await cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    except MissingObjectError as exc:
        raise UnresolvedError("NotFound", f"there is no Secret {name} in namespace {namespace}") from exc
    except ForbiddenCallError as exc:
        raise UnresolvedError("NotGranted", f"Secret {name} may not be read; let the operator get it") from exc


def _value(secrets: Mapping[str, Any], reference: str) -> SecretValue:
    name, _, key = reference.partition("/")
    metadata, data = secrets[name]["metadata"], secrets[name].get("data") or {}
    if key not in data:
        raise UnresolvedError("KeyNotFound", f"Secret {name} has no key {key}")
    try:
        value = base64.b64decode(data[key], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise UnresolvedError("InvalidValue", f"Secret {name} holds no UTF-8 text under {key}") from None
    if not value:
        raise UnresolvedError("InvalidValue", f"Secret {name} holds nothing under {key}; give it a value")
    return SecretValue(value, f"{metadata['uid']}/{metadata['resourceVersion']}")
