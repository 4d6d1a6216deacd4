"""Targets: what is taken, and what is refused with the name of the field and the remedy."""

from collections.abc import Mapping
from traceback import format_exception
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from tocsin.domain.targets import KINDS, parse_target
from tocsin.domain.targets.http import HttpMethod, HttpTarget
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.tcp import TcpTarget

URL = "https://example.com/health"
LONG_LABEL = "a" * 63
LONG_NAME = ".".join([LONG_LABEL] * 3 + ["a" * 61])  # 253 characters, the most that DNS allows


def problems(kind: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """The message of each wrong field, by its path."""
    with pytest.raises(ValidationError) as caught:
        parse_target(kind, fields)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


def problem(kind: str, field: str, value: object, **others: object) -> str:
    """The message for a wrong field, which is the only one."""
    required: dict[str, object] = {"url": URL} if kind == "http" else {"host": "example.com", "port": 5432}
    found = problems(kind, {**required, **others, field: value})
    assert list(found) == [field]
    return found[field]


HOST_NAMES = [
    "example.com",
    "EXAMPLE.com",
    "localhost",
    "web",
    "web.shop.svc.cluster.local",
    "my_service.my_namespace.svc",
    "_dmarc.example.com",
    "example.com.",
    "a-b--c.example",
    "3com.example",
    "1-2-3-4.ip.example",
    "x.0a",
    f"{LONG_LABEL}.example",
    LONG_NAME,
    "bücher.example",
    "BÜCHER.example",
    "пример.рф",
    "例え.テスト",
    "مثال.إختبار",
    "דוגמה.טעסט",
    "xn--bcher-kva.example",
    "xn--fa-hia.de",
    "XN--BCHER-KVA.example",
]
ADDRESSES = ["192.0.2.1", "127.0.0.1", "2001:db8::1", "::1", "::", "::ffff:192.0.2.1", "2001:DB8::A"]
NOT_HOSTS = [
    " ",
    ".",
    "..",
    "a..b",
    ".example.com",
    "example.com..",
    "-a.example",
    "a-.example",
    f"{'a' * 64}.example",
    ".".join(["ü" * 45] * 5),
    "exa mple.com",
    "example.com ",
    "exam\nple.com",
    "exam\0ple.com",
    "example.com\r\nX-Injected: 1",
    "exa*mple.com",
    "*.example.com",
    "a,b",
    "user@example.com",
    "example.com/path",
    "http:example.com",
    # Some resolvers read these as IPv4 addresses, others as names.
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "010.0.0.1",
    "256.1.1.1",
    "1.2.3.4.5",
    "192.0.2.1.",
    "example.123",
    # One IDNA refuses these, or reads them as another name than the other does.
    "faß.de",
    "ﬀ.example",
    "☃.net",
    "💩.la",
    "\uff11\uff12\uff17.0.0.1",
    "\uff45xample.com",
    "exam\u200bple.com",
    "exam\u200dple.com",
    "example\u3002com",
    "\u202eexample.com",
    f"{'ü' * 63}.example",
    "xn--a.example",
    "xn--n3h.net",
    "xn--.example",
    "xn--ü.example",
]
ZONES = ["fe80::1%eth0", "fe80::1%25eth0", "fe80::1%a b", "fe80::1%\r\nX-Injected: 1", "exa%6dple.com", "%31"]


@pytest.mark.parametrize("host", HOST_NAMES + ADDRESSES)
def test_a_tcp_target_takes_host_names_and_addresses_as_they_are(host: str) -> None:
    assert TcpTarget(host=host, port=1).host == host


@pytest.mark.parametrize(
    "host", [*NOT_HOSTS, "[::1]", "::1]", ":::", "example.com:80", "1::2::3", "https://example.com"]
)
def test_a_tcp_target_refuses_what_is_no_host(host: str) -> None:
    assert "must be a host name such as example.com, or an IP address in full" in problem("tcp", "host", host)


@pytest.mark.parametrize("host", ZONES)
def test_a_tcp_target_refuses_zones_and_percent_encoding(host: str) -> None:
    assert "leave out the zone" in problem("tcp", "host", host)


@pytest.mark.parametrize("host", ["", f"{LONG_NAME}a", None, 80, b"\xff", "exam\ud800ple.com"])
def test_a_tcp_target_refuses_hosts_of_another_type_or_length(host: object) -> None:
    assert "String should" in problem("tcp", "host", host) or "valid string" in problem("tcp", "host", host)


@pytest.mark.parametrize("port", [1, 443, 65535])
def test_a_tcp_target_takes_ports_from_1_to_65535(port: int) -> None:
    assert TcpTarget(host="example.com", port=port).port == port


@pytest.mark.parametrize("port", [0, -1, 65536, 99999, 10**30, True, "80", 80.0, 80.5, None, "http"])
def test_a_tcp_target_refuses_other_ports(port: object) -> None:
    assert "Input should be" in problem("tcp", "port", port)


def test_a_tcp_target_names_each_field_that_is_missing_or_unknown() -> None:
    assert set(problems("tcp", {"hosts": "a"})) == {"host", "port", "hosts"}


URLS = [
    URL,
    "http://example.com",
    "HTTP://EXAMPLE.COM/",
    "https://example.com:8443/",
    "https://example.com:65535",
    "https://example.com:/",
    "https://example.com?a=b&c=%20",
    "https://example.com/a%zzb/ä?q=日本#part",
    "https://example.com/a/../b/;x=1/(y)",
    "http://[2001:db8::1]:8080/",
    "http://[::ffff:192.0.2.1]/",
    "http://192.0.2.1:80/",
    f"https://example.com/{'a' * 2028}",
    *(f"http://{host}/" for host in HOST_NAMES),
]


@pytest.mark.parametrize("url", URLS)
def test_an_http_target_takes_absolute_urls_as_they_are(url: str) -> None:
    assert HttpTarget(url=url).url == url


@pytest.mark.parametrize("url", URLS)
def test_the_http_client_agrees_on_every_url_that_is_taken(url: str) -> None:
    parsed = httpx.URL(url)
    assert parsed.scheme in ("http", "https")
    assert parsed.host
    assert parsed.userinfo == b""


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "example.com/health",
        "//example.com",
        "/health",
        "localhost:8080",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "ws://example.com",
        "httpss://example.com",
        "http:example.com",
        "http:/example.com",
        "http://",
        "https:///health",
        "http://?q",
        "http://:80/",
    ],
)
def test_a_url_needs_scheme_and_host(url: str) -> None:
    assert "must be an absolute URL such as https://example.com/health" in problem("http", "url", url)


@pytest.mark.parametrize(
    "url",
    [
        " https://example.com",
        "https://example.com ",
        "https://example.com/a b",
        "https://exam ple.com",
        "https://example.com/\n",
        "https://example.com/\r\nX-Injected: 1",
        "https://example.com/\t",
        "https://example.com/\0",
        "https://example.com/\x7f",
        "https://example.com/\x85",
        "https://example.com/\xa0",
        "https://example.com/\u2028",
        "https://example.com/\u200b",
        "https://example.com/\u202e",
        "\ufeffhttps://example.com",
    ],
)
def test_a_url_holds_no_space_and_nothing_invisible(url: str) -> None:
    assert "percent-encoded" in problem("http", "url", url)


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "8o", "80:80", "+80", "٨٠", "1e3", "0x50"])
def test_a_url_with_a_bad_port_is_refused(port: str) -> None:
    assert "port from 1 to 65535" in problem("http", "url", f"https://example.com:{port}/")


def test_port_0_in_a_url_is_refused() -> None:
    assert "port from 1 to 65535" in problem("http", "url", "https://example.com:0/")


@pytest.mark.parametrize(
    "url",
    ["https://user@example.com", "https://user:secret@example.com", "https://:@example.com", "https://@example.com"],
)
def test_a_url_holds_no_credentials_and_the_message_does_not_repeat_them(url: str) -> None:
    message = problem("http", "url", url)
    assert "send an Authorization header instead" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "host",
    [host for host in NOT_HOSTS if not set(" /@:\n\r\0\u200b\u200d\u202e") & set(host) and host != "example.com "],
)
def test_a_url_with_a_bad_host_is_refused(host: str) -> None:
    assert "must be a host name such as example.com" in problem("http", "url", f"http://{host}/")


@pytest.mark.parametrize("host", ["[fe80::1%25eth0]", "[fe80::1%eth0]", "exa%6dple.com", "%31%32"])
def test_a_url_with_a_zone_or_an_encoded_host_is_refused(host: str) -> None:
    assert "leave out the zone" in problem("http", "url", f"http://{host}/")


@pytest.mark.parametrize(
    "host", ["[v1.x]", "[::1", "::1]", "[example.com]", "[192.0.2.1]", "[::1]x", "x[::1]", "[]", "[v1.a:b]", "::1"]
)
def test_brackets_in_a_url_hold_an_ipv6_address(host: str) -> None:
    assert problem("http", "url", f"http://{host}/")


@pytest.mark.parametrize("url", ["https://example.com\\@evil.example/", "https://evil.example\\.example.com/"])
def test_a_backslash_cannot_hide_the_host(url: str) -> None:
    assert problem("http", "url", url)


@pytest.mark.parametrize("url", ["", "https://example.com/" + "a" * 2029, None, 7, "https://example.com/\ud800"])
def test_a_url_of_another_type_or_length_is_refused(url: object) -> None:
    assert problem("http", "url", url)


def test_an_http_target_expects_a_2xx_answer_to_a_get_unless_told_otherwise() -> None:
    target = HttpTarget(url=URL)
    assert (target.method, target.headers, target.body, target.follow_redirects) == (HttpMethod.GET, (), None, True)
    assert [code for code in range(100, 600) if target.accepts_status(code)] == list(range(200, 300))


@pytest.mark.parametrize(
    ("expected", "accepted"),
    [
        (["204"], [204]),
        (["200-201", "404"], [200, 201, 404]),
        (["500-500"], [500]),
        (["201", "200-202"], [200, 201, 202]),
    ],
)
def test_single_statuses_and_ranges_are_accepted(expected: list[str], accepted: list[int]) -> None:
    target = parse_target("http", {"url": URL, "expected_status": expected})
    assert isinstance(target, HttpTarget)
    assert [code for code in range(100, 600) if target.accepts_status(code)] == accepted


@pytest.mark.parametrize(
    "status",
    [
        "",
        "2xx",
        "20",
        "2000",
        "099",
        "600",
        "200-",
        "-299",
        "299-200",
        "200 - 299",
        "200-299-399",
        " 200",
        "200\n",
        "٢٠٠",
    ],
)
def test_a_bad_status_is_refused_once(status: str) -> None:
    found = problems("http", {"url": URL, "expected_status": [status]})
    assert found == {"expected_status.0": "Value error, must be a status such as 204, or a range such as 200-299"}


def test_at_least_one_status_is_expected_and_at_most_twenty() -> None:
    assert "such as 200-299" in problem("http", "expected_status", [])
    assert "at most 20" in problem("http", "expected_status", ["200"] * 21)
    assert HttpTarget(url=URL, expected_status=("200",) * 20).accepts_status(200)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Accept", "text/html"), ("X-Empty", ""), ("x_y.z~1", "a\tb"), ("Host", "other.example"), ("A" * 100, "v" * 4096)],
)
def test_headers_are_taken_as_they_are(name: str, value: str) -> None:
    target = parse_target("http", {"url": URL, "headers": [{"name": name, "value": value}]})
    assert isinstance(target, HttpTarget)
    assert [(header.name, header.value) for header in target.headers] == [(name, value)]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("", "at least 1 character"),
        ("A" * 101, "at most 100 characters"),
        ("X Y", "must be a header name"),
        ("X:", "must be a header name"),
        (":path", "must be a header name"),
        ("X\r\nY", "must be a header name"),
        ("X\n", "must be a header name"),
        ("X\0", "must be a header name"),
        ("Ä", "must be a header name"),
        ("Content-Length", "leave it out"),
        ("TRANSFER-ENCODING", "leave it out"),
        ("connection", "leave it out"),
        ("Upgrade", "leave it out"),
        ("Expect", "leave it out"),
    ],
)
def test_a_bad_header_name_is_refused(name: str, remedy: str) -> None:
    found = problems("http", {"url": URL, "headers": [{"name": "Accept", "value": ""}, {"name": name, "value": ""}]})
    assert list(found) == ["headers.1.name"]
    assert remedy in found["headers.1.name"]


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("a\r\nX-Injected: 1", "line breaks"),
        ("a\n", "line breaks"),
        ("a\r", "line breaks"),
        ("a\0", "line breaks"),
        ("a\x7f", "line breaks"),
        ("grün", "must be ASCII"),
        ("a\x85b", "must be ASCII"),
        ("v" * 4097, "at most 4096"),
    ],
)
def test_a_bad_header_value_is_refused(value: str, remedy: str) -> None:
    found = problems("http", {"url": URL, "headers": [{"name": "Authorization", "value": value}]})
    assert list(found) == ["headers.0.value"]
    assert remedy in found["headers.0.value"]


def test_at_most_fifty_headers_are_taken() -> None:
    header = {"name": "Accept", "value": "*/*"}
    assert "at most 50" in problem("http", "headers", [header] * 51)
    assert parse_target("http", {"url": URL, "headers": [header] * 50}).kind == "http"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_body_is_sent_with_a_method_that_has_one(method: HttpMethod) -> None:
    assert HttpTarget(url=URL, method=method, body="ping\n\u00e4").body == "ping\n\u00e4"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_with_get_or_head_is_refused(method: str) -> None:
    assert f"cannot be sent with {method}; choose POST" in problem("http", "body", "", method=method)


def test_a_body_without_a_method_is_refused_for_the_get_that_it_would_be() -> None:
    assert "cannot be sent with GET" in problem("http", "body", "ping")


@pytest.mark.parametrize("body", ["a\0b", "a" * 65537, 7, "\ud800"])
def test_a_body_that_cannot_be_stored_or_is_too_long_is_refused(body: object) -> None:
    assert problem("http", "body", body, method="POST")


@pytest.mark.parametrize("text", ["", "a\0b", "a" * 1025, 7])
def test_text_to_look_for_that_is_empty_too_long_or_cannot_be_stored_is_refused(text: object) -> None:
    assert problem("http", "body_contains", text)


def test_text_to_look_for_is_refused_with_head() -> None:
    assert "cannot be judged with HEAD" in problem("http", "body_contains", "ok", method="HEAD")


@pytest.mark.parametrize("method", ["get", "BREW", "", "CONNECT", "TRACE", None])
def test_another_method_is_refused_with_those_there_are(method: object) -> None:
    assert "'GET', 'HEAD', 'POST'" in problem("http", "method", method)


def test_every_wrong_field_is_named_at_once() -> None:
    fields = {
        "url": "nowhere",
        "method": "BREW",
        "headers": [{"name": "a b", "value": "\n", "more": 1}],
        "expected_status": ["200", "2xx"],
        "follow_redirects": "perhaps",
        "retries": 3,
    }
    assert set(problems("http", fields)) == {
        "url",
        "method",
        "headers.0.name",
        "headers.0.value",
        "headers.0.more",
        "expected_status.1",
        "follow_redirects",
        "retries",
    }


@pytest.mark.parametrize(
    "target",
    [
        HttpTarget(url=URL),
        HttpTarget(url=URL, method=HttpMethod.POST, body="{}", expected_status=("204", "301-302"), body_contains="ä"),
        parse_target("http", {"url": URL, "headers": [{"name": "A", "value": "b"}], "follow_redirects": False}),
        TcpTarget(host="::1", port=5432),
    ],
)
def test_a_target_comes_back_from_json_as_it_was(target: Target) -> None:
    assert parse_target(target.kind, target.model_dump(mode="json")) == target


def test_a_target_cannot_be_changed_and_equal_ones_are_one() -> None:
    target = TcpTarget(host="example.com", port=1)
    assert {target, TcpTarget(host="example.com", port=1)} == {target}
    with pytest.raises(ValidationError, match="frozen"):
        target.port = 2  # type: ignore[misc]


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parse_target("gopher", {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://user:secret@example.com/"},
        {"url": "https://user:secret#@example.com/"},
        {"url": URL, "headers": [{"name": "Authorization", "value": "secret\n"}]},
        {"url": URL, "body": "secret"},
        {"url": URL, "token": "secret"},
    ],
)
def test_an_error_does_not_repeat_what_was_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_target("http", wrong)
    assert "secret" not in "".join(format_exception(caught.value))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_says_what_it_is(kind: str) -> None:
    properties = KINDS[kind].model_json_schema()["properties"]
    assert all(len(field["description"]) > 10 for field in properties.values())
