"""Redis checks against a real Valkey and a real Redis."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import redis.asyncio as redis

from probes.engine import Engine
from probes.kinds.redis import probe_redis
from probes.runner import probe
from probes.trace import Trace
from tests.probes.examples import example_target
from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS
from tests.servers.redis import DEFAULT_PASSWORD, Redis, Valkey
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.redis import RedisTarget

Run = Callable[..., Awaitable[Observation]]
SECONDS = timedelta(seconds=5)


@pytest.fixture
def on_valkey(engine: Engine, valkey: Valkey) -> Run:
    async def run(**fields: Any) -> Observation:
        place = {"host": ADDRESS, "port": valkey.ports["plain"], "user": USER, "password": PASSWORD}
        return await probe(RedisTarget.model_validate(place | fields), SECONDS, engine)

    return run


@pytest.mark.proves("redis", "a real server")
@pytest.mark.proves("redis", "ping")
async def test_valkey_answers(engine: Engine, valkey: Valkey) -> None:
    target = RedisTarget(host=ADDRESS, port=valkey.ports["plain"], user=USER, password=PASSWORD)
    trace = Trace(SECONDS)
    await probe_redis(target, engine, trace)
    assert trace.facts == {Source.STATUS: "PONG"}


@pytest.mark.proves("redis", "login")
@pytest.mark.parametrize(
    ("login", "word"),
    [
        ({"password": DEFAULT_PASSWORD, "user": "default"}, None),
        ({"password": "wr0ng"}, "WRONGPASS"),
        ({"password": None, "user": "default"}, "NOAUTH"),
    ],
)
async def test_valkey_lets_in_who_may(on_valkey: Run, login: dict[str, Any], word: str | None) -> None:
    observation = await on_valkey(**login)
    assert observation.reason is (Reason.AUTHENTICATION if word else None)
    assert word is None or word in str(observation.message)
    assert "wr0ng" not in str(observation.message)


@pytest.mark.proves("redis", "TLS")
async def test_redis_is_spoken_to_over_tls(engine: Engine, redis_server: Redis) -> None:
    place = {"host": ADDRESS, "port": redis_server.ports["tls"], "user": USER, "password": PASSWORD}
    target = RedisTarget.model_validate(place | {"tls": {"ca": redis_server.credentials.ca}})
    observation = await probe(target, SECONDS, engine)
    assert (observation.outcome, observation.tls_verified) == (Outcome.SUCCESS, True)


@pytest.mark.proves("redis", "round trip")
async def test_a_key_makes_the_round_trip_and_is_gone(on_valkey: Run, valkey: Valkey) -> None:
    assert (await on_valkey(key_prefix="tocsin:check:")).outcome is Outcome.SUCCESS
    async with redis.Redis(port=valkey.ports["plain"], password=DEFAULT_PASSWORD) as client:
        assert await client.keys("*") == []


async def test_a_key_that_may_not_be_set_is_a_refusal(on_valkey: Run) -> None:
    for account in ({"user": "reader", "key_prefix": "tocsin:"}, {"key_prefix": "other:"}):
        observation = await on_valkey(**account)
        assert (observation.reason, "NOPERM" in str(observation.message)) == (Reason.STATUS, True)


@pytest.mark.proves("redis", "database")
async def test_a_database_is_chosen_by_its_number(on_valkey: Run) -> None:
    assert (await on_valkey(database=15)).outcome is Outcome.SUCCESS
    observation = await on_valkey(database=16)
    assert (observation.reason, "out of range" in str(observation.message)) == (Reason.STATUS, True)


async def test_the_examples_pass_and_fail(engine: Engine, valkey: Valkey) -> None:
    port = valkey.ports["plain"]
    good = example_target("redis-pass", "redis", port=port, password=PASSWORD)
    assert (await probe(good, SECONDS, engine)).outcome is Outcome.SUCCESS
    bad = example_target("redis-fail", "redis", port=port)
    assert (await probe(bad, SECONDS, engine)).reason is Reason.AUTHENTICATION
