"""Checks through the API."""

from typing import Any

import pytest

FIELDS = """
    __typename ... on Problem { message }
    ... on Check {
        id name description kind status paused intervalSeconds schedule { cron timeZone } timeoutSeconds
        failureThreshold successThreshold failureWindow labels { name value }
        site { id name } openIncident { id } lastResult { slot }
        target {
            __typename
            ... on HttpTarget {
                url method headers { name value } body expectedStatus bodyContains followRedirects
            }
            ... on TcpTarget { host port }
        }
    }
"""
INVALID = "... on InvalidInput { problems { path message } }"
CREATE = f"""
mutation ($input: CreateCheckInput!) {{
    createCheck(input: $input) {{ {FIELDS} {INVALID} ... on Conflict {{ path }} }} }}
"""
UPDATE = f"""
mutation ($id: ID!, $input: UpdateCheckInput!) {{ updateCheck(id: $id, input: $input) {{ {FIELDS} {INVALID} }} }}
"""
PAUSE = f"mutation ($id: ID!) {{ pauseCheck(id: $id) {{ {FIELDS} }} }}"
RESUME = f"mutation ($id: ID!) {{ resumeCheck(id: $id) {{ {FIELDS} }} }}"
DELETE = f"mutation ($id: ID!) {{ deleteCheck(id: $id) {{ {FIELDS} }} }}"
HTTP = {"http": {"url": "https://example.com/health"}}


@pytest.fixture
async def site(client: Any) -> str:
    return str(await client.create_site())


async def create(client: Any, site: str, **fields: Any) -> Any:
    return await client.data(CREATE, input={"siteId": site, "name": "front", "target": HTTP, **fields})


async def test_a_check_has_defaults(client: Any, site: str) -> None:
    check = await create(client, site)
    assert check["status"] == "PENDING"
    assert (check["intervalSeconds"], check["schedule"], check["timeoutSeconds"]) == (60, None, 10)
    assert (check["failureThreshold"], check["successThreshold"], check["paused"]) == (3, 2, False)
    assert check["target"] == {
        "__typename": "HttpTarget",
        "url": "https://example.com/health",
        "method": "GET",
        "headers": [],
        "body": None,
        "expectedStatus": ["200-299"],
        "bodyContains": None,
        "followRedirects": True,
    }


async def test_every_field_of_a_target_is_kept(client: Any, site: str) -> None:
    target = {
        "url": "http://127.0.0.1:1/",
        "method": "POST",
        "headers": [{"name": "Accept", "value": "*/*"}],
        "body": "ping",
        "expectedStatus": ["204", "300-399"],
        "bodyContains": "pong",
        "followRedirects": False,
    }
    check = await create(client, site, target={"http": target})
    assert check["target"] == {"__typename": "HttpTarget", **target}


async def test_a_tcp_target_is_kept(client: Any, site: str) -> None:
    check = await create(client, site, target={"tcp": {"host": "::1", "port": 22}})
    assert (check["kind"], check["target"]) == ("TCP", {"__typename": "TcpTarget", "host": "::1", "port": 22})


async def test_a_short_interval_shortens_the_default_timeout(client: Any, site: str) -> None:
    assert (await create(client, site, intervalSeconds=5))["timeoutSeconds"] == 5


async def test_a_cron_expression_replaces_the_interval(client: Any, site: str) -> None:
    check = await create(client, site, schedule={"cron": "*/5  * * * *", "timeZone": "Europe/Berlin"})
    assert check["schedule"] == {"cron": "*/5 * * * *", "timeZone": "Europe/Berlin"}
    assert check["intervalSeconds"] is None


async def test_labels_come_back_by_name(client: Any, site: str) -> None:
    labels = [{"name": "team", "value": "web"}, {"name": "example.com/tier", "value": ""}]
    assert (await create(client, site, labels=labels))["labels"] == labels[::-1]


async def test_a_check_may_start_paused(client: Any, site: str) -> None:
    check = await create(client, site, paused=True)
    assert (check["paused"], check["status"]) == (True, "PAUSED")


async def test_every_wrong_field_of_a_check_is_named(client: Any, site: str) -> None:
    http = {"url": "nope", "expectedStatus": ["9"], "headers": [{"name": "a:b", "value": "c\r\nd: e"}]}
    wrong = {
        "siteId": "nonsense",
        "name": "a\0b",
        "description": "a" * 501,
        "target": {"http": http},
        "schedule": {"cron": "* * * *", "timeZone": "Mars/Base"},
        "timeoutSeconds": -1,
        "failureThreshold": 0,
        "successThreshold": 101,
        "labels": [{"name": "a b", "value": "-x"}],
        "idempotencyKey": "\n",
    }
    refused = await create(client, site, **wrong)
    assert refused["__typename"] == "InvalidInput"
    assert {problem["path"] for problem in refused["problems"]} == {
        *("siteId", "name", "description", "schedule.cron", "schedule.timeZone", "timeoutSeconds", "failureThreshold"),
        *("successThreshold", "labels.0.name", "labels.0.value", "idempotencyKey", "target.http.url"),
        *("target.http.expectedStatus.0", "target.http.headers.0.name", "target.http.headers.0.value"),
    }


@pytest.mark.parametrize("target", ["{}", "{http: null}", '{http: {url: "http://a/"}, tcp: {host: "a", port: 1}}'])
async def test_a_target_is_exactly_one_kind(client: Any, site: str, target: str) -> None:
    query = f'mutation {{ createCheck(input: {{siteId: "{site}", name: "a", target: {target}}}) {{ __typename }} }}'
    assert (await client.error(query))["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_target_in_a_variable_is_exactly_one_kind(client: Any, site: str) -> None:
    target = {**HTTP, "tcp": {"host": "a", "port": 1}}
    error = await client.error(CREATE, input={"siteId": site, "name": "a", "target": target})
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_an_idempotency_key_makes_one_check(client: Any, site: str) -> None:
    first, second = [await create(client, site, idempotencyKey="k") for _ in range(2)]
    assert first["id"] == second["id"]


async def test_an_idempotency_key_for_another_target_is_a_conflict(client: Any, site: str) -> None:
    await create(client, site, idempotencyKey="k")
    refused = await create(client, site, idempotencyKey="k", target={"tcp": {"host": "a", "port": 1}})
    assert (refused["__typename"], refused["path"]) == ("Conflict", "idempotencyKey")


async def test_an_update_changes_what_is_given_alone(client: Any, site: str) -> None:
    made = await create(client, site, intervalSeconds=30, labels=[{"name": "a"}])
    changed = await client.data(
        UPDATE, id=made["id"], input={"name": "back", "failureThreshold": 5, "failureWindow": 9}
    )
    assert changed == {**made, "name": "back", "failureThreshold": 5, "failureWindow": 9}


async def test_an_update_may_turn_an_interval_into_a_cron_expression_and_back(client: Any, site: str) -> None:
    made = await create(client, site)
    cron = await client.data(UPDATE, id=made["id"], input={"schedule": {"cron": "0 * * * *"}})
    assert (cron["intervalSeconds"], cron["schedule"]) == (None, {"cron": "0 * * * *", "timeZone": "UTC"})
    back = await client.data(UPDATE, id=made["id"], input={"intervalSeconds": 60})
    assert back == made


async def test_a_shorter_interval_must_come_with_a_timeout_that_fits(client: Any, site: str) -> None:
    made = await create(client, site, intervalSeconds=30, timeoutSeconds=10)
    refused = await client.data(UPDATE, id=made["id"], input={"intervalSeconds": 5})
    (problem,) = refused["problems"]
    assert problem["path"] == "timeoutSeconds"
    assert problem["message"].endswith("at most the interval; timeoutSeconds stays 10 unless another one is sent along")
    changed = await client.data(UPDATE, id=made["id"], input={"intervalSeconds": 5, "timeoutSeconds": 5})
    assert (changed["intervalSeconds"], changed["timeoutSeconds"]) == (5, 5)


async def test_a_threshold_above_the_failure_window_is_the_one_to_blame(client: Any, site: str) -> None:
    made = await create(client, site, failureWindow=5)
    refused = await client.data(UPDATE, id=made["id"], input={"failureThreshold": 10})
    message = "must be at most the failure window, which stays 5 unless another failureWindow is sent along"
    assert refused["problems"] == [{"path": "failureThreshold", "message": message}]


async def test_a_description_is_kept_until_another_one_is_given(client: Any, site: str) -> None:
    made = await create(client, site, description="The front page.\nAsk the web team.")
    renamed = await client.data(UPDATE, id=made["id"], input={"name": "back"})
    assert renamed["description"] == "The front page.\nAsk the web team."
    assert (await client.data(UPDATE, id=made["id"], input={"description": ""}))["description"] == ""


async def test_an_update_names_every_wrong_field(client: Any, site: str) -> None:
    made = await create(client, site)
    wrong = {"name": "", "siteId": "x", "target": {"http": {"url": "x"}}, "timeoutSeconds": 0}
    refused = await client.data(UPDATE, id=made["id"], input=wrong)
    paths = {problem["path"] for problem in refused["problems"]}
    assert paths == {"name", "siteId", "target.http.url", "timeoutSeconds"}


async def test_a_check_moves_to_another_site(client: Any, site: str) -> None:
    made = await create(client, site)
    other = await client.create_site("blog")
    changed = await client.data(UPDATE, id=made["id"], input={"siteId": other})
    assert changed["site"]["name"] == "blog"


async def test_pausing_and_resuming_shows_in_the_status(client: Any, site: str) -> None:
    check = (await create(client, site))["id"]
    paused = [await client.data(PAUSE, id=check) for _ in range(2)]
    assert [(one["status"], one["paused"]) for one in paused] == [("PAUSED", True)] * 2
    resumed = [await client.data(RESUME, id=check) for _ in range(2)]
    assert [(one["status"], one["paused"]) for one in resumed] == [("PENDING", False)] * 2


async def test_a_deleted_check_is_answered_once_more_and_then_not_found(client: Any, site: str) -> None:
    check = (await create(client, site))["id"]
    assert (await client.data(DELETE, id=check))["name"] == "front"
    assert (await client.data(DELETE, id=check))["__typename"] == "NotFound"
    assert (await client.error("query ($id: ID!) { check(id: $id) { id } }", id=check))["extensions"] == {
        "code": "NOT_FOUND"
    }


FILTERS: list[tuple[str, set[str]]] = [
    ("", {"front", "Database", "old"}),
    ("(status: PAUSED)", {"old"}),
    ("(status: [PENDING, PAUSED])", {"front", "Database", "old"}),
    ("(status: UP)", set()),
    ("(kind: TCP)", {"Database"}),
    ('(label: {name: "team", value: "web"})', {"front", "old"}),
    ('(label: [{name: "team", value: "web"}, {name: "old"}])', {"old"}),
    ('(text: "DATA")', {"Database"}),
    ('(text: "%")', set()),
    ("(siteId: $site)", {"front", "old"}),
    ('(siteId: $site, text: "o", status: PENDING, kind: HTTP, label: {name: "team", value: "web"})', {"front"}),
]


@pytest.mark.parametrize(("arguments", "names"), FILTERS)
async def test_checks_are_filtered(client: Any, site: str, arguments: str, names: set[str]) -> None:
    web = {"name": "team", "value": "web"}
    await create(client, site, labels=[web])
    await create(client, site, name="old", labels=[web, {"name": "old"}], paused=True)
    tcp = {"tcp": {"host": "db", "port": 5432}}
    await create(client, await client.create_site("data"), name="Database", target=tcp)
    header = "($site: ID!)" if "$site" in arguments else ""
    found = await client.data(f"query {header} {{ checks{arguments} {{ nodes {{ name }} }} }}", site=site)
    assert {check["name"] for check in found["nodes"]} == names


async def test_pages_hold_each_check_once_in_the_order_of_creation(client: Any, site: str) -> None:
    for number in range(5):
        await create(client, site, name=str(number))
    query = """query ($after: String) {
        checks(first: 2, after: $after) { pageInfo { hasNextPage endCursor } nodes { name } } }"""
    names, after, more = [], None, True
    while more:
        page = await client.data(query, after=after)
        names += [check["name"] for check in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert names == list("01234")


async def test_edges_carry_cursors(client: Any, site: str) -> None:
    await create(client, site)
    query = "{ checks { edges { cursor node { name } } pageInfo { startCursor endCursor hasPreviousPage } } }"
    page = await client.data(query)
    assert page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"] == page["pageInfo"]["endCursor"]


async def test_a_site_lists_its_checks(client: Any, site: str) -> None:
    await create(client, site)
    await create(client, await client.create_site("blog"), name="other")
    query = "query ($id: ID!) { site(id: $id) { checks { nodes { name } } } }"
    assert (await client.data(query, id=site))["checks"]["nodes"] == [{"name": "front"}]


async def test_tokens_that_only_read_see_no_secrets_of_a_target(client: Any, reader: Any, site: str) -> None:
    headers = [{"name": "Authorization", "value": "Bearer secret"}]
    target = {"url": "http://a/", "method": "POST", "headers": headers, "body": "secret"}
    await create(client, site, target={"http": target})
    query = "{ checks { nodes { target { ... on HttpTarget { url headers { name value } body } } } } }"
    (shown,) = (await reader.data(query))["nodes"]
    assert "secret" not in str(shown)
    assert shown["target"]["headers"][0]["name"] == "Authorization"
