"""Idempotency keys: a request that is repeated finds what it made, instead of making it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from tocsin.domain.errors import ConflictError, FieldProblem
from tocsin.domain.texts import validate_key
from tocsin.services.scope import Scope


@dataclass(frozen=True, slots=True)
class Request:
    """One creation that a client named; equal input has an equal hash."""

    operation: str
    key: str
    hash: bytes


def read_request(
    operation: str, key: str | None, fields: Mapping[str, Any], problems: list[FieldProblem]
) -> Request | None:
    """What the client named its request; None without a name. A bad one is added to the problems."""
    if key is None:
        return None
    try:
        validate_key(key)
    except ValueError as exc:
        problems.append(FieldProblem(("idempotency_key",), str(exc)))
        return None
    return Request(operation, key, sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).digest())


# Who asks at the same time waits here, and then finds the row. Should the lock fail, the primary key decides.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, $3))"
_FIND = "SELECT request_hash, object_id FROM idempotency_keys WHERE operation = $1 AND key = $2"
_KEEP = """
INSERT INTO idempotency_keys (organization_id, operation, key, request_hash, object_id) VALUES ($1, $2, $3, $4, $5)
"""


async def find_made(scope: Scope, request: Request | None) -> int | None:
    """The key of what an equal request made. Raises ConflictError when the other one was not equal."""
    if request is None:
        return None
    await scope.connection.execute(_LOCK, request.operation, request.key, scope.organization_id)
    row = await scope.connection.fetchrow(_FIND, request.operation, request.key)
    if row is None:
        return None
    if row["request_hash"] != request.hash:
        raise ConflictError("This idempotency key was used with another input.", "idempotency_key")
    made: int = row["object_id"]
    return made


async def keep_made(scope: Scope, request: Request | None, object_id: int) -> None:
    """Remember what the request made."""
    if request is not None:
        await scope.connection.execute(
            _KEEP, scope.organization_id, request.operation, request.key, request.hash, object_id
        )
