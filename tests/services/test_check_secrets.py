"""Values of secrets: stored by the operator, who cannot read them, and read by the engine, each in its own place."""

import asyncpg
import pytest

from tocsin.database import Connection, Pool, Role, open_pool
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import InvalidInputError, NotFoundError
from tocsin.encryption import BrokenSealError, KeyRing, NoKeyError, UnknownKeyError
from tocsin.services import checks
from tocsin.services.check_secrets import forget_secrets, load_secrets, store_secret, stored_versions
from tocsin.services.scope import in_organization
from tocsin.services.secret_rotation import ROWS_AT_ONCE, rotate_secrets, stored_key_ids

pytestmark = pytest.mark.usefixtures("operator_orm")

forget = in_organization(forget_secrets)
ORGANIZATION, OTHER, SITE = 1, 2, 1
REFERENCE = "api-token/value"
SECRET = "swordfish-7"
OLD, NEW = {"k1": bytes(range(32))}, {"k2": bytes(range(32, 64))}
KEYS = KeyRing(OLD)
FIELDS: DefinitionFields = {
    "name": "front",
    "target": (
        "http",
        {"url": "https://example.com/", "headers": [{"name": "Authorization", "value": {"secret": REFERENCE}}]},
    ),
}


@pytest.fixture
async def check(organization: int) -> int:
    return await checks.create_check(organization, SITE, FIELDS)


@pytest.fixture
async def other_organization(owner: asyncpg.Connection, organization: int) -> int:
    await owner.execute("INSERT INTO organizations (id, name) VALUES ($1, 'two')", OTHER)
    return OTHER


async def store(check: int, value: str = SECRET, *, reference: str = REFERENCE, version: str = "uid/1") -> None:
    await store_secret(ORGANIZATION, KEYS, check, reference, version, value)


async def opened(connection: Connection, check: int, keys: KeyRing = KEYS) -> str:
    return (await load_secrets(connection, {(check, 1): {REFERENCE}}))[check, 1][REFERENCE].open(keys)


async def test_the_engine_reads_what_the_operator_stored(connection: Connection, check: int) -> None:
    await store(check)
    assert await opened(connection, check) == SECRET


async def test_a_new_value_takes_the_place_of_the_old_one(connection: Connection, check: int) -> None:
    await store(check)
    await store(check, "angelfish", version="uid/2")
    assert await opened(connection, check) == "angelfish"
    assert await stored_versions(ORGANIZATION, [check]) == {(check, REFERENCE): "uid/2"}


async def test_a_value_is_stored_encrypted(owner: asyncpg.Connection, check: int) -> None:
    await store(check)
    sealed: bytes = await owner.fetchval("SELECT sealed FROM check_secrets")
    assert SECRET.encode() not in sealed


async def test_an_empty_value_is_refused(check: int) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await store(check, "")
    assert refused.value.problems[0].message == f"of the secret {REFERENCE} is empty; give it a value"


async def test_without_a_key_nothing_is_stored(connection: Connection, check: int) -> None:
    with pytest.raises(NoKeyError):
        await store_secret(ORGANIZATION, KeyRing({}), check, REFERENCE, "uid/1", SECRET)
    assert await load_secrets(connection, {(check, 1): {REFERENCE}}) == {(check, 1): {}}


async def test_a_target_that_was_replaced_gets_no_values_any_more(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await owner.execute("UPDATE checks SET target = jsonb_set(target, '{port}', '10')")
    await store(check)
    assert await load_secrets(connection, {(check, 1): {REFERENCE}}) == {(check, 1): {}}


async def test_what_is_not_kept_is_forgotten(connection: Connection, check: int) -> None:
    await store(check)
    await store(check, reference="login/body")
    await forget(ORGANIZATION, check, keep=[REFERENCE])
    assert set((await load_secrets(connection, {(check, 1): {REFERENCE}}))[check, 1]) == {REFERENCE}
    await forget(ORGANIZATION, check)
    assert await load_secrets(connection, {(check, 1): {REFERENCE}}) == {(check, 1): {}}


async def test_the_values_of_a_check_go_with_it(owner: asyncpg.Connection, check: int) -> None:
    await store(check)
    await owner.execute("DELETE FROM checks WHERE id = $1", check)
    assert await owner.fetchval("SELECT count(*) FROM check_secrets") == 0


@pytest.mark.usefixtures("other_organization")
async def test_a_check_of_another_organization_takes_no_secret_and_shows_none(check: int) -> None:
    await store(check)
    with pytest.raises(NotFoundError):
        await store_secret(OTHER, KEYS, check, REFERENCE, "uid/1", "angelfish")
    await forget(OTHER, check)
    assert await stored_versions(OTHER, [check]) == {}
    assert await stored_versions(ORGANIZATION, [check]) == {(check, REFERENCE): "uid/1"}


async def test_a_deleted_check_takes_no_secret(check: int) -> None:
    await checks.delete_check(ORGANIZATION, check, "somebody")
    with pytest.raises(NotFoundError):
        await store(check)


@pytest.mark.parametrize("role", [Role.API, Role.OPERATOR])
async def test_neither_the_api_nor_the_operator_reads_a_value_back(database_url: str, check: int, role: Role) -> None:
    await store(check)
    async with await open_pool(database_url, role) as pool, pool.acquire() as asking, asking.transaction():
        await asking.execute("SELECT set_config('tocsin.organization_id', '1', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asking.fetch("SELECT sealed FROM check_secrets")


async def test_the_engine_changes_no_value(engine_pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await engine_pool.execute("UPDATE check_secrets SET reference = 'a/b'")


async def test_rows_that_are_swapped_between_checks_do_not_open(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    other = await checks.create_check(ORGANIZATION, SITE, {**FIELDS, "name": "back"})
    await store(check)
    await owner.execute("UPDATE check_secrets SET check_id = $1", other)
    with pytest.raises(BrokenSealError):
        await opened(connection, other)


async def test_a_row_that_is_moved_to_another_reference_does_not_open(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await store(check, reference="login/body")
    await owner.execute("UPDATE check_secrets SET reference = $1", REFERENCE)
    with pytest.raises(BrokenSealError):
        await opened(connection, check)


@pytest.mark.usefixtures("other_organization")
async def test_a_row_that_is_moved_to_another_organization_is_not_loaded(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await store(check)
    await owner.execute("UPDATE check_secrets SET organization_id = $1", OTHER)
    assert await load_secrets(connection, {(check, 1): {REFERENCE}}) == {(check, 1): {}}


@pytest.mark.usefixtures("other_organization")
async def test_a_check_that_is_moved_to_another_organization_takes_no_secret_with_it(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await store(check)
    await owner.execute("UPDATE checks SET organization_id = $1", OTHER)
    await owner.execute("UPDATE check_secrets SET organization_id = $1", OTHER)
    with pytest.raises(BrokenSealError):
        await opened(connection, check)


async def test_a_check_keeps_its_references_when_its_name_changes(owner: asyncpg.Connection, check: int) -> None:
    await checks.update_check(ORGANIZATION, check, {"name": "back"}, "somebody")
    row = await owner.fetchrow("SELECT name, revision, target->'headers'->0->>'value' AS value FROM checks")
    assert row is not None
    assert tuple(row) == ("back", 1, f'{{"secret": "{REFERENCE}"}}')


async def test_another_reference_is_another_target(owner: asyncpg.Connection, check: int) -> None:
    headers = [{"name": "Authorization", "value": {"secret": "api-token/other"}}]
    changed: DefinitionFields = {"target": ("http", {"url": "https://example.com/", "headers": headers})}
    await checks.update_check(ORGANIZATION, check, changed, "somebody")
    assert await owner.fetchval("SELECT revision FROM checks") == 2


async def test_a_rotation_seals_every_secret_with_the_first_key(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await store(check)
    assert await stored_key_ids(owner) == {"k1"}
    rotation = await rotate_secrets(owner, KeyRing({**NEW, **OLD}))
    assert (rotation.sealed_anew, rotation.left) == (1, {})
    assert await stored_key_ids(owner) == {"k2"}
    assert await opened(connection, check, KeyRing(NEW)) == SECRET


async def test_a_rotation_goes_on_where_it_was_interrupted(owner: asyncpg.Connection, check: int) -> None:
    both = KeyRing({**NEW, **OLD})
    for number in range(ROWS_AT_ONCE + 1):
        await store(check, reference=f"api-token/{number}")
    await store_secret(ORGANIZATION, both, check, "api-token/0", "uid/1", SECRET)
    assert (await rotate_secrets(owner, both)).sealed_anew == ROWS_AT_ONCE
    assert (await rotate_secrets(owner, both)).sealed_anew == 0
    assert await stored_key_ids(owner) == {"k2"}


async def test_a_rotation_leaves_what_it_cannot_open_and_says_why(
    owner: asyncpg.Connection, connection: Connection, check: int
) -> None:
    await store(check)
    await owner.execute("INSERT INTO check_secrets SELECT check_id, 1, 'a/b', 'uid/1', '\\x00' FROM check_secrets")
    rotation = await rotate_secrets(owner, KeyRing(NEW))
    assert rotation.sealed_anew == 0
    assert rotation.left[f"check {check}", REFERENCE] == str(UnknownKeyError("k1"))
    assert rotation.left[f"check {check}", "a/b"] == str(BrokenSealError())
    assert await opened(connection, check) == SECRET
