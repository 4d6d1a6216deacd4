"""Organizations and the tokens that open them.

What administers them takes a connection with the migrator's rights; nobody else may write these tables.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from tocsin.database import Connection, no_organization
from tocsin.domain.errors import NotFoundError
from tocsin.models import TokenPermission

DEFAULT_ORGANIZATION: Final = "default"
_TOKEN_PREFIX: Final = "tocsin_"  # noqa: S105 - it tells a secret scanner what it has found
_SHOWN: Final = len(_TOKEN_PREFIX) + 6
# A revoked token opens nothing after this time.
_REMEMBERED_SECONDS: Final = 4.0
_REMEMBERED_TOKENS: Final = 10_000
_LONGEST_TOKEN: Final = 512


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a token, and the organization that it opens."""

    token_id: int
    token_name: str
    permission: TokenPermission
    expires_at: datetime | None
    organization_id: int
    organization_name: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed; `prefix` lets a person recognize it."""

    id: int
    organization: str
    name: str
    prefix: str
    permission: TokenPermission
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_AUTHENTICATE = "SELECT * FROM tocsin_authenticate($1)"


class Authenticator:
    """Tells who a token belongs to, with a memory so short that a revoked token is dead within five seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    async def authenticate(self, token: str) -> Principal | None:
        """Who the token belongs to; None for what is no token, or none any more."""
        if not 0 < len(token) <= _LONGEST_TOKEN:
            return None
        digest = _hash(token)
        principal, until = self._known.get(digest, (None, 0.0))
        if principal is not None and self._clock() < until:
            return principal
        return await self._ask(digest)

    async def _ask(self, digest: str) -> Principal | None:
        asked = self._clock()
        async with no_organization() as connection:
            row = await connection.fetchrow(_AUTHENTICATE, digest)
        self._known.pop(digest, None)
        if row is None:
            return None
        principal = Principal(
            token_id=row["token_id"],
            token_name=row["name"],
            permission=TokenPermission(row["permission"]),
            expires_at=row["expires_at"],
            organization_id=row["organization_id"],
            organization_name=row["organization_name"],
        )
        self._remember(digest, principal, asked)
        return principal

    def _remember(self, digest: str, principal: Principal, asked: float) -> None:
        self._known[digest] = (principal, asked + _REMEMBERED_SECONDS)
        if len(self._known) > _REMEMBERED_TOKENS:
            self._known.popitem(last=False)


def _hash(token: str) -> str:
    # A token is random, so a fast hash is as good as a slow one.
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A token that nobody can guess. It opens nothing until it is stored."""
    return _TOKEN_PREFIX + secrets.token_urlsafe(32)


async def is_valid(connection: Connection, token: str) -> bool:
    """Whether the token opens an organization now."""
    return await connection.fetchrow(_AUTHENTICATE, _hash(token)) is not None


async def ensure_organization(connection: Connection, name: str) -> int:
    """Make an organization if there is none of this name; return its id."""
    async with connection.transaction():
        await connection.execute("INSERT INTO organizations (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
        organization_id: int = await connection.fetchval("SELECT id FROM organizations WHERE name = $1", name)
        await connection.execute(
            "INSERT INTO event_counters (organization_id) VALUES ($1) ON CONFLICT DO NOTHING", organization_id
        )
    return organization_id


_INSERT = """
INSERT INTO api_tokens (organization_id, name, prefix, token_hash, permission, expires_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (token_hash) DO NOTHING
"""


async def create_token(
    connection: Connection,
    organization_id: int,
    name: str,
    permission: TokenPermission = TokenPermission.FULL,
    expires_at: datetime | None = None,
) -> str:
    """Make a token and return it: it is stored hashed, so nobody can show it again."""
    token = new_token()
    await _store(connection, organization_id, name, token, permission, expires_at)
    return token


async def _store(
    connection: Connection,
    organization_id: int,
    name: str,
    token: str,
    permission: TokenPermission,
    expires_at: datetime | None = None,
) -> None:
    # Of a token that somebody else chose, less may be shown.
    prefix = token[:_SHOWN] if token.startswith(_TOKEN_PREFIX) else token[:4]
    await connection.execute(_INSERT, organization_id, name, prefix, _hash(token), permission, expires_at)


_LIST = """
SELECT t.id, o.name AS organization, t.name, t.prefix, t.permission, t.created_at, t.expires_at, t.revoked_at
FROM api_tokens t JOIN organizations o ON o.id = t.organization_id ORDER BY t.id
"""


async def list_tokens(connection: Connection) -> list[Token]:
    """Every token of every organization, also those that are revoked or expired."""
    rows = await connection.fetch(_LIST)
    return [Token(**{**row, "permission": TokenPermission(row["permission"])}) for row in rows]


_REVOKE = "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING id"


async def revoke_token(connection: Connection, token_id: int) -> None:
    """End a token; doing so twice changes nothing. Raises NotFoundError."""
    if await connection.fetchval(_REVOKE, token_id) is None:
        raise NotFoundError("token")


_HAS_TOKENS = "SELECT EXISTS (SELECT FROM api_tokens WHERE organization_id = $1)"


async def bootstrap(connection: Connection, token: str) -> None:
    """On the first start, make this the owner's token of the organization `default`; later, change nothing."""
    organization_id = await ensure_organization(connection, DEFAULT_ORGANIZATION)
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM api_tokens WHERE organization_id = $1)", organization_id
    ):
        await _store(connection, organization_id, "bootstrap", token, TokenPermission.FULL)
