"""Sites: groups of checks."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from tortoise.exceptions import IntegrityError

from tocsin.database import Connection
from tocsin.domain.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.texts import validate_description, validate_name
from tocsin.models import Check, Site
from tocsin.services import idempotency
from tocsin.services.scope import Scope, in_organization

_VALIDATE = {"name": validate_name, "description": validate_description}


@in_organization
async def create_site(scope: Scope, fields: Mapping[str, str], *, key: str | None = None) -> int:
    """Make a site of `name` and `description` and return its id. Raises InvalidInputError and ConflictError."""
    problems: list[FieldProblem] = []
    request = idempotency.read_request("createSite", key, fields, problems)
    columns = _read(fields, problems)
    if made := await idempotency.find_made(scope, request):
        return made
    now = await scope.now()
    try:
        site = await Site.create(organization_id=scope.organization_id, **columns, created_at=now, updated_at=now)
    except IntegrityError as exc:
        raise _name_taken(exc) from exc
    await idempotency.keep_made(scope, request, site.id)
    site_id: int = site.id
    return site_id


_LOCK_NAMED = "SELECT id FROM sites WHERE name = $1 AND deleted_at IS NULL FOR SHARE"
# Whoever makes the same one meanwhile is waited for.
_MAKE = """
INSERT INTO sites (organization_id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (organization_id, name) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name RETURNING id
"""


async def ensure_site(scope: Scope, name: str) -> int:
    """The site of this valid name, made when there is none, and kept from being deleted meanwhile."""
    found: int | None = await scope.connection.fetchval(_LOCK_NAMED, name)
    if found is not None:
        return found
    made: int = await scope.connection.fetchval(_MAKE, scope.organization_id, name, await scope.now())
    return made


@in_organization
async def update_site(scope: Scope, site_id: int, changes: Mapping[str, str]) -> None:
    """Change the `name` or `description`. Raises InvalidInputError, NotFoundError and ConflictError."""
    site = await _lock(site_id)
    columns = _read(changes, [])
    if any(getattr(site, name) != value for name, value in columns.items()):
        now = await scope.now()
        try:
            await Site.filter(id=site_id).update(**columns, updated_at=now)
        except IntegrityError as exc:
            raise _name_taken(exc) from exc


@in_organization
async def delete_site(scope: Scope, site_id: int) -> None:
    """Delete a site without checks. Raises NotFoundError, and ConflictError that says how many it has."""
    await _lock(site_id)
    count = await Check.filter(site_id=site_id, deleted_at=None).count()
    if count:
        raise ConflictError(f"The site has {count} {'check' if count == 1 else 'checks'}; delete or move them first.")
    now = await scope.now()
    await Site.filter(id=site_id).update(deleted_at=now, updated_at=now)


def _read(fields: Mapping[str, str], problems: list[FieldProblem]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            read[name] = _VALIDATE[name](value)
        except ValueError as exc:
            problems.append(FieldProblem((name,), str(exc)))
    if problems:
        raise InvalidInputError(problems)
    return read


async def _lock(site_id: int) -> Site:
    site = await Site.filter(id=site_id, deleted_at=None).select_for_update().first()
    if site is None:
        raise NotFoundError("site")
    return site


def _name_taken(error: IntegrityError) -> Exception:
    """The refusal that a unique index stands for; the error itself when it is about something else."""
    if getattr(error.__cause__, "constraint_name", None) != "sites_name":
        return error
    return ConflictError("Another site has this name; choose another one.", "name")


_SELECT = "SELECT id, name, description, created_at, updated_at FROM sites"


async def find_sites(connection: Connection, after: int | None, limit: int) -> list[asyncpg.Record]:
    """Sites in the order in which they were made, after the one with the key `after`."""
    statement = f"{_SELECT} WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2"
    return await connection.fetch(statement, after or 0, limit)


async def site_by_key(connection: Connection, key: int) -> asyncpg.Record | None:
    """A site that is not deleted."""
    return await connection.fetchrow(f"{_SELECT} WHERE id = $1 AND deleted_at IS NULL", key)


async def any_site_by_key(connection: Connection, key: int) -> asyncpg.Record:
    """A site that exists, be it a deleted one."""
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", key)
    if row is None:
        raise NotFoundError("site")
    return row
