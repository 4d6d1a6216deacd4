"""Reports by HTTP, from the request to the row."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx
import pytest

from tests.engine.harness import eventually
from tests.receiver.conftest import MakeKey, Reports
from tocsin.database import Connection

RUN_A, RUN_B = uuid4(), uuid4()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.proves("heartbeat", "success")
@pytest.mark.proves("heartbeat", "GET")
@pytest.mark.proves("heartbeat", "POST")
async def test_a_report_is_stored_when_it_is_answered(
    client: httpx.AsyncClient, key: UUID, reports: Reports, method: str
) -> None:
    answer = await client.request(method, f"/{key}")
    assert (answer.status_code, answer.text) == (200, "OK")
    [report] = await reports()
    assert (report["kind"], report["source"], report["payload"]) == ("SUCCESS", "HTTP", "")


@pytest.mark.proves("heartbeat", "HEAD")
@pytest.mark.proves("heartbeat", "fail")
async def test_head_reports_too(client: httpx.AsyncClient, key: UUID, reports: Reports) -> None:
    answer = await client.head(f"/{key}/fail")
    assert (answer.status_code, answer.content) == (200, b"")
    assert [report["kind"] for report in await reports()] == ["FAILURE"]


async def test_a_client_learns_how_much_of_a_payload_is_kept(client: httpx.AsyncClient, key: UUID) -> None:
    assert (await client.get(f"/{key}/start")).headers["Ping-Body-Limit"] == "10000"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_report_nothing(
    client: httpx.AsyncClient, key: UUID, reports: Reports, method: str
) -> None:
    assert (await client.request(method, f"/{key}")).status_code == 405
    assert await reports() == []


@pytest.mark.proves("heartbeat", "payload kept")
@pytest.mark.proves("heartbeat", "payload bounded")
async def test_a_payload_is_kept_in_part(client: httpx.AsyncClient, key: UUID, reports: Reports) -> None:
    await client.post(f"/{key}", content=b"a" * 25_000)
    [report] = await reports()
    assert (len(report["payload"]), report["size"]) == (10_000, 25_000)


async def test_a_payload_is_text_whatever_bytes_it_has(client: httpx.AsyncClient, key: UUID, reports: Reports) -> None:
    await client.post(f"/{key}", content=b"a\x00b\xff" + "ü".encode() * 10_000)
    [report] = await reports()
    assert report["payload"].startswith("a\ufffdb\ufffdü")
    assert report["payload"].endswith("ü")


@pytest.mark.proves("heartbeat", "start")
@pytest.mark.proves("heartbeat", "run times")
async def test_a_run_takes_from_its_start_to_its_end(client: httpx.AsyncClient, key: UUID, reports: Reports) -> None:
    await client.get(f"/{key}/start")
    await asyncio.sleep(0.05)
    await client.get(f"/{key}/0")
    start, success = await reports()
    assert start["run_time_ms"] is None
    assert 50 <= success["run_time_ms"] < 20_000


@pytest.mark.proves("heartbeat", "overlapping runs")
async def test_overlapping_runs_have_times_of_their_own(
    client: httpx.AsyncClient, key: UUID, reports: Reports, owner: Connection
) -> None:
    await client.get(f"/{key}/start", params={"rid": str(RUN_A)})
    await asyncio.sleep(0.2)
    await client.get(f"/{key}/start", params={"rid": str(RUN_B)})
    await client.get(f"/{key}", params={"rid": str(RUN_B)})
    await client.get(f"/{key}/3", params={"rid": str(RUN_A)})
    _, _, second, first = await reports()
    assert second["run_time_ms"] < first["run_time_ms"]
    assert (first["run_id"], first["exit_code"]) == (RUN_A, 3)
    assert await owner.fetchval("SELECT open_runs FROM heartbeats") == "[]"


@pytest.mark.proves("heartbeat", "log")
async def test_a_log_changes_nothing_but_the_list_of_reports(
    client: httpx.AsyncClient, key: UUID, reports: Reports, owner: Connection
) -> None:
    await client.post(f"/{key}", content="done")
    await client.post(f"/{key}/log", content="something else")
    assert [report["kind"] for report in await reports()] == ["SUCCESS", "LOG"]
    assert await owner.fetchval("SELECT payload FROM heartbeats") == "done"


async def test_reports_that_come_at_once_are_all_counted(
    client: httpx.AsyncClient, key: UUID, reports: Reports, owner: Connection
) -> None:
    answers = await asyncio.gather(*(client.get(f"/{key}/{n}") for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert await owner.fetchval("SELECT reports FROM heartbeats") == 50
    assert sorted(report["exit_code"] for report in await reports()) == list(range(50))


async def test_no_more_than_a_hundred_reports_are_kept_of_a_check(
    owner: Connection, key: UUID, client: httpx.AsyncClient, reports: Reports
) -> None:
    await owner.execute("UPDATE heartbeats SET reports = 250")
    await client.get(f"/{key}/1")
    await owner.execute("UPDATE heartbeats SET reports = 350")
    await client.get(f"/{key}/2")
    assert [(report["number"], report["exit_code"]) for report in await reports()] == [(351, 2)]


async def test_a_run_that_is_no_uuid_is_told_what_it_must_be(client: httpx.AsyncClient, key: UUID) -> None:
    answer = await client.get(f"/{key}", params={"rid": "7"})
    assert (answer.status_code, answer.text) == (400, "rid must be a UUID")


@pytest.mark.proves("heartbeat", "unguessable path")
async def test_nobody_learns_what_exists(
    client: httpx.AsyncClient, make_key: MakeKey, owner: Connection, reports: Reports
) -> None:
    deleted, other_kind = await make_key(), await make_key("tcp")
    await owner.execute("UPDATE checks SET deleted_at = now() WHERE kind = 'heartbeat'")
    paths = [f"/{uuid4()}", f"/{deleted}", f"/{other_kind}", "/", "/metrics", "/graphql", f"/{deleted}/none"]
    answers = [await client.get(path) for path in paths]
    assert {(answer.status_code, answer.text, tuple(sorted(answer.headers))) for answer in answers} == {
        (404, "not found", tuple(sorted(answers[0].headers)))
    }
    assert await reports() == []


@pytest.mark.proves("heartbeat", "rate limit")
async def test_a_key_that_reports_without_end_is_slowed_down(client: httpx.AsyncClient, key: UUID) -> None:
    answers = await asyncio.gather(*(client.get(f"/{key}") for _ in range(200)))
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert {answer.headers["Retry-After"] for answer in limited} == {"1"}


@pytest.mark.proves("heartbeat", "exit code")
async def test_the_newest_payload_is_what_a_worker_judges(
    client: httpx.AsyncClient, key: UUID, owner: Connection
) -> None:
    await client.post(f"/{key}/7", content=json.dumps({"rows": 3}))
    row = await owner.fetchrow("SELECT kind, exit_code, payload, size FROM heartbeats")
    assert row is not None
    assert tuple(row) == ("FAILURE", 7, '{"rows": 3}', 11)


async def test_what_is_received_is_shown_to_who_judges(client: httpx.AsyncClient, key: UUID, owner: Connection) -> None:
    await client.get(f"/{key}")
    fresh = "SELECT now() - through_at < interval '2 seconds' AND interrupted_at IS NULL FROM heartbeat_reception"
    await eventually(lambda: owner.fetchval(fresh), 10)
