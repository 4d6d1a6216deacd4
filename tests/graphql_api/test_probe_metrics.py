"""`probe_*` in `/metrics`: for whoever shows a token, of the checks that it opens."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import graphql_api
from graphql_api import probe_metrics
from graphql_api.app import create_app
from graphql_api.probe_exposition import HELP
from tests.graphql_api.conftest import Client
from tocsin.domain.global_ids import decode
from tocsin.domain.observations import Outcome, Reason
from tocsin.models.codes import OUTCOME_CODES, REASON_CODES
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Api, Encryption, Servers, Settings

SLOT = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPIRES = datetime(2027, 1, 1, tzinfo=UTC)
_RESULT = """
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, resolve_us, connect_us, tls_us,
                     processing_us, transfer_us, location_id, outcome, reason, status_code, certificate_expires_at,
                     address)
SELECT id, $2, $2, organization_id, 1, 15000, 1000, 2000, 3000, 4000, 5000, 1, $3, $4, $5, $6, '127.0.0.1'
FROM checks WHERE id = $1
"""
Samples = dict[str, float]


@pytest.fixture
async def telling(database_url: str, servers: Servers) -> AsyncIterator[httpx.AsyncClient]:
    """The API where it was asked to tell of checks."""
    urls = Servers(database_url, servers.redis_url)
    app = create_app(Settings(urls, api=Api(probe_metrics=True), encryption=Encryption({"k1": bytes(32)})))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        yield http


async def record(
    owner: asyncpg.Connection,
    check: str,
    outcome: Outcome = Outcome.SUCCESS,
    reason: Reason | None = None,
    status_code: int | None = 200,
) -> None:
    """Let a check have this newest result."""
    decoded = decode(check)
    assert decoded is not None
    check_id = decoded[1][0]
    await ensure_partitions(owner, SLOT)
    codes = OUTCOME_CODES[outcome], None if reason is None else REASON_CODES[reason]
    await owner.execute(_RESULT, check_id, SLOT, *codes, status_code, EXPIRES)
    await owner.execute("UPDATE check_states SET last_slot = $2 WHERE check_id = $1", check_id, SLOT)


async def text_for(telling: httpx.AsyncClient, client: Client) -> str:
    response = await telling.get("/metrics", headers={"Authorization": f"Bearer {client.token}"})
    assert response.status_code == 200, response.text
    return response.text


def samples(text: str, **wanted: str) -> Samples:
    """Values by the name of the metric and the labels of its own, of what has these labels."""
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {
        f"{sample.name} {sample.labels.get('phase', '')}".strip(): sample.value
        for sample in found
        if wanted.items() <= sample.labels.items()
    }


async def make(client: Client, **target: Any) -> str:
    return await client.create_check(await client.create_site(), target=target or {"http": {"url": "https://a/"}})


async def test_a_check_is_told_of_as_blackbox_exporter_does(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(client))
    assert samples(await text_for(telling, client), instance="https://a/") == pytest.approx(
        {
            "probe_success": 1,
            "probe_duration_seconds": 0.015,
            "probe_dns_lookup_time_seconds": 0.001,
            "probe_ip_protocol": 4,
            "probe_failed_due_to_regex": 0,
            "probe_http_status_code": 200,
            "probe_http_duration_seconds resolve": 0.001,
            "probe_http_duration_seconds connect": 0.002,
            "probe_http_duration_seconds tls": 0.003,
            "probe_http_duration_seconds processing": 0.004,
            "probe_http_duration_seconds transfer": 0.005,
            "probe_http_ssl": 1,
            "probe_ssl_earliest_cert_expiry": EXPIRES.timestamp(),
            "tocsin_probe_slot_timestamp_seconds": SLOT.timestamp(),
        }
    )


async def test_every_series_says_which_check_it_is_of(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    site = await client.create_site('a "quoted" \\ site')
    await record(owner, await client.create_check(site, "front", target={"tcp": {"host": "::1", "port": 7}}))
    (family,) = (
        f for f in text_string_to_metric_families(await text_for(telling, client)) if f.name == "probe_success"
    )
    labels = family.samples[0].labels
    assert labels.pop("check_id").isdigit()
    assert labels == {
        "instance": "[::1]:7",
        "name": "front",
        "kind": "tcp",
        "site": 'a "quoted" \\ site',
        "organization": "acme",
        "location": "default",
    }


async def test_a_failure_is_told_with_its_status(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(client), Outcome.FAILURE, Reason.ASSERTION, 500)
    told = samples(await text_for(telling, client))
    assert (told["probe_success"], told["probe_http_status_code"], told["probe_failed_due_to_regex"]) == (0, 500, 1)


@pytest.mark.parametrize("outcome", [Outcome.MISSED, Outcome.UNKNOWN])
async def test_what_says_nothing_of_the_target_is_no_failure(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection, outcome: Outcome
) -> None:
    await record(owner, await make(client), outcome, Reason.SECRET_UNAVAILABLE)
    assert set(samples(await text_for(telling, client))) == {"tocsin_probe_slot_timestamp_seconds"}


@pytest.mark.parametrize("mutation", ["pauseCheck", "deleteCheck"])
async def test_what_is_not_probed_is_not_told_of(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection, mutation: str
) -> None:
    check = await make(client)
    await record(owner, check)
    await client.data(f"mutation ($id: ID!) {{ {mutation}(id: $id) {{ __typename }} }}", id=check)
    assert await text_for(telling, client) == ""


async def test_the_query_of_a_url_is_masked_as_it_may_hold_a_key(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(client, http={"url": "https://a/?key=swordfish#part"}))
    text = await text_for(telling, client)
    assert 'instance="https://a/?***"' in text
    assert "swordfish" not in text


async def test_nothing_of_another_organization_is_told(
    telling: httpx.AsyncClient, client: Client, stranger: Client, reader: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(stranger))
    await record(owner, await make(client, http={"url": "https://b/"}))
    assert await text_for(telling, reader) == await text_for(telling, client)
    assert set(samples(await text_for(telling, client), instance="https://a/")) == set()
    assert samples(await text_for(telling, stranger), instance="https://a/")["probe_success"] == 1


async def test_without_a_token_nothing_of_any_check_is_told(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(client))
    text = (await telling.get("/metrics")).text
    assert "tocsin_ready" in text
    assert "probe_success" not in text


async def test_a_token_that_is_none_is_refused(telling: httpx.AsyncClient) -> None:
    refused = await telling.get("/metrics", headers={"Authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_unless_it_was_asked_for_nothing_of_checks_is_told(client: Client, owner: asyncpg.Connection) -> None:
    await record(owner, await make(client))
    response = await client.http.get("/metrics", headers={"Authorization": f"Bearer {client.token}"})
    assert "tocsin_ready" in response.text
    assert "probe_success" not in response.text


async def test_prometheus_gets_it_compressed_and_others_plain(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    await record(owner, await make(client))
    headers = {"Authorization": f"Bearer {client.token}"}
    packed = await telling.get("/metrics", headers={**headers, "Accept-Encoding": "gzip"})
    plain = await telling.get("/metrics", headers={**headers, "Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text


async def test_whoever_asks_again_at_once_gets_the_same(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection
) -> None:
    check = await make(client)
    before = await text_for(telling, client)
    await record(owner, check)
    assert await text_for(telling, client) == before


async def test_all_pages_are_told_of_and_no_more_than_the_most(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_metrics, "_PAGE", 2)
    monkeypatch.setattr(probe_metrics, "MOST_RESULTS", 5)
    site = await client.create_site()
    for number in range(7):
        await record(owner, await client.create_check(site, f"check {number}"))
    text = await text_for(telling, client)
    assert [sum(line.startswith(f"{name}{{") for line in text.splitlines()) for name in ("probe_success",)] == [5]
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_the_documentation_names_every_metric_that_is_told_and_no_other() -> None:
    page = (Path(graphql_api.__file__).parents[1] / "docs" / "metrics.md").read_text()
    assert set(re.findall(r"\b(?:tocsin_)?probe_[a-z0-9_]+\b", page)) == set(HELP)


async def test_a_database_that_is_away_is_said_and_asked_again(
    telling: httpx.AsyncClient, client: Client, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(owner, await make(client))
    headers = {"Authorization": f"Bearer {client.token}"}
    with monkeypatch.context() as patched:
        patched.setattr(probe_metrics, "newest_results", refuse)
        away = await telling.get("/metrics", headers=headers)
    assert (away.status_code, away.text) == (503, "the database does not answer; check that it runs\n")
    assert "probe_success" in await text_for(telling, client)


async def refuse(*_: object) -> NoReturn:
    raise ConnectionRefusedError
