"""MQTT checks against a real Mosquitto."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from probes.engine import Engine
from probes.runner import probe
from tests.probes.examples import example_target
from tests.probes.serving import Serve
from tests.servers.credentials import PASSWORD, USER
from tests.servers.mosquitto import Mosquitto
from tests.servers.processes import ADDRESS
from tocsin import mqtt
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.mqtt import MqttTarget
from tocsin.mqtt import Version

Run = Callable[..., Awaitable[Observation]]
SECONDS = timedelta(seconds=5)
LOGIN = {"user": USER, "password": PASSWORD}
versions = pytest.mark.parametrize("version", ["MQTT_3_1_1", "MQTT_5"])


@pytest.fixture
def on_mosquitto(engine: Engine, mosquitto: Mosquitto) -> Run:
    async def run(port: str = "plain", **fields: Any) -> Observation:
        target = MqttTarget.model_validate({"host": ADDRESS, "port": mosquitto.ports[port], **fields})
        return await probe(target, SECONDS, engine)

    return run


@pytest.mark.proves("mqtt", "a real server")
@pytest.mark.proves("mqtt", "ping")
@versions
async def test_mosquitto_answers(on_mosquitto: Run, version: str) -> None:
    seen = await on_mosquitto("open", version=version)
    assert (seen.outcome, seen.message) == (Outcome.SUCCESS, None)


@pytest.mark.proves("mqtt", "login")
@versions
async def test_mosquitto_lets_in_who_may(on_mosquitto: Run, version: str) -> None:
    assert (await on_mosquitto(version=version, **LOGIN)).outcome is Outcome.SUCCESS
    for login in ({"user": USER, "password": "wr0ng"}, {"user": USER}, {}):
        refused = await on_mosquitto(version=version, **login)
        assert refused.reason is Reason.AUTHENTICATION
        assert "wr0ng" not in str(refused.message)


@pytest.mark.proves("mqtt", "TLS")
async def test_mosquitto_is_spoken_to_over_tls(on_mosquitto: Run, mosquitto: Mosquitto) -> None:
    seen = await on_mosquitto("tls", tls={"ca": mosquitto.credentials.ca}, **LOGIN)
    assert (seen.outcome, seen.tls_verified) == (Outcome.SUCCESS, True)
    assert (await on_mosquitto("tls", tls={}, **LOGIN)).reason is Reason.TLS


@pytest.mark.proves("mqtt", "round trip")
@versions
async def test_a_message_makes_the_round_trip(on_mosquitto: Run, version: str) -> None:
    assert (await on_mosquitto(version=version, topic="tocsin/probe", **LOGIN)).outcome is Outcome.SUCCESS


async def test_probes_of_one_topic_do_not_take_one_another_s_messages(on_mosquitto: Run) -> None:
    seen = await asyncio.gather(*(on_mosquitto(topic="tocsin/probe", **LOGIN) for _ in range(20)))
    assert {each.outcome for each in seen} == {Outcome.SUCCESS}


async def test_a_topic_that_may_not_be_used_is_a_refusal(on_mosquitto: Run) -> None:
    refused = await on_mosquitto(version="MQTT_5", topic="refused/probe", **LOGIN)
    assert (refused.reason, refused.message) == (
        Reason.STATUS,
        "the broker refused the message with code 135: not authorized",
    )


async def test_the_examples_pass_and_fail(engine: Engine, mosquitto: Mosquitto) -> None:
    place = {"port": mosquitto.ports["tls"], "host": "localhost", "password": PASSWORD}
    good = example_target("mqtt-pass", "mqtt", **place, tls={"ca": mosquitto.credentials.ca})
    assert (await probe(good, SECONDS, engine)).outcome is Outcome.SUCCESS
    bad = example_target("mqtt-fail", "mqtt", host=ADDRESS, port=mosquitto.ports["plain"])
    assert (await probe(bad, SECONDS, engine)).reason is Reason.AUTHENTICATION


WELCOME = b"\x20\x02\0\0"
SUBSCRIBED = b"\x90\x03\0\x01\0"
PUBLISHED = b"\x40\x02\0\x02"
OTHER = mqtt.publish(Version.MQTT_3_1_1, "a", b"x" * 60_000)


@pytest.mark.parametrize(
    ("answers", "reason", "message"),
    [
        ([], Reason.PROTOCOL, "the broker closed the connection without an answer"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Reason.PROTOCOL, "the broker sent something else than MQTT"),
        ([PUBLISHED], Reason.PROTOCOL, "the broker does not answer as one of MQTT"),
        ([b"\x20\x02\0\x03"], Reason.STATUS, "the broker refused the connection with code 3: it is unavailable"),
        ([b"\x20\x02\0\x05"], Reason.AUTHENTICATION, "the broker refused the connection with code 5: not authorized"),
        ([b"\x20\xff\xff\xff\x7f"], Reason.PROTOCOL, "the broker sent something else than MQTT, or a packet of"),
        ([b"\x20\x00"], Reason.PROTOCOL, "the broker sent a packet that ends too early"),
        ([WELCOME, b"\x90\x03\0\x01\x80"], Reason.STATUS, "the broker refused the subscription with code 128"),
        ([WELCOME, SUBSCRIBED, PUBLISHED + OTHER * 30], Reason.BODY_LIMIT, "too much came without what is expected"),
        ([WELCOME, b"\xd0\0" * 30_000], Reason.BODY_LIMIT, "too much came without what is expected"),
        ([WELCOME, b"\xe0\0"], Reason.STATUS, "the broker refused the session with code 128"),
    ],
)
async def test_what_a_broker_does_wrong_is_said(
    engine: Engine, serve: Serve, answers: list[bytes], reason: Reason, message: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
        await reader.read(4096)

    seen = await probe(MqttTarget(host=ADDRESS, port=await serve(talk), topic="a"), SECONDS, engine)
    assert (seen.reason, str(seen.message).startswith(message)) == (reason, True), seen.message


async def test_a_broker_that_delivers_nothing_is_out_of_time(engine: Engine, serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (WELCOME, SUBSCRIBED, PUBLISHED):
            await reader.read(4096)
            writer.write(answer)
        await reader.read(1)

    target = MqttTarget(host=ADDRESS, port=await serve(talk), topic="a")
    assert (await probe(target, timedelta(seconds=0.3), engine)).reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"topic": "a/+/b"}, "must be one topic, without + or # or control characters"),
        ({"topic": "a\0"}, "must be one topic, without + or # or control characters"),
        ({"user": "a\n"}, "must not contain control characters; leave them out"),
        ({"password": "a"}, "needs a user; MQTT 3.1.1 takes no password alone"),
    ],
)
def test_what_is_wrong_with_a_target_is_named(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as refused:
        MqttTarget.model_validate({"host": "a", **fields})
    assert message in str(refused.value)
