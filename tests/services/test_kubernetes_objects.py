"""What becomes of checks when their HealthChecks are applied, replaced and deleted."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from tocsin.database import Connection, Role, open_pool
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tocsin.encryption import KeyRing
from tocsin.services import checks
from tocsin.services.check_secrets import store_secret
from tocsin.services.kubernetes_objects import (
    DeletionPolicy,
    DesiredCheck,
    ObjectKey,
    apply_object,
    known_objects,
    let_go,
    organization_ids,
)
from tocsin.services.runs import request_run

pytestmark = pytest.mark.usefixtures("operator_orm")

KEY = ObjectKey("default", "shop", "front")
UID = UUID(int=1)
DESIRED = DesiredCheck(
    key=KEY,
    uid=UID,
    generation=1,
    deletion_policy=DeletionPolicy.DELETE,
    site="shop",
    fields={"name": "front", "target": ("http", {"url": "https://example.com/"}), "interval_seconds": 30},
    paused=False,
    applied_hash=b"1",
)
RETAINED = replace(DESIRED, deletion_policy=DeletionPolicy.RETAIN)


async def check_row(owner: Connection, check_id: int) -> asyncpg.Record:
    row = await owner.fetchrow(
        "SELECT c.*, s.name AS site FROM checks c JOIN sites s ON s.id = c.site_id WHERE c.id = $1", check_id
    )
    assert row is not None
    return row


async def test_an_object_makes_its_check_and_its_site(owner: Connection, organization: int) -> None:
    row = await check_row(owner, await apply_object(organization, DESIRED))
    assert (row["name"], row["site"], row["interval_seconds"], row["paused"]) == ("front", "shop", 30, False)


async def test_applying_the_same_again_makes_no_new_version(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    assert await apply_object(organization, DESIRED) == made
    assert (await check_row(owner, made))["revision"] == 1


async def test_a_new_generation_changes_the_check(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    fields: DefinitionFields = {**DESIRED.fields, "interval_seconds": 60}
    changed = replace(DESIRED, generation=2, fields=fields, site="blog", paused=True)
    assert await apply_object(organization, changed) == made
    row = await check_row(owner, made)
    assert (row["interval_seconds"], row["site"], row["paused"]) == (60, "blog", True)


async def test_what_an_object_says_no_longer_goes_back_to_its_default(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, replace(DESIRED, fields={**DESIRED.fields, "failure_threshold": 9}))
    await apply_object(organization, replace(DESIRED, generation=2))
    assert (await check_row(owner, made))["failure_threshold"] == 3


async def test_an_older_generation_changes_nothing(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, replace(DESIRED, generation=2))
    await apply_object(organization, replace(DESIRED, fields={**DESIRED.fields, "interval_seconds": 60}))
    assert (await check_row(owner, made))["interval_seconds"] == 30


async def test_a_wrong_object_is_told_every_wrong_field(organization: int) -> None:
    wrong = replace(DESIRED, site="", fields={**DESIRED.fields, "interval_seconds": 0, "timeout_seconds": 99})
    with pytest.raises(InvalidInputError) as refused:
        await apply_object(organization, wrong)
    assert {problem.path[0] for problem in refused.value.problems} == {"site", "interval_seconds", "timeout_seconds"}


async def test_a_deleted_object_takes_its_check_along(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    await let_go(organization, KEY, UID)
    assert (await check_row(owner, made))["deleted_at"] is not None
    assert await known_objects("default") == []


async def test_a_deleted_object_takes_its_secrets_along(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    await store_secret(organization, KeyRing({"k1": bytes(32)}), made, "api/token", "1", "swordfish")
    await let_go(organization, KEY, UID)
    assert await owner.fetchval("SELECT count(*) FROM check_secrets") == 0


async def test_secrets_that_an_object_no_longer_refers_to_are_forgotten(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, replace(DESIRED, secrets=frozenset({"api/token"})))
    await store_secret(organization, KeyRing({"k1": bytes(32)}), made, "api/token", "1", "swordfish")
    await apply_object(organization, replace(DESIRED, generation=2, secrets=frozenset({"api/token"})))
    assert await owner.fetchval("SELECT count(*) FROM check_secrets") == 1
    await apply_object(organization, replace(DESIRED, generation=3))
    assert await owner.fetchval("SELECT count(*) FROM check_secrets") == 0


async def test_a_retained_check_is_paused_and_adopted_by_the_next_object(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, RETAINED)
    await let_go(organization, KEY, UID)
    assert (await check_row(owner, made))["paused"]
    assert await apply_object(organization, replace(RETAINED, uid=uuid4())) == made
    assert not (await check_row(owner, made))["paused"]


async def test_a_successor_gets_no_secrets_of_its_predecessor(owner: Connection, organization: int) -> None:
    made = await apply_object(organization, replace(RETAINED, secrets=frozenset({"api/token"})))
    await store_secret(organization, KeyRing({"k1": bytes(32)}), made, "api/token", "1", "swordfish")
    await let_go(organization, KEY, UID)
    await apply_object(organization, replace(RETAINED, uid=uuid4(), secrets=frozenset({"api/token"})))
    assert await owner.fetchval("SELECT count(*) FROM check_secrets") == 0


async def test_a_deletion_that_is_told_late_does_not_touch_the_successor(owner: Connection, organization: int) -> None:
    await apply_object(organization, DESIRED)
    successor = await apply_object(organization, replace(DESIRED, uid=uuid4()))
    await let_go(organization, KEY, UID)
    assert (await check_row(owner, successor))["deleted_at"] is None


async def test_a_successor_of_a_deleting_object_starts_anew(owner: Connection, organization: int) -> None:
    first = await apply_object(organization, DESIRED)
    second = await apply_object(organization, replace(DESIRED, uid=uuid4()))
    assert (await check_row(owner, first))["deleted_at"] is not None
    assert second != first


async def test_a_successor_of_a_retaining_object_goes_on_with_its_check(organization: int) -> None:
    first = await apply_object(organization, RETAINED)
    assert await apply_object(organization, replace(RETAINED, uid=uuid4())) == first


async def test_a_retained_check_that_a_person_deleted_is_made_anew(owner: Connection, organization: int) -> None:
    first = await apply_object(organization, RETAINED)
    await let_go(organization, KEY, UID)
    await checks.delete_check(organization, first, "somebody")
    assert await apply_object(organization, replace(RETAINED, uid=uuid4())) != first


async def test_people_cannot_change_what_an_object_owns(organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    with pytest.raises(ConflictError, match="HealthCheck shop/front of cluster default"):
        await checks.update_check(organization, made, {"name": "other"}, "somebody")
    with pytest.raises(ConflictError):
        await checks.pause_check(organization, made, "somebody")
    with pytest.raises(ConflictError):
        await checks.delete_check(organization, made, "somebody")


async def test_racing_applications_of_one_object_make_one_check(owner: Connection, organization: int) -> None:
    results = await asyncio.gather(*(apply_object(organization, DESIRED) for _ in range(4)), return_exceptions=True)
    assert await owner.fetchval("SELECT count(*) FROM checks WHERE deleted_at IS NULL") == 1
    assert any(isinstance(result, int) for result in results)


async def test_objects_are_known_by_cluster_whatever_the_organization(organization: int) -> None:
    made = await apply_object(organization, DESIRED)
    (known,) = await known_objects("default")
    assert (known.check_id, known.key, known.uid, known.is_retained) == (made, KEY, UID, False)
    assert await known_objects("other") == []


async def test_an_object_that_moved_is_known_by_the_check_that_it_owns(owner: Connection, organization: int) -> None:
    await owner.execute("INSERT INTO organizations (id, name) VALUES (2, 'two')")
    await owner.execute("INSERT INTO event_counters (organization_id) VALUES (2)")
    # In both orders of their rows.
    for there, here in ((organization, 2), (2, organization)):
        await apply_object(there, RETAINED)
        await let_go(there, KEY, UID)
        await apply_object(here, RETAINED)
        [known] = await known_objects("default")
        assert (known.organization_id, known.is_retained) == (here, False)
        await let_go(here, KEY, UID)


async def test_a_kept_check_looks_into_the_namespace_no_more(owner: Connection, organization: int) -> None:
    target = ("kubernetes", {"namespace": "shop", "pods": {"selector": "app=web"}})
    fields: DefinitionFields = {**RETAINED.fields, "target": target}
    made = await apply_object(organization, replace(RETAINED, fields=fields))
    await request_run(organization, made)
    await let_go(organization, KEY, UID)
    for forbidden in (checks.resume_check(organization, made, "somebody"), request_run(organization, made)):
        with pytest.raises(NotFoundError, match="HealthCheck"):
            await forbidden
    assert await owner.fetchval("SELECT count(*) FROM runs") == 1


async def test_organizations_are_found_by_name(organization: int) -> None:
    assert await organization_ids(["one", "nobody"]) == {"one": organization}


async def test_the_api_may_ask_for_no_objects_of_the_whole_cluster(database_url: str) -> None:
    async with await open_pool(database_url, Role.API) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetch("SELECT * FROM tocsin_kubernetes_objects('default')")


async def test_what_must_report_in_gets_a_key_that_later_generations_keep(owner: Connection, organization: int) -> None:
    job = replace(DESIRED, fields={"name": "front", "target": ("heartbeat", {"period_seconds": 300})})
    made = await apply_object(organization, job)
    key = await owner.fetchval("SELECT key FROM heartbeats WHERE check_id = $1", made)
    row = await check_row(owner, made)
    assert (row["interval_seconds"], row["failure_threshold"]) == (10, 1)
    longer = replace(job, generation=2, fields={**job.fields, "target": ("heartbeat", {"period_seconds": 600})})
    await apply_object(organization, longer)
    assert key == await owner.fetchval("SELECT key FROM heartbeats WHERE check_id = $1", made)
