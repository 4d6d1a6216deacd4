"""Tokens: who they belong to, and when they stop."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tocsin.domain.errors import NotFoundError
from tocsin.models import TokenPermission
from tocsin.services import accounts
from tocsin.services.accounts import Authenticator

pytestmark = pytest.mark.usefixtures("api_orm")


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def organization_id(owner: asyncpg.Connection) -> int:
    return await accounts.ensure_organization(owner, "acme")


async def test_a_token_tells_who_it_belongs_to(owner: asyncpg.Connection, organization_id: int) -> None:
    token = await accounts.create_token(owner, organization_id, "ci", TokenPermission.READ_ONLY)
    principal = await Authenticator().authenticate(token)
    assert principal is not None
    assert (principal.organization_id, principal.organization_name) == (organization_id, "acme")
    assert (principal.token_name, principal.permission) == ("ci", TokenPermission.READ_ONLY)


@pytest.mark.parametrize("token", ["", "tocsin_", "tocsin_nonsense", "x" * 10_000, "\ud800", "a\0b"])
async def test_what_is_no_token_belongs_to_nobody(token: str) -> None:
    assert await Authenticator().authenticate(token) is None


async def test_an_expired_token_belongs_to_nobody(owner: asyncpg.Connection, organization_id: int) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    token = await accounts.create_token(owner, organization_id, "old", expires_at=yesterday)
    assert await Authenticator().authenticate(token) is None


async def test_a_revoked_token_is_dead_within_five_seconds(owner: asyncpg.Connection, organization_id: int) -> None:
    clock = Clock()
    authenticator = Authenticator(clock)
    token = await accounts.create_token(owner, organization_id, "ci")
    assert await authenticator.authenticate(token)
    (listed,) = await accounts.list_tokens(owner)
    await accounts.revoke_token(owner, listed.id)
    clock.now = 4.9
    assert await authenticator.authenticate(token) is None


async def test_a_known_token_is_not_asked_for_again_at_once(owner: asyncpg.Connection, organization_id: int) -> None:
    authenticator = Authenticator(Clock())
    token = await accounts.create_token(owner, organization_id, "ci")
    await authenticator.authenticate(token)
    await owner.execute("DELETE FROM api_tokens")
    assert await authenticator.authenticate(token)


async def test_only_the_hash_of_a_token_is_stored(owner: asyncpg.Connection, organization_id: int) -> None:
    token = await accounts.create_token(owner, organization_id, "ci")
    row = await owner.fetchrow("SELECT * FROM api_tokens")
    assert row is not None
    assert token not in str(row)
    assert token.startswith(row["prefix"])
    assert len(row["prefix"]) < 16


async def test_revoking_what_does_not_exist_is_told(owner: asyncpg.Connection) -> None:
    with pytest.raises(NotFoundError):
        await accounts.revoke_token(owner, 42)


async def test_the_first_start_makes_the_owner_s_token(owner: asyncpg.Connection) -> None:
    await accounts.bootstrap(owner, "a-token-of-our-own-choice")
    principal = await Authenticator().authenticate("a-token-of-our-own-choice")
    assert principal is not None
    assert (principal.organization_name, principal.permission) == ("default", TokenPermission.FULL)


async def test_a_later_start_adds_no_token(owner: asyncpg.Connection) -> None:
    for token in ("a-token-of-our-own-choice", "a-token-of-our-own-choice", "another-token-of-ours"):
        await accounts.bootstrap(owner, token)
    assert len(await accounts.list_tokens(owner)) == 1


async def test_an_organization_is_made_once_and_can_have_news(owner: asyncpg.Connection) -> None:
    first, second = [await accounts.ensure_organization(owner, "acme") for _ in range(2)]
    assert first == second
    assert await owner.fetchval("SELECT count(*) FROM event_counters WHERE organization_id = $1", first) == 1
