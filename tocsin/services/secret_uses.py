"""Which checks name which secrets of their organization, and whether a new value can stand where they do."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import orjson
from pydantic import ValidationError

from tocsin.domain.definitions import Definition
from tocsin.domain.errors import FieldProblem
from tocsin.domain.targets import KINDS, parse_target, target_problems
from tocsin.domain.targets.secrets import (
    PLACEHOLDER,
    Path,
    find_references,
    is_secret_name,
    name_field,
    replaced,
)
from tocsin.services.scope import Scope

# A value is tried on so many checks: one takes some microseconds, and most checks send a secret in the same way.
MOST_TRIED: Final = 100
_LOCK_NAMED: Final = "SELECT name FROM secrets WHERE name = ANY($1::text[]) ORDER BY id FOR SHARE"
_COUNT: Final = "SELECT count(*) FROM secret_uses WHERE secret_id = $1"
_FORGET: Final = "DELETE FROM secret_uses WHERE check_id = $1"
_NOTE: Final = """
INSERT INTO secret_uses (secret_id, check_id, organization_id)
SELECT id, $1, organization_id FROM secrets WHERE name = ANY($2::text[])
"""
_USERS: Final = """
SELECT c.name, c.kind, c.target::text FROM secret_uses u JOIN checks c ON c.id = u.check_id
WHERE u.secret_id = $1 ORDER BY c.id LIMIT $2
"""


async def require_secrets(scope: Scope, definition: Definition, problems: list[FieldProblem]) -> None:
    """Keep the secrets that it names from being deleted meanwhile; one that is not there is a problem."""
    named = _named(definition.references)
    if not named:
        return
    rows = await scope.connection.fetch(_LOCK_NAMED, sorted(set(named.values())))
    known = {row["name"] for row in rows}
    problems += [
        FieldProblem(
            ("target", definition.target.kind, *name_field(path)),
            f"names no secret: there is no {name}; make it with createSecret, or name another",
        )
        for path, name in named.items()
        if name not in known
    ]


async def note_uses(scope: Scope, check_id: int, references: Mapping[Path, str]) -> None:
    """Say which secrets a check names now, in the caller's transaction."""
    await scope.connection.execute(_FORGET, check_id)
    if named := _named(references):
        await scope.connection.execute(_NOTE, check_id, sorted(set(named.values())))


def _named(references: Mapping[Path, str]) -> dict[Path, str]:
    return {path: name for path, name in references.items() if is_secret_name(name)}


async def count_uses(scope: Scope, secret_id: int) -> int:
    """How many checks name a secret."""
    return int(await scope.connection.fetchval(_COUNT, secret_id))


async def try_value(scope: Scope, secret: asyncpg.Record, value: str, problems: list[FieldProblem]) -> None:
    """Add a problem, which holds no part of the value, for the first check whose target refuses it."""
    for row in await scope.connection.fetch(_USERS, secret["id"], MOST_TRIED):
        why = _refusal(row["kind"], orjson.loads(row["target"]), secret["name"], value)
        if why is not None:
            problems.append(FieldProblem(("value",), f"cannot be used by the check {row['name']}: {why}"))
            return


def _refusal(kind: str, fields: Mapping[str, Any], name: str, value: str) -> str | None:
    """Why a target whose other fields are good refuses the value of a secret that it names."""
    if kind not in KINDS:
        return None  # of a package that is not installed any more
    references = find_references(KINDS[kind], fields)
    values = {path: value if reference == name else PLACEHOLDER for path, reference in references.items()}
    try:
        parse_target(kind, replaced(fields, values))
    except ValidationError as exc:
        return target_problems(kind, exc)[0].message
    return None
