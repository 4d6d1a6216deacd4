"""Faults between the operator and the API server: what was applied meanwhile is in step soon afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.engine.harness import eventually
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import HTTP, Cluster, new_name, wait_until
from tests.kubernetes.convergence.shared import OFTEN, Proxied, proxied_cluster
from tests.kubernetes.faults import Answer, expired_watch, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCH = "GET .*/healthchecks.*watch=true"
LIST = r"GET .*/healthchecks\?.*limit="
STATUS = "PATCH .*/status"
EVENT = "POST .*/events"
LEASE = "(GET|PUT) .*/leases/"
REFUSALS = [
    refusal(409, "Conflict"),
    refusal(429, "TooManyRequests", timedelta(seconds=1)),
    refusal(500, "InternalError"),
    refusal(503, "ServiceUnavailable"),
]


def status_of(answer: Answer) -> str:
    return str(answer.status)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxied(cluster: Servers, unwatched: Cluster) -> AsyncIterator[Proxied]:
    async with proxied_cluster(cluster, unwatched) as proxied:
        unwatched.operator(OFTEN)
        yield proxied


async def apply(proxied: Proxied, name: str, interval: str = "1h") -> None:
    await proxied.do(proxied.cluster.apply, name, interval=interval, http=HTTP)


async def until_applied(proxied: Proxied, name: str) -> None:
    await proxied.do(proxied.cluster.until_applied, name, 60)


@pytest_asyncio.fixture(loop_scope="module")
async def name(proxied: Proxied) -> str:
    """A check that is in step, so the operator is at work."""
    name = new_name()
    await apply(proxied, name)
    await until_applied(proxied, name)
    return name


async def until_gone(proxied: Proxied, name: str) -> None:
    query = "SELECT count(*) = 0 FROM checks WHERE name = $1 AND deleted_at IS NULL"
    await eventually(lambda: proxied.cluster.platform.ask(query, name), 60)


@pytest.mark.parametrize("answer", REFUSALS, ids=status_of)
async def test_a_status_that_is_refused_is_written_later(proxied: Proxied, name: str, answer: Answer) -> None:
    proxied.proxy.faults.answer(STATUS, answer, times=2)
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)


@pytest.mark.parametrize("answer", REFUSALS[1:], ids=status_of)
async def test_an_event_that_is_refused_is_sent_later_and_once(proxied: Proxied, answer: Answer) -> None:
    name = new_name()
    proxied.proxy.faults.answer(EVENT, answer, times=2)
    await proxied.do(proxied.cluster.apply, name, schedule="0 0 30 2 *", http=HTTP)
    sent = await proxied.do(wait_until, lambda: proxied.cluster.events(name), bool)
    assert [each["reason"] for each in sent] == ["InvalidSpec"]


async def test_nothing_is_asked_before_the_api_server_allows_it(proxied: Proxied, name: str) -> None:
    proxied.proxy.faults.answer(STATUS, refusal(429, "TooManyRequests", timedelta(seconds=3)), times=1)
    started = time.monotonic()
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)
    assert time.monotonic() - started > 3


@pytest.mark.parametrize("answer", REFUSALS, ids=status_of)
async def test_leases_that_are_refused_for_a_while_are_kept(proxied: Proxied, name: str, answer: Answer) -> None:
    faults = proxied.proxy.faults
    before = proxied.times_said("leading")
    fault = faults.answer("GET .*/leases/" if answer.status != 409 else "PUT .*/leases/", answer, times=1)
    await asyncio.wait_for(fault.over.wait(), 10)
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)
    assert proxied.times_said("leading") == before


@pytest.mark.parametrize("answer", REFUSALS[1:], ids=status_of)
async def test_lists_that_are_refused_for_a_while_are_asked_again(proxied: Proxied, name: str, answer: Answer) -> None:
    proxied.proxy.faults.answer(LIST, answer, times=3)
    proxied.proxy.faults.answer(WATCH, expired_watch(), times=1)
    proxied.proxy.cut(WATCH)
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)


async def test_a_term_that_cannot_list_ends_and_the_next_one_goes_on(proxied: Proxied, name: str) -> None:
    before = proxied.times_said("term_failed")
    refused = proxied.proxy.faults.answer(LIST, refusal(403, "Forbidden"))
    proxied.proxy.faults.answer(WATCH, expired_watch(), times=1)
    proxied.proxy.cut(WATCH)
    await proxied.until_said("term_failed", before)
    refused.end()
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)


async def test_a_watch_that_is_cut_is_opened_again(proxied: Proxied, name: str) -> None:
    assert proxied.proxy.cut(WATCH) == 1
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)


async def test_connections_that_are_cut_are_opened_again(proxied: Proxied, name: str) -> None:
    proxied.proxy.cut(".")
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)


async def test_an_api_server_that_refuses_connections_is_tried_again(proxied: Proxied, name: str) -> None:
    await proxied.proxy.refuse()
    await apply(proxied, name, "2h")
    await asyncio.sleep(2)
    await proxied.proxy.accept()
    await until_applied(proxied, name)


async def test_what_was_deleted_before_the_watch_expired_takes_its_check_along(proxied: Proxied, name: str) -> None:
    expired = proxied.proxy.faults.answer(WATCH, expired_watch())
    proxied.proxy.cut(WATCH)
    await proxied.do(proxied.cluster.run, "delete", "thc", name)
    expired.end()
    await until_gone(proxied, name)


async def test_a_watch_that_stalls_hides_neither_a_change_nor_a_deletion(proxied: Proxied, name: str) -> None:
    deleted = new_name()
    await apply(proxied, deleted)
    await until_applied(proxied, deleted)
    stalled = proxied.proxy.faults.stall(WATCH)
    await apply(proxied, name, "2h")
    await proxied.do(proxied.cluster.run, "delete", "thc", deleted)
    await until_applied(proxied, name)
    await until_gone(proxied, deleted)
    stalled.end()


async def test_a_watch_that_tells_nothing_is_left_for_a_new_one(proxied: Proxied, name: str) -> None:
    stalled = proxied.proxy.faults.stall(WATCH)
    before = proxied.times_said("watch_stalled")
    for interval in ("2h", "3h"):
        await apply(proxied, name, interval)
        await until_applied(proxied, name)
    await proxied.until_said("watch_stalled", before)
    stalled.end()


async def test_a_token_that_is_refused_is_read_again(proxied: Proxied, name: str) -> None:
    proxied.proxy.faults.answer(WATCH, refusal(401, "Unauthorized"), times=1)
    proxied.proxy.cut(WATCH)
    await apply(proxied, name, "2h")
    await until_applied(proxied, name)
