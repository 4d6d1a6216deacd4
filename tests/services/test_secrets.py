"""Secrets that an organization keeps: written by the API, which cannot read them, and read by the engine."""

import asyncio

import asyncpg
import pytest

from tests.services.test_check_secrets import KEYS, NEW, OLD, ORGANIZATION, OTHER, SITE
from tocsin.database import Connection, Pool, Role, open_pool
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tocsin.encryption import BrokenSealError, KeyRing
from tocsin.services import checks, secrets
from tocsin.services.check_secrets import load_secrets
from tocsin.services.secret_rotation import rotate_secrets, stored_key_ids

pytestmark = pytest.mark.usefixtures("api_orm", "organization")

NAME, SECRET = "api-token", "swordfish-7"
FIELDS: DefinitionFields = {
    "name": "front",
    "target": ("http", {"url": "https://example.com/", "headers": [{"name": "Authorization"}]}),
    "secrets": [(("headers", 0, "value"), NAME)],
}
OPEN: DefinitionFields = {"target": ("http", {"url": "https://example.com/"})}


@pytest.fixture
async def other_organization(owner: asyncpg.Connection) -> int:
    await owner.execute("INSERT INTO organizations (id, name) VALUES ($1, 'two')", OTHER)
    return OTHER


@pytest.fixture
async def secret(api_orm: None, organization: int) -> int:
    return await secrets.create_secret(organization, KEYS, NAME, SECRET)


@pytest.fixture
async def check(secret: int) -> int:
    return await checks.create_check(ORGANIZATION, SITE, FIELDS)


async def opened(connection: Connection, check: int, keys: KeyRing = KEYS) -> str:
    return (await load_secrets(connection, {(check, 1): {NAME}}))[check, 1][NAME].open(keys)


def told(refused: InvalidInputError) -> dict[str, str]:
    return {".".join(map(str, problem.path)): problem.message for problem in refused.problems}


async def test_the_engine_reads_what_the_api_stored(connection: Connection, check: int) -> None:
    assert await opened(connection, check) == SECRET


async def test_a_new_value_takes_the_place_of_the_old_one(connection: Connection, check: int, secret: int) -> None:
    await secrets.update_secret(ORGANIZATION, KEYS, secret, "angelfish")
    assert await opened(connection, check) == "angelfish"


async def test_a_value_is_stored_encrypted(owner: asyncpg.Connection, secret: int) -> None:
    sealed: bytes = await owner.fetchval("SELECT sealed FROM secrets WHERE id = $1", secret)
    assert SECRET.encode() not in sealed


@pytest.mark.parametrize("value", ["", "x" * 65_537, "half \ud83d"])
async def test_what_is_no_value_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await secrets.create_secret(ORGANIZATION, KEYS, "a b", value)
    assert set(told(refused.value)) == {"name", "value"}


async def test_without_a_key_nothing_is_kept_and_the_remedy_said(secret: int) -> None:
    for attempt in (
        secrets.create_secret(ORGANIZATION, KeyRing({}), "other", SECRET, key="k"),
        secrets.update_secret(ORGANIZATION, KeyRing({}), secret, SECRET),
    ):
        with pytest.raises(InvalidInputError) as refused:
            await attempt
        assert told(refused.value)["value"].startswith("cannot be encrypted: TOCSIN_ENCRYPTION_KEYS is not set; set it")


async def test_a_new_value_that_a_check_cannot_use_is_refused_without_telling_it(
    connection: Connection, check: int, secret: int
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await secrets.update_secret(ORGANIZATION, KEYS, secret, "angelfish\n")
    assert told(refused.value) == {
        "value": "cannot be used by the check front: must not contain control characters such as line breaks; "
        "leave them out"
    }
    assert await opened(connection, check) == SECRET


@pytest.mark.usefixtures("secret")
async def test_two_secrets_cannot_have_one_name() -> None:
    with pytest.raises(ConflictError) as refused:
        await secrets.create_secret(ORGANIZATION, KEYS, NAME, SECRET)
    assert refused.value.field == "name"


async def test_a_repeated_request_finds_the_secret_and_another_value_is_a_conflict(owner: asyncpg.Connection) -> None:
    first, again = [await secrets.create_secret(ORGANIZATION, KEYS, NAME, SECRET, key="k") for _ in range(2)]
    assert first == again
    with pytest.raises(ConflictError) as refused:
        await secrets.create_secret(ORGANIZATION, KEYS, NAME, "angelfish", key="k")
    assert refused.value.field == "idempotency_key"


async def test_what_is_kept_of_a_request_does_not_tell_the_value_without_the_key(owner: asyncpg.Connection) -> None:
    hashes = []
    for number, keys in enumerate((KEYS, KeyRing(NEW))):
        await secrets.create_secret(ORGANIZATION, keys, NAME, SECRET, key=f"k{number}")
        await owner.execute("DELETE FROM secrets")
        hashes.append(await owner.fetchval("SELECT request_hash FROM idempotency_keys WHERE key = $1", f"k{number}"))
    assert hashes[0] != hashes[1]


async def test_a_check_that_names_no_secret_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInputError) as refused:
        await checks.create_check(ORGANIZATION, SITE, FIELDS)
    assert told(refused.value) == {
        "target.http.headers.0.value_secret": (
            "names no secret: there is no api-token; make it with createSecret, or name another"
        )
    }


@pytest.mark.usefixtures("secret")
async def test_a_target_that_is_changed_to_one_without_its_secret_is_refused() -> None:
    check = await checks.create_check(ORGANIZATION, SITE, {**OPEN, "name": "front"})
    changed: DefinitionFields = {**FIELDS, "secrets": [(("headers", 0, "value"), "other")]}
    with pytest.raises(InvalidInputError) as refused:
        await checks.update_check(ORGANIZATION, check, changed, "somebody")
    assert set(told(refused.value)) == {"target.http.headers.0.value_secret"}


@pytest.mark.usefixtures("other_organization")
async def test_a_secret_of_another_organization_is_none(secret: int) -> None:
    with pytest.raises(NotFoundError):
        await secrets.update_secret(OTHER, KEYS, secret, "angelfish")
    with pytest.raises(NotFoundError):
        await secrets.delete_secret(OTHER, secret)
    assert await secrets.create_secret(OTHER, KEYS, NAME, "angelfish") != secret


@pytest.mark.usefixtures("other_organization")
async def test_a_check_gets_the_secret_of_its_own_organization(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await secrets.create_secret(OTHER, KEYS, NAME, "angelfish")
    assert await opened(connection, check) == SECRET
    await owner.execute("DELETE FROM secret_uses; DELETE FROM secrets WHERE organization_id = 1")
    assert await load_secrets(connection, {(check, 1): {NAME}}) == {(check, 1): {}}


@pytest.mark.usefixtures("other_organization")
async def test_a_value_that_is_moved_to_another_organization_or_name_does_not_open(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await secrets.create_secret(ORGANIZATION, KEYS, "other", "angelfish")
    await owner.execute(
        "UPDATE secrets s SET sealed = o.sealed FROM secrets o WHERE s.name = $1 AND o.name <> $1", NAME
    )
    with pytest.raises(BrokenSealError):
        await opened(connection, check)
    await secrets.create_secret(OTHER, KEYS, NAME, "angelfish")
    await owner.execute(
        "UPDATE secrets s SET sealed = o.sealed FROM secrets o WHERE s.organization_id = 1 AND o.organization_id = 2"
    )
    with pytest.raises(BrokenSealError):
        await opened(connection, check)


async def test_a_target_that_was_replaced_gets_no_value_any_more(connection: Connection, check: int) -> None:
    changed: DefinitionFields = {**FIELDS, "target": ("http", {"url": "https://a/", "headers": [{"name": "A"}]})}
    await checks.update_check(ORGANIZATION, check, changed, "somebody")
    loaded = await load_secrets(connection, {(check, 1): {NAME}, (check, 2): {NAME}})
    assert (loaded[check, 1], set(loaded[check, 2])) == ({}, {NAME})


async def test_a_secret_in_use_is_not_deleted_until_no_check_names_it(check: int, secret: int) -> None:
    with pytest.raises(ConflictError, match="1 check uses the secret api-token; change or delete them first"):
        await secrets.delete_secret(ORGANIZATION, secret)
    await checks.update_check(ORGANIZATION, check, {"name": "back"}, "somebody")
    with pytest.raises(ConflictError):
        await secrets.delete_secret(ORGANIZATION, secret)
    await checks.update_check(ORGANIZATION, check, OPEN, "somebody")
    assert (await secrets.delete_secret(ORGANIZATION, secret))["name"] == NAME


async def test_a_deleted_check_uses_no_secret(check: int, secret: int) -> None:
    await checks.delete_check(ORGANIZATION, check, "somebody")
    await secrets.delete_secret(ORGANIZATION, secret)


async def test_a_secret_is_not_deleted_while_a_check_is_made_that_names_it(owner: asyncpg.Connection) -> None:
    for _ in range(5):
        secret = await secrets.create_secret(ORGANIZATION, KEYS, NAME, SECRET)
        made, deleted = await asyncio.gather(
            checks.create_check(ORGANIZATION, SITE, FIELDS),
            secrets.delete_secret(ORGANIZATION, secret),
            return_exceptions=True,
        )
        assert isinstance(made, InvalidInputError) is not isinstance(deleted, ConflictError)
        await owner.execute("DELETE FROM secret_uses; DELETE FROM secrets")


@pytest.mark.usefixtures("other_organization", "secret")
async def test_an_organization_takes_its_secrets_along(owner: asyncpg.Connection, check: int) -> None:
    await owner.execute("DELETE FROM checks; DELETE FROM sites; DELETE FROM organizations WHERE id = 1")
    assert await owner.fetchval("SELECT count(*) FROM secrets") == 0


@pytest.mark.parametrize("role", [Role.API, Role.OPERATOR])
@pytest.mark.usefixtures("secret")
async def test_neither_the_api_nor_the_operator_reads_a_value_back(database_url: str, role: Role) -> None:
    async with await open_pool(database_url, role) as pool, pool.acquire() as asking, asking.transaction():
        await asking.execute("SELECT set_config('tocsin.organization_id', '1', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asking.fetch("SELECT sealed FROM secrets")


async def test_the_engine_changes_no_value(engine_pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await engine_pool.execute("UPDATE secrets SET name = 'a'")


async def test_a_rotation_seals_it_with_the_first_key(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    assert await stored_key_ids(owner) == {"k1"}
    rotation = await rotate_secrets(owner, KeyRing({**NEW, **OLD}))
    assert (rotation.sealed_anew, rotation.left) == (1, {})
    assert await opened(connection, check, KeyRing(NEW)) == SECRET


@pytest.mark.usefixtures("secret")
async def test_a_rotation_says_why_one_is_left(owner: asyncpg.Connection) -> None:
    rotation = await rotate_secrets(owner, KeyRing(NEW))
    assert set(rotation.left) == {("organization 1", NAME)}
