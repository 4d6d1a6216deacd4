"""Assertions and conditions on what real connections brought."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.redaction import Redaction
from probes.runner import look
from tests.probes.certificates import NOW, Authority
from tests.probes.serving import Observe, Serve, ServeBytes, read_request
from tests.probes.test_sql import target_of
from tests.servers.postgres import Postgres
from tests.servers.unbound import Unbound
from tocsin.domain.assertions import AssertionSeverity
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.dns import DnsTarget
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.tcp import TcpTarget

SECONDS_5 = timedelta(seconds=5)
HEALTHY = {"source": "JSON", "path": "$.status", "operator": "EQUALS", "value": "ok"}
QUICK = {"source": "LATENCY", "operator": "LESS", "value": "0", "severity": "DEGRADED"}


def response(body: object, *headers: str, status: str = "200 OK") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + content


def told(seen: Observation) -> tuple[Outcome, Reason | None, str | None]:
    return seen.outcome, seen.reason, seen.message


async def test_a_response_that_is_as_asserted_is_a_success(observe: Observe, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"status": "ok", "items": [1]}, "Content-Type: application/json"))
    seen = await observe(
        url,
        assertions=[
            HEALTHY,
            {"source": "STATUS", "operator": "EQUALS", "value": "200"},
            {"source": "HEADER", "path": "Content-Type", "operator": "STARTS_WITH", "value": "application/json"},
            {"source": "SIZE", "operator": "LESS", "value": "100"},
            {"source": "BODY", "operator": "CONTAINS", "value": "items"},
            {"source": "LATENCY", "path": "connect", "operator": "GREATER", "value": "0"},
        ],
        conditions=[{"expression": "json.items.exists(item, item == 1) && latency.total < 60000"}],
    )
    assert told(seen) == (Outcome.SUCCESS, None, None)


@pytest.mark.proves("http", "assertions")
async def test_an_assertion_that_fails_says_what_was_expected_and_seen(
    observe: Observe, serve_bytes: ServeBytes
) -> None:
    seen = await observe(await serve_bytes(response({"status": "degraded"})), assertions=[HEALTHY])
    message = 'assertion failed: JSON $.status EQUALS "ok", was "degraded"'
    assert told(seen) == (Outcome.FAILURE, Reason.ASSERTION, message)


@pytest.mark.proves("http", "CEL")
async def test_a_condition_that_fails_says_so(observe: Observe, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"items": []}))
    seen = await observe(url, conditions=[{"expression": "json.items.size() > 0"}])
    assert told(seen) == (Outcome.FAILURE, Reason.ASSERTION, "condition failed: json.items.size() > 0, was false")


@pytest.mark.proves("http", "JSON Schema")
async def test_content_is_compared_with_a_schema(observe: Observe, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"items": [{"id": 1}, {"id": "2"}]}))
    schema = {"properties": {"items": {"items": {"properties": {"id": {"type": "integer"}}}}}}
    asserted = {"source": "JSON", "operator": "MATCHES_SCHEMA", "value": json.dumps(schema)}
    seen = await observe(url, assertions=[asserted])
    message = 'assertion failed: JSON MATCHES_SCHEMA, was "2" at /items/1/id: value is not of type "integer"'
    assert told(seen) == (Outcome.FAILURE, Reason.ASSERTION, message)


@pytest.mark.proves("http", "degraded by latency")
async def test_what_degrades_is_told_as_degraded(observe: Observe, serve_bytes: ServeBytes) -> None:
    seen = await observe(await serve_bytes(response({"status": "ok"})), assertions=[HEALTHY, QUICK])
    assert (seen.outcome, seen.reason) == (Outcome.DEGRADED, Reason.ASSERTION)
    assert str(seen.message).startswith("assertion failed: LATENCY LESS 0, was ")


async def test_what_is_down_is_told_before_what_degrades(observe: Observe, serve_bytes: ServeBytes) -> None:
    seen = await observe(await serve_bytes(response({"status": "no"})), assertions=[QUICK, HEALTHY])
    assert seen.outcome is Outcome.FAILURE
    assert seen.message == 'assertion failed: JSON $.status EQUALS "ok", was "no" (and 1 more)'


async def test_a_failure_of_the_kind_itself_stays_as_it_is(observe: Observe, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"status": "no"}, status="503 Unavailable"))
    seen = await observe(url, assertions=[HEALTHY])
    assert told(seen) == (Outcome.FAILURE, Reason.STATUS, "expected 200-299, got 503")


async def test_the_status_is_asserted_on_where_more_of_them_are_expected(
    observe: Observe, serve_bytes: ServeBytes
) -> None:
    url = await serve_bytes(response({}, status="503 Unavailable"))
    status = {"source": "STATUS", "operator": "NOT_EQUALS", "value": "503", "severity": "DEGRADED"}
    seen = await observe(url, expected_status=["200-599"], assertions=[status])
    assert told(seen) == (Outcome.DEGRADED, Reason.ASSERTION, "assertion failed: STATUS NOT_EQUALS 503, was 503")


async def test_all_that_failed_is_noted(engine: Engine, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"status": "no"}))
    target = HttpTarget(url=url, assertions=[HEALTHY, QUICK], conditions=[{"expression": "status == 204"}])
    trace = (await look(target, SECONDS_5, engine)).trace
    assert [(each.index, each.source, each.severity) for each in trace.failed_assertions] == [
        (0, Source.JSON, AssertionSeverity.DOWN),
        (1, Source.LATENCY, AssertionSeverity.DEGRADED),
        (0, None, AssertionSeverity.DOWN),
    ]


async def test_a_body_is_kept_only_where_it_is_looked_at(engine: Engine, serve_bytes: ServeBytes) -> None:
    url = await serve_bytes(response({"status": "ok"}))
    sight = await look(HttpTarget(url=url, assertions=[QUICK]), SECONDS_5, engine)
    assert Source.BODY not in sight.trace.facts
    sight = await look(HttpTarget(url=url, conditions=[{"expression": "body != ''"}]), SECONDS_5, engine)
    assert sight.trace.facts[Source.BODY] == '{"status": "ok"}'


async def test_a_secret_that_the_target_sends_back_is_not_told(engine: Engine, serve_bytes: ServeBytes) -> None:
    secret = "hunter2-hunter2"
    url = await serve_bytes(response({"status": f"{'x' * 190}{secret}"}))
    target = HttpTarget(url=url, assertions=[HEALTHY])
    seen = (await look(target, SECONDS_5, engine, Redaction({secret}))).observation
    assert seen.reason is Reason.ASSERTION
    assert "hunter" not in str(seen.message)


async def test_a_kind_without_content_asserts_on_its_latency(engine: Engine, serve_bytes: ServeBytes) -> None:
    port = int((await serve_bytes(b"")).rsplit(":", 1)[1].rstrip("/"))
    target = TcpTarget(host="127.0.0.1", port=port, conditions=[{"expression": "latency.connect < 0.0"}])
    seen = (await look(target, SECONDS_5, engine)).observation
    assert told(seen) == (Outcome.FAILURE, Reason.ASSERTION, "condition failed: latency.connect < 0.0, was false")


DEEP: Any = b"[" * 500_000 + b"]" * 500_000
WIDE: Any = b"[" + b"[]," * 340_000 + b"[]]"


@pytest.mark.parametrize(
    ("body", "fields", "message"),
    [
        (DEEP, {"assertions": [HEALTHY]}, "the content is no JSON: depth limit exceeded"),
        (WIDE, {"assertions": [{**HEALTHY, "path": "$..*"}]}, "took longer than 0.5 s to evaluate"),
        (WIDE, {"conditions": [{"expression": "json.all(each, each == [])"}]}, "iterates more than 10,000 times"),
        (b'"\\ud800"', {"assertions": [HEALTHY]}, "the content is no JSON"),
        (b"\xff\xfe{}", {"assertions": [HEALTHY]}, "the content is no JSON"),
        (b"[1e999]", {"conditions": [{"expression": "json[0] > 1"}]}, "the content is no JSON"),
    ],
)
async def test_hostile_content_ends_in_a_typed_reason(
    observe: Observe, serve_bytes: ServeBytes, body: bytes, fields: dict[str, Any], message: str
) -> None:
    seen = await observe(await serve_bytes(response(body)), 20, **fields)
    assert (seen.outcome, seen.reason) == (Outcome.FAILURE, Reason.ASSERTION)
    assert message in str(seen.message)


def _added(name: str) -> str:
    return " + ".join([name] * 8)


async def test_what_takes_too_much_memory_is_told(observe: Observe, serve_bytes: ServeBytes) -> None:
    doubled = f"[{_added('body')}].all(a, [{_added('a')}].all(b, size({_added('b')}) > 0))"
    url = await serve_bytes(response(b"x" * 1_000_000))
    seen = await observe(url, 20, conditions=[{"expression": doubled}])
    assert seen.reason is Reason.ASSERTION
    assert "to evaluate; ask for less, or of less content" in str(seen.message)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority) -> str:
    return Path(authority.ca_file).read_text()


async def test_a_certificate_is_asserted_on(serve: Serve, authority: Authority, trusted: str) -> None:
    context = authority.server_context(expires_at=NOW + timedelta(days=20))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response({}))

    target = HttpTarget.model_validate(
        {
            "url": f"https://localhost:{await serve(talk, context)}/",
            "tls": {"ca": trusted},
            "assertions": [
                {"source": "CERTIFICATE", "path": "days", "operator": "GREATER", "value": "30", "severity": "DEGRADED"},
                {"source": "CERTIFICATE", "path": "days", "operator": "GREATER", "value": "18"},
                {"source": "CERTIFICATE", "path": "names", "operator": "CONTAINS", "value": "localhost"},
                {"source": "CERTIFICATE", "path": "issuer", "operator": "EQUALS", "value": "CN=Tests"},
            ],
            "conditions": [{"expression": "certificate.protocol == 'TLSv1.3' && certificate.chain.size() == 1"}],
        }
    )
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: datetime.now(UTC))
    seen = (await look(target, SECONDS_5, engine)).observation
    assert seen.outcome is Outcome.DEGRADED
    assert re.match(r"assertion failed: CERTIFICATE days GREATER 30, was (19\.9|20\.0)", str(seen.message))


async def test_records_are_asserted_on(engine: Engine, unbound: Unbound) -> None:
    target = DnsTarget(
        name="example.test",
        server="127.0.0.1",
        port=unbound.ports["plain"],
        assertions=[
            {"source": "STATUS", "operator": "EQUALS", "value": "NOERROR"},
            {"source": "RECORD", "operator": "CONTAINS", "value": "192.0.2.10"},
            {"source": "RECORD", "operator": "CONTAINS", "value": "192.0.2.99"},
        ],
        conditions=[{"expression": "records.size() == 2 && records.all(each, each.startsWith('192.0.2.'))"}],
    )
    seen = (await look(target, SECONDS_5, engine)).observation
    assert seen.reason is Reason.ASSERTION
    assert str(seen.message).startswith('assertion failed: RECORD CONTAINS "192.0.2.99", was ["192.0.2.1')


async def test_rows_are_asserted_on(engine: Engine, postgres: Postgres) -> None:
    target = target_of(
        postgres,
        query="SELECT id, state, total FROM orders ORDER BY id",
        assertions=[{"source": "JSON", "path": "$[*].state", "operator": "EQUALS", "value": "paid"}],
        conditions=[{"expression": "json.size() == 2 && json[0].total > 10"}],
    )
    seen = (await look(target, SECONDS_5, engine)).observation
    message = 'assertion failed: JSON $[*].state EQUALS "paid", was "open"'
    assert told(seen) == (Outcome.FAILURE, Reason.ASSERTION, message)
