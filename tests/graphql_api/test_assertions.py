"""Assertions and conditions through the API, as the documentation shows them."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs/assertions.md"
CREATE = """
mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
    __typename
    ... on Check { target { ... on TcpTarget {
        assertions { source path operator value severity } conditions { expression severity } } } }
    ... on InvalidInput { problems { path message } }
} }
"""


@pytest.fixture
async def site(client: Any) -> str:
    return str(await client.create_site())


async def created(client: Any, site: str, **fields: Any) -> Any:
    target = {"tcp": {"host": "example.com", "port": 80, **fields}}
    return await client.data(CREATE, input={"siteId": site, "name": "shop", "target": target})


async def test_the_documented_mutation_makes_a_check(client: Any, site: str) -> None:
    [mutation] = re.findall(r"```graphql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "id" in await client.data(mutation, site=site)


async def test_what_is_asserted_comes_back_with_its_defaults(client: Any, site: str) -> None:
    check = await created(
        client,
        site,
        assertions=[{"source": "LATENCY", "operator": "LESS", "value": "100"}],
        conditions=[{"expression": "latency.connect < 50.0", "severity": "DEGRADED"}],
    )
    assert check["target"] == {
        "assertions": [{"source": "LATENCY", "path": None, "operator": "LESS", "value": "100", "severity": "DOWN"}],
        "conditions": [{"expression": "latency.connect < 50.0", "severity": "DEGRADED"}],
    }


async def test_a_check_without_any_has_empty_lists(client: Any, site: str) -> None:
    assert (await created(client, site))["target"] == {"assertions": [], "conditions": []}


async def test_each_wrong_one_is_refused_at_its_path(client: Any, site: str) -> None:
    answer = await created(
        client,
        site,
        assertions=[
            {"source": "LATENCY", "operator": "LESS", "value": "100"},
            {"source": "JSON", "path": "status", "operator": "EQUALS"},
            {"source": "BODY", "operator": "MATCHES", "value": "("},
        ],
        conditions=[{"expression": "latency.total <"}],
    )
    assert answer["__typename"] == "InvalidInput"
    assert {problem["path"] for problem in answer["problems"]} == {
        "target.tcp.assertions.1.path",
        "target.tcp.assertions.1.value",
        "target.tcp.assertions.2.value",
        "target.tcp.conditions.0.expression",
    }


async def test_what_the_kind_does_not_know_is_refused_with_what_it_knows(client: Any, site: str) -> None:
    answer = await created(
        client,
        site,
        assertions=[{"source": "RECORD", "operator": "EXISTS"}],
        conditions=[{"expression": "records.size() > 0"}],
    )
    told = {problem["path"]: problem["message"] for problem in answer["problems"]}
    assert "choose one of BODY, JSON, SIZE, LATENCY, CERTIFICATE" in told["target.tcp.assertions.0.source"]
    assert "known are body, certificate, json, latency, size" in told["target.tcp.conditions.0.expression"]
