"""The protocol and the reconnects, against a real server that fails as it is told."""

import asyncio
from http import HTTPStatus

import pytest

from tests.watch.following import follow_to_the_end, following
from tests.watch.stand_in import NOON, TOKEN, StandIn, check_node, incident, named, result, slot
from tocsin.watch import feed as feed_module
from tocsin.watch.address import read_address
from tocsin.watch.errors import WatchError
from tocsin.watch.feed import Feed
from tocsin.watch.model import ConnectionLost, Loaded


async def test_the_checks_are_loaded_first(api: StandIn) -> None:
    async with following(api.url) as watched:
        assert [check.named.name for check in watched.state.checks.values()] == ["check 1", "check 2"]
        assert watched.state.organization == "acme"


async def test_what_does_not_fit_on_a_page_is_asked_for_after_it(api: StandIn) -> None:
    api.checks = [check_node(number) for number in range(120)]
    async with following(api.url) as watched:
        assert len(watched.state.checks) == 120
        assert [question["variables"]["after"] for question in api.questions] == [None, "50", "100"]


async def test_results_arrive_as_they_are_told(api: StandIn) -> None:
    async with following(api.url) as watched:
        await api.tell_result(1, 5)
        await watched.until(lambda: watched.slots == [slot(5)])
        assert watched.state.checks["id-1"].results[-1].slot.second == 5


async def test_status_changes_arrive(api: StandIn) -> None:
    async with following(api.url) as watched:
        await api.tell_status(1, 5, "UP", "DOWN")
        await watched.until(lambda: watched.state.checks["id-1"].status == "DOWN")
        assert watched.state.changes[0].from_status == "UP"


async def test_incidents_open_and_end(api: StandIn) -> None:
    async with following(api.url) as watched:
        told = {"at": NOON.isoformat(), "message": None, "actor": None}
        await api.tell("incidentEvents", incident={**incident(1), "check": named(1)}, kind="OPENED", **told)
        await watched.until(lambda: watched.state.checks["id-1"].incident is not None)
        ended = {**incident(1, resolvedAt=NOON.isoformat()), "check": named(1)}
        await api.tell("incidentEvents", incident=ended, kind="RESOLVED", **told)
        await watched.until(lambda: watched.state.checks["id-1"].incident is None)


async def test_what_happens_to_the_incident_of_a_forgotten_check_is_left_out(api: StandIn) -> None:
    async with following(api.url) as watched:
        told = {"at": NOON.isoformat(), "message": None, "actor": None}
        await api.tell("incidentEvents", incident={**incident(1), "check": None}, kind="OPENED", **told)
        await api.tell_result(1, 5)
        await watched.until(lambda: watched.slots == [slot(5)])


async def test_what_happened_while_the_connection_was_cut_is_replayed_once(api: StandIn) -> None:
    async with following(api.url) as watched:
        for second in range(1, 41):
            await api.tell_result(1, second)
            if second % 8 == 4:
                await watched.until(lambda: watched.slots[-1:] == [slot(second)])  # noqa: B023 - asked for here alone
            elif second % 8 == 0:
                api.cut()
                await watched.until(lambda: watched.state.away is not None)
        await watched.until(lambda: slot(40) in watched.slots)
        assert watched.slots == [slot(second) for second in range(1, 41)]
        assert api.connections == 6


async def test_what_happens_between_loading_and_subscribing_arrives(api: StandIn) -> None:
    api.may_answer.clear()
    loading = asyncio.create_task(tell_before_the_answer(api))
    async with following(api.url) as watched:
        await loading
        await watched.until(lambda: watched.slots == [slot(5)])


async def tell_before_the_answer(api: StandIn) -> None:
    await api.on_question.wait()
    await api.tell_result(1, 5)
    api.may_answer.set()


async def test_an_expired_cursor_loads_everything_anew(api: StandIn) -> None:
    async with following(api.url) as watched:
        await api.tell_result(1, 5)
        await watched.until(lambda: watched.slots == [slot(5)])
        api.checks = [check_node(1, results={"nodes": [result(7), result(6)]})]
        api.oldest_cursor = 1
        api.cut()
        await watched.until(lambda: len(watched.state.checks["id-1"].results) == 4)
        assert [seen.slot.second for seen in watched.state.checks["id-1"].results] == [0, 5, 6, 7]


async def test_a_new_check_is_loaded_when_it_is_heard_of(api: StandIn) -> None:
    async with following(api.url) as watched:
        api.checks.append(check_node(3))
        await api.tell_result(3, 5)
        await watched.until(lambda: "id-3" in watched.state.checks)


async def test_a_check_that_is_in_no_list_is_looked_for_once(api: StandIn) -> None:
    async with following(api.url) as watched:
        for second in range(1, 6):
            await api.tell_result(9, second)
        await watched.until(lambda: len(watched.slots) == 5)
        await watched.until(lambda: len([e for e in watched.events if isinstance(e, Loaded)]) == 2)
        assert len(api.questions) == 2


async def test_checks_are_loaded_again_from_time_to_time(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RELOAD_SECONDS", 0.01)
    async with following(api.url) as watched:
        api.checks = [check_node(1, name="renamed")]
        await watched.until(lambda: [check.named.name for check in watched.state.checks.values()] == ["renamed"])


async def test_what_was_told_while_checks_were_loaded_stays(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RELOAD_SECONDS", 0.01)
    async with following(api.url) as watched:
        api.on_question.clear()
        api.may_answer.clear()
        await api.on_question.wait()
        await api.tell_status(1, 5, "UP", "DOWN")
        await watched.until(lambda: watched.state.checks["id-1"].status == "DOWN")
        monkeypatch.setattr(feed_module, "RELOAD_SECONDS", 60)
        api.may_answer.set()
        await watched.until(lambda: isinstance(watched.events[-1], Loaded))
        assert watched.state.checks["id-1"].status == "DOWN"


async def test_it_says_since_when_the_api_is_away_and_comes_back(api: StandIn) -> None:
    async with following(api.url) as watched:
        await api.close(1013, "The database does not answer; try again soon.")
        await watched.until(lambda: watched.state.away is not None)
        assert isinstance(watched.events[-1], ConnectionLost)
        assert watched.events[-1].reason == "The database does not answer; try again soon."
        await watched.until(lambda: watched.state.away is None)


async def test_an_api_that_is_not_there_yet_is_waited_for() -> None:
    api = StandIn()
    async with api.running():
        pass
    async with following(api.url, loaded=False) as watched:
        await watched.until(lambda: watched.state.away is not None)
        assert [event.reason for event in watched.events if isinstance(event, ConnectionLost)] == [
            "nothing listens there"
        ]
        async with api.running():
            await watched.until(lambda: len(watched.state.checks) == 2)


@pytest.mark.parametrize("acknowledgement", ['{"type": "connection_ack"}', "[]", "no JSON"])
async def test_what_is_not_this_api_is_said_to_be_none(api: StandIn, acknowledgement: str) -> None:
    api.acknowledgement = acknowledgement
    with pytest.raises(WatchError, match=r"what answers there is not Tocsin's API; check --url"):
        await follow_to_the_end(api.url)


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.OK])
async def test_a_refusal_that_will_not_change_ends_it_with_the_path_to_use(api: StandIn, status: HTTPStatus) -> None:
    api.http_status = status
    with pytest.raises(WatchError) as refused:
        await follow_to_the_end(f"{api.url}/nope?x=1")
    assert str(refused.value) == (
        f"{api.url}/nope?x=1 answers with HTTP status {status.value}; "
        f"Tocsin's API has the path /graphql, as in --url {api.url}/graphql"
    )


async def test_an_address_that_was_right_is_not_given_up_while_a_proxy_finds_nobody(api: StandIn) -> None:
    async with following(api.url) as watched:
        api.http_status = HTTPStatus.NOT_FOUND
        api.cut()
        await watched.until(lambda: watched.state.away is not None and "404" in str(watched.events[-1]))
        api.http_status = None
        await watched.until(lambda: watched.state.away is None)


async def test_what_speaks_no_websocket_may_do_so_later(api: StandIn) -> None:
    api.http_status = HTTPStatus.BAD_GATEWAY
    async with following(api.url, loaded=False) as watched:
        await watched.until(lambda: watched.state.away is not None)
        assert [event.reason for event in watched.events if isinstance(event, ConnectionLost)] == [
            "it answers with HTTP status 502"
        ]
        api.http_status = None
        await watched.until(lambda: len(watched.state.checks) == 2)


async def test_a_host_that_is_not_found_is_waited_for() -> None:
    async with following("http://no..name", loaded=False) as watched:
        await watched.until(lambda: watched.state.away is not None)


async def test_attempts_become_rarer() -> None:
    lost: list[ConnectionLost] = []
    enough = asyncio.Event()

    def tell(event: object) -> None:
        assert isinstance(event, ConnectionLost)
        lost.append(event)
        if len(lost) == 6:
            enough.set()

    task = asyncio.create_task(Feed(read_address("http://127.0.0.1:1"), TOKEN, tell).run())
    async with asyncio.timeout(10):
        await enough.wait()
    task.cancel()
    waits = [event.retry_at - event.at for event in lost]
    assert waits[-1] > 8 * waits[0]


async def test_a_refused_token_is_said_with_what_helps(api: StandIn) -> None:
    with pytest.raises(WatchError, match=r"refuses the token; make one with `tocsin token create --name NAME`"):
        await follow_to_the_end(api.url, "tocsin_wrong")


async def test_a_token_that_is_revoked_ends_it(api: StandIn) -> None:
    task = asyncio.create_task(follow_to_the_end(api.url))
    await api.on_question.wait()
    await api.close(4403, "The token is not valid any more.")
    with pytest.raises(WatchError, match="refuses the token"):
        await task


async def test_a_query_that_the_api_does_not_know_ends_it(api: StandIn) -> None:
    api.refusal = {"message": "Cannot query field 'uptime'", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}
    with pytest.raises(WatchError, match="run the same version of both"):
        await follow_to_the_end(api.url)


async def test_a_database_that_is_away_is_waited_for(api: StandIn) -> None:
    api.refusal = {"message": "The database does not answer.", "extensions": {"code": "UNAVAILABLE"}}
    async with following(api.url, loaded=False) as watched:
        await watched.until(lambda: watched.state.away is not None)
        api.refusal = None
        await watched.until(lambda: len(watched.state.checks) == 2)
