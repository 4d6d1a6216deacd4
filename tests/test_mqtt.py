"""MQTT as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import mqtt
from tocsin.mqtt import Login, Message, MqttError, Packet, PacketKind, PacketReader, Version

VERSIONS = st.sampled_from(Version)


def read(data: bytes, most_bytes: int = 1_000_000) -> list[Packet]:
    return list(PacketReader(most_bytes).feed(data))


def test_a_connection_is_asked_for_as_the_standard_has_it() -> None:
    asked = mqtt.connect(Version.MQTT_3_1_1, Login("a", "u", "p"), 60)
    assert asked == b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01a\0\x01u\0\x01p"


def test_version_5_has_properties_of_which_none_is_sent() -> None:
    asked = mqtt.connect(Version.MQTT_5, Login("a"), 0)
    assert asked == b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01a"


@given(VERSIONS, st.text(max_size=50), st.binary(max_size=300), st.none() | st.integers(1, 65_535))
def test_what_is_published_is_what_is_read(version: Version, topic: str, payload: bytes, packet_id: int | None) -> None:
    [packet] = read(mqtt.publish(version, topic, payload, packet_id))
    assert packet.kind == PacketKind.PUBLISH
    assert mqtt.message(version, packet) == Message(topic, payload, packet_id)


@given(st.lists(st.integers(1, 300)), st.integers(1, 7))
def test_packets_are_cut_wherever_the_bytes_are(sizes: list[int], step: int) -> None:
    data = b"".join(mqtt.publish(Version.MQTT_5, "t", b"x" * size) for size in sizes)
    reader = PacketReader(1000)
    packets = [packet for begin in range(0, len(data), step) for packet in reader.feed(data[begin : begin + step])]
    assert [len(mqtt.message(Version.MQTT_5, packet).payload) for packet in packets] == sizes


def test_a_server_that_welcomes_has_the_code_0() -> None:
    assert mqtt.connect_code(Packet(PacketKind.CONNACK, 0, b"\0\0")) == 0
    assert mqtt.connect_code(Packet(PacketKind.CONNACK, 0, b"\0\x87\0")) == 0x87


def test_properties_of_a_server_are_skipped() -> None:
    body = b"\0\x01a" + b"\x05\x26\0\x01k\0" + b"payload"
    assert mqtt.message(Version.MQTT_5, Packet(PacketKind.PUBLISH, 0, body)).payload == b"payload"
    assert mqtt.subscribe_codes(Version.MQTT_5, Packet(PacketKind.SUBACK, 0, b"\0\x07\0\x01")) == (7, b"\x01")


def test_an_acknowledgement_of_version_3_has_no_code() -> None:
    assert mqtt.acknowledged(Packet(PacketKind.PUBACK, 0, b"\0\x07")) == (7, 0)
    assert mqtt.acknowledged(Packet(PacketKind.PUBACK, 0, b"\0\x07\x87")) == (7, 0x87)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"\x20\xff\xff\xff\xff\x01", b"\x30\x80\x80\x80\x80"]
)
def test_what_is_no_packet_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(MqttError):
        read(data + bytes(100), most_bytes=40)


def test_a_message_in_quality_2_is_refused() -> None:
    with pytest.raises(MqttError):
        mqtt.message(Version.MQTT_5, Packet(PacketKind.PUBLISH, 0x04, b"\0\x01a\0\x01\0"))


@given(VERSIONS, st.binary(max_size=100), st.integers(0, 15))
def test_no_bytes_of_a_server_raise_anything_else(version: Version, body: bytes, flags: int) -> None:
    readers = (
        mqtt.connect_code,
        mqtt.acknowledged,
        lambda packet: mqtt.message(version, packet),
        lambda packet: mqtt.subscribe_codes(version, packet),
    )
    for reads in readers:
        try:
            reads(Packet(0, flags, body))
        except MqttError:
            continue
