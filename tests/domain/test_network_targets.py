"""Targets of the network's kinds: what the API server refuses is refused here too, at the same field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from tests.probes.examples import example_target
from tocsin.domain.targets import parse_target
from tocsin.domain.targets.dns import DnsTarget, RecordType, as_address
from tocsin.domain.targets.exchanges import Encoding, to_bytes
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.secrets import PLACEHOLDER, find_references
from tocsin.domain.targets.smtp import SmtpTarget
from tocsin.domain.targets.tcp import TcpTarget

KINDS = ("tcp", "udp", "dns", "tls", "icmp", "smtp", "imap")
FOLDER = Path(__file__).parent.parent.parent / "examples/healthchecks"
# What is said of references to Secrets is said of HealthChecks alone, and of them what only their schema knows.
OF_REFERENCES = re.compile("-(twice|from|reference|with-service)|From|serviceRef|-certificates$")


def _refused() -> list[str]:
    texts = {path.stem: path.read_text() for path in sorted((FOLDER / "refused").glob("*.yaml"))}
    return [name for name, text in texts.items() if _is_ours(text) and not OF_REFERENCES.search(f"{name} {text}")]


def _is_ours(text: str) -> bool:
    return bool(re.search(f"^  (?:{'|'.join(KINDS)}):", text, re.MULTILINE)) and "spec." in text.splitlines()[0]


def _problems(name: str) -> dict[str, str]:
    spec = yaml.safe_load((FOLDER / f"refused/{name}.yaml").read_text())["spec"]
    [kind] = set(spec) & set(KINDS)
    with pytest.raises(ValidationError) as caught:
        example_target(f"refused/{name}", kind)
    errors = caught.value.errors(include_input=False)
    return {_place(kind, error["loc"]): error["msg"].removeprefix("Value error, ") for error in errors}


def _place(kind: str, location: tuple[int | str, ...]) -> str:
    """As the API server writes it."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{to_camel(step)}" for step in location]
    return "spec" + "".join(steps if location[0] in Target.model_fields else [f".{kind}", *steps])


@pytest.mark.parametrize("name", _refused())
def test_what_the_api_server_refuses_is_refused_at_the_same_field(name: str) -> None:
    said = (FOLDER / f"refused/{name}.yaml").read_text().splitlines()[0]
    problems = _problems(name)
    assert any(place in said for place in problems), problems


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"PING\r\n", b"PING\r\n"),
        (r"\x00\xfF\0\t\\n", b"\x00\xff\0\t\\n"),
        ("é\n", "é\n".encode()),
        ("\\\\x41", b"\\x41"),
    ],
)
def test_text_stands_for_bytes(written: str, meant: bytes) -> None:
    assert to_bytes(written, Encoding.TEXT) == meant


@given(st.binary(min_size=1, max_size=100))
def test_any_bytes_can_be_written_in_both_ways(meant: bytes) -> None:
    assert to_bytes(meant.hex(" "), Encoding.HEX) == meant
    assert to_bytes("".join(rf"\x{octet:02x}" for octet in meant), Encoding.TEXT) == meant


@given(st.text(max_size=50))
def test_a_text_is_bytes_or_refused(written: str) -> None:
    for encoding in Encoding:
        try:
            to_bytes(written, encoding)
        except (ValueError, UnicodeEncodeError):
            continue


@pytest.mark.parametrize("step", [{}, {"expect_as": "HEX"}])
def test_a_step_sends_or_expects_something(step: dict[str, str]) -> None:
    fields: dict[str, Any] = {"host": "example.com", "port": 70}
    with pytest.raises(ValidationError, match="is missing; a step says what to send, what must come, or both"):
        parse_target("tcp", {**fields, "steps": [step]})
    parse_target("tcp", {**fields, "steps": [{**step, "send": "a"}]})


def test_what_is_sent_may_be_a_secret_in_any_encoding() -> None:
    step = {"send": {"secret": "greeting/text"}, "send_as": "HEX"}
    fields: dict[str, Any] = {"host": "example.com", "port": 70, "steps": [step]}
    assert find_references(TcpTarget, fields) == {("steps", 0, "send"): "greeting/text"}
    with_placeholder = {**fields, "steps": [{**step, "send": PLACEHOLDER}]}
    assert parse_target("tcp", with_placeholder).kind == "tcp"


def test_a_login_may_be_secret() -> None:
    login = {"username": {"secret": "mail/user"}, "password": {"secret": "mail/word"}}
    references = find_references(SmtpTarget, {"host": "example.com", "port": 25, "login": login})
    assert references == {("login", "username"): "mail/user", ("login", "password"): "mail/word"}


@pytest.mark.parametrize("address", ["a@b", "first.last+tag@mail.example.com", "!#$%&'*@example.com"])
def test_a_mail_address_is_taken(address: str) -> None:
    assert SmtpTarget(host="example.com", port=25, recipient=address).recipient == address


@pytest.mark.parametrize(
    "address", ["abc", "@bc", "ab@", "a b@c", "a@b>\r\nDATA", "<a@b>", "a@b@c", "a@b SIZE=1", "ä@b", f"{'a' * 65}@b"]
)
def test_what_is_no_mail_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="must be a mail address"):
        SmtpTarget(host="example.com", port=25, recipient=address)


@pytest.mark.parametrize("name", [".", "example.com.", "_dmarc.example.com", "*.example.com", "2001:db8::1", "a"])
def test_a_domain_name_is_taken(name: str) -> None:
    kind = "A" if as_address(name) is None else "PTR"
    assert DnsTarget.model_validate({"name": name, "record_type": kind}).name == name


@pytest.mark.parametrize(
    "name", ["", "..", ".a", "a..b", "a b", "bücher.example", f"{'a' * 64}.b", "a\0", "a:b", "::g"]
)
def test_what_is_no_domain_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        DnsTarget(name=name)


@pytest.mark.parametrize(
    ("record_type", "record", "example"),
    [
        ("A", "nonsense", "192.0.2.10"),
        ("A", "2001:db8::1", "192.0.2.10"),
        ("AAAA", "192.0.2.1", "2001:db8::10"),
        ("AAAA", "nonsense", "2001:db8::10"),
        ("MX", "mail.example.com", "10 mail.example.com"),
        ("MX", "first mail.example.com", "10 mail.example.com"),
        ("MX", " ", "10 mail.example.com"),
    ],
)
def test_a_record_that_is_none_of_its_type_is_refused(record_type: str, record: str, example: str) -> None:
    with pytest.raises(ValidationError, match=f"must be {record_type} records, such as {re.escape(example)}"):
        DnsTarget(name="a", record_type=RecordType(record_type), expected=(record,))


@pytest.mark.parametrize(
    ("record_type", "record"), [("A", "192.0.2.1"), ("AAAA", "2001:DB8:0::1"), ("MX", "0 ."), ("TXT", "nonsense")]
)
def test_a_record_of_its_type_is_taken(record_type: str, record: str) -> None:
    assert DnsTarget(name="a", record_type=RecordType(record_type), expected=(record,)).expected == (record,)


def test_no_ttl_lies_between_limits_in_the_wrong_order() -> None:
    with pytest.raises(ValidationError, match="must not be below minimumTtlSeconds"):
        DnsTarget(name="a", minimum_ttl_seconds=60, maximum_ttl_seconds=59)
    assert DnsTarget(name="a", minimum_ttl_seconds=60, maximum_ttl_seconds=60).maximum_ttl_seconds == 60


@pytest.mark.parametrize(("transport", "port"), [("UDP", 53), ("TCP", 53), ("TLS", 853), ("HTTPS", 443)])
def test_a_name_server_has_the_port_of_its_transport(transport: str, port: int) -> None:
    fields = {"name": "a.example", "server": "9.9.9.9", "transport": transport}
    assert DnsTarget.model_validate(fields).endpoint_port == port
    assert DnsTarget.model_validate({**fields, "port": 5353}).endpoint_port == 5353
