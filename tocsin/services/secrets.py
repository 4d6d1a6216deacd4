"""Secrets that an organization keeps under names, for targets: stored sealed, read back by the engine alone."""

from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.domain.definitions import read_field
from tocsin.domain.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.targets.secrets import validate_secret_name
from tocsin.encryption import KeyRing, NoKeyError, named_secret_place
from tocsin.services import idempotency
from tocsin.services.scope import Scope, in_organization
from tocsin.services.secret_uses import count_uses, try_value

# As long as the longest field that a value may stand in.
MAXIMUM_VALUE_LENGTH: Final = 65_536

# A column of values is not among them: the API's role has no right to read it.
_SELECT: Final = "SELECT id, name, created_at, updated_at FROM secrets"
_INSERT: Final = """
INSERT INTO secrets (organization_id, name, sealed, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT ON CONSTRAINT secrets_name DO NOTHING RETURNING id
"""
_LOCK: Final = f"{_SELECT} WHERE id = $1 FOR UPDATE"
_UPDATE: Final = "UPDATE secrets SET sealed = $2, updated_at = $3 WHERE id = $1"
_DELETE: Final = "DELETE FROM secrets WHERE id = $1"


@in_organization
async def create_secret(scope: Scope, keys: KeyRing, name: str, value: str, *, key: str | None = None) -> int:
    """Keep a value under a name and return the secret's id. Raises InvalidInputError and ConflictError."""
    problems: list[FieldProblem] = []
    read_field(("name",), validate_secret_name, name, problems)
    sealed = _seal(keys, scope.organization_id, name, value, problems)
    # The value itself could be guessed from an ordinary hash of it.
    fields = {"name": name, "value": keys.fingerprint(value) if sealed else None}
    request = idempotency.read_request("createSecret", key, fields, problems)
    if problems:
        raise InvalidInputError(problems)
    if made := await idempotency.find_made(scope, request):
        return made
    secret_id: int | None = await scope.connection.fetchval(
        _INSERT, scope.organization_id, name, sealed, await scope.now()
    )
    if secret_id is None:
        raise ConflictError("Another secret has this name; choose another one, or update that one.", "name")
    await idempotency.keep_made(scope, request, secret_id)
    return secret_id


@in_organization
async def update_secret(scope: Scope, keys: KeyRing, secret_id: int, value: str) -> None:
    """Put another value in its place; slots from the next batch on are probed with it.

    Raises NotFoundError and InvalidInputError.
    """
    row, problems = await _lock(scope, secret_id), list[FieldProblem]()
    sealed = _seal(keys, scope.organization_id, row["name"], value, problems)
    if not problems:
        await try_value(scope, row, value, problems)
    if problems:
        raise InvalidInputError(problems)
    await scope.connection.execute(_UPDATE, secret_id, sealed, await scope.now())


@in_organization
async def delete_secret(scope: Scope, secret_id: int) -> asyncpg.Record:
    """Remove a secret that no check names, and return its row as it was. Raises NotFoundError and ConflictError."""
    row = await _lock(scope, secret_id)
    if count := await count_uses(scope, secret_id):
        users = "1 check uses" if count == 1 else f"{count} checks use"
        raise ConflictError(f"{users} the secret {row['name']}; change or delete them first.")
    await scope.connection.execute(_DELETE, secret_id)
    return row


def _seal(keys: KeyRing, organization_id: int, name: str, value: str, problems: list[FieldProblem]) -> bytes | None:
    if read_field(("value",), _validate_value, value, problems) is None:
        return None
    try:
        return keys.seal(value, named_secret_place(organization_id, name))
    except NoKeyError as exc:
        problems.append(FieldProblem(("value",), f"cannot be encrypted: {exc}, for the API and the workers"))
        return None


def _validate_value(value: str) -> str:
    if not 1 <= len(value) <= MAXIMUM_VALUE_LENGTH:
        raise ValueError(f"must have 1 to {MAXIMUM_VALUE_LENGTH} characters")
    if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not contain halves of surrogate pairs; write the characters that they stand for")
    return value


async def _lock(scope: Scope, secret_id: int) -> asyncpg.Record:
    row = await scope.connection.fetchrow(_LOCK, secret_id)
    if row is None:
        raise NotFoundError("secret")
    return row


async def find_secrets(connection: Connection, after: int | None, limit: int) -> list[asyncpg.Record]:
    """Secrets in the order in which they were made, after the one with the key `after`; never their values."""
    statement = f"{_SELECT} WHERE id > $1 ORDER BY id LIMIT $2"
    return await connection.fetch(statement, after or 0, limit)


async def secret_by_key(connection: Connection, key: int) -> asyncpg.Record:
    """A secret without its value. Raises NotFoundError."""
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", key)
    if row is None:
        raise NotFoundError("secret")
    return row
