"""HTTP probes of nginx."""

from datetime import timedelta
from typing import Any

import pytest

from probes.engine import Engine
from probes.runner import probe
from tests.probes.examples import example_target
from tests.servers.credentials import PASSWORD, USER
from tests.servers.nginx import Nginx
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

LOGIN = {"basic": {"username": USER, "password": PASSWORD}}
HTTP_2 = "HTTP_2"


async def observed(engine: Engine, url: str, **fields: Any) -> Observation:
    return await probe(HttpTarget(url=url, **fields), timedelta(seconds=10), engine)


def trusting(nginx: Nginx, **options: Any) -> dict[str, Any]:
    return {"ca": nginx.credentials.ca, **options}


def client_certificate(nginx: Nginx) -> dict[str, str]:
    """The server's own certificate, which its authority has signed as well as any client's."""
    pem = nginx.credentials.certificate_file.read_text()
    key_at = pem.index("-----BEGIN PRIVATE KEY-----")
    return {"certificate": pem[:key_at], "key": pem[key_at:]}


@pytest.mark.proves("http", "a real server")
async def test_the_example_that_passes_succeeds_at_nginx(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url("/private", "https")
    target = example_target("http-pass", "http", url=url, auth=LOGIN, tls=trusting(nginx, minimum_version="TLS_1_3"))
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.outcome, observation.message, observation.status_code) == (Outcome.SUCCESS, None, 200)
    assert (observation.tls_version, observation.tls_verified) == ("TLSv1.3", True)


@pytest.mark.proves("http", "redirects checked")
async def test_the_example_that_fails_fails_at_nginx(nginx: Nginx, engine: Engine) -> None:
    target = example_target("http-fail", "http", url=nginx.url())
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.reason, observation.message) == (Reason.STATUS, "expected 301-308, got 200")


@pytest.mark.parametrize("version", ["HTTP_1_1", HTTP_2])
@pytest.mark.proves("http", "HTTP/2")
@pytest.mark.proves("http", "user agent")
@pytest.mark.proves("http", "query")
async def test_nginx_sees_the_request_as_it_was_meant(nginx: Nginx, engine: Engine, version: str) -> None:
    seen = {"HTTP_1_1": "HTTP/1.1", HTTP_2: "HTTP/2.0"}[version]
    observation = await observed(
        engine,
        nginx.url("/request?a=1#part", "https"),
        http_version=version,
        tls=trusting(nginx),
        query=[{"name": "q x", "value": "ä&b"}],
        user_agent="probe/1",
        body_contains=f"GET /request?a=1&q%20x=%C3%A4%26b {seen} probe/1",
    )
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


@pytest.mark.proves("http", "HTTP/2")
async def test_an_http2_response_of_many_frames_is_read_to_its_end(nginx: Nginx, engine: Engine) -> None:
    (nginx.files / "large.txt").write_text("x" * 900_000 + "end")
    observation = await observed(
        engine, nginx.url("/large.txt", "https"), http_version=HTTP_2, tls=trusting(nginx), body_contains="xend"
    )
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


@pytest.mark.proves("http", "HTTP/2")
async def test_http2_in_clear_text_is_refused_by_a_server_that_does_not_know_it(nginx: Nginx, engine: Engine) -> None:
    observation = await observed(engine, nginx.url(), http_version=HTTP_2)
    assert observation.reason is Reason.PROTOCOL


@pytest.mark.proves("http", "basic login")
async def test_a_wrong_password_is_refused(nginx: Nginx, engine: Engine) -> None:
    wrong = {"basic": {"username": USER, "password": "wrong"}}
    assert (await observed(engine, nginx.url("/private"), auth=LOGIN)).outcome is Outcome.SUCCESS
    refused = await observed(engine, nginx.url("/private"), auth=wrong)
    assert (refused.reason, refused.status_code) == (Reason.AUTHENTICATION, 401)


@pytest.mark.parametrize("version", ["HTTP_1_1", HTTP_2])
@pytest.mark.proves("http", "client certificate")
async def test_a_client_certificate_opens_what_is_closed(nginx: Nginx, engine: Engine, version: str) -> None:
    url = nginx.url("/request", "https", "mutual")
    shown = trusting(nginx, client_certificate=client_certificate(nginx))
    opened = await observed(engine, url, http_version=version, tls=shown, body_contains="SUCCESS")
    closed = await observed(engine, url, http_version=version, tls=trusting(nginx))
    assert (opened.message, closed.reason, closed.status_code) == (None, Reason.STATUS, 400)


@pytest.mark.proves("http", "own CA")
@pytest.mark.proves("http", "skip verification")
async def test_an_authority_is_trusted_or_verification_skipped(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url("/", "https")
    unknown = await observed(engine, url)
    trusted = await observed(engine, url, tls=trusting(nginx))
    skipped = await observed(engine, url, tls={"skip_verification": True})
    assert (unknown.reason, trusted.message, skipped.message) == (Reason.TLS, None, None)
    assert (trusted.tls_verified, skipped.tls_verified) == (True, False)


@pytest.mark.proves("http", "server name")
async def test_a_server_name_is_found_in_the_certificate_in_place_of_the_host(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url("/", "https")
    assert (await observed(engine, url, tls=trusting(nginx, server_name="localhost"))).outcome is Outcome.SUCCESS
    other = await observed(engine, url, tls=trusting(nginx, server_name="example.com"))
    assert (other.reason, other.message) == (Reason.TLS, "the certificate is not valid for the host example.com")


@pytest.mark.proves("http", "minimum TLS")
async def test_a_server_that_is_too_old_is_refused(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url("/", "https", "mutual")
    too_old = await observed(engine, url, tls=trusting(nginx, minimum_version="TLS_1_3"))
    old_enough = await observed(engine, url, tls=trusting(nginx), expected_status=["400"])
    assert (too_old.reason, old_enough.tls_version) == (Reason.TLS, "TLSv1.2")


@pytest.mark.proves("http", "compression")
async def test_a_compressed_body_is_asked_for_and_read(nginx: Nginx, engine: Engine) -> None:
    fields = {"accept_compression": True, "body_contains": "hello\nhello"}
    assert (await observed(engine, nginx.url("/gzip/hello.txt"), **fields)).outcome is Outcome.SUCCESS


@pytest.mark.proves("http", "maximum body")
async def test_a_body_over_the_maximum_is_no_place_to_look_in(nginx: Nginx, engine: Engine) -> None:
    fields = {"maximum_body_bytes": 100, "body_contains": "nowhere"}
    failed = await observed(engine, nginx.url("/hello.txt"), **fields)
    message = "the first 100 bytes of the body do not contain the expected text"
    assert (failed.reason, failed.message) == (Reason.BODY_LIMIT, message)


@pytest.mark.proves("http", "redirects followed")
@pytest.mark.proves("http", "redirects checked")
async def test_a_redirect_of_nginx_is_followed_or_checked(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url("/moved")
    checked = {"follow_redirects": False}
    assert (await observed(engine, url, body_contains="hello")).outcome is Outcome.SUCCESS
    assert (await observed(engine, url, **checked, expected_location=nginx.url("/"))).outcome is Outcome.SUCCESS
    elsewhere = await observed(engine, url, **checked, expected_location=nginx.url("/elsewhere"))
    assert elsewhere.reason is Reason.ASSERTION


async def test_a_redirect_that_is_expected_must_come(nginx: Nginx, engine: Engine) -> None:
    fields = {"follow_redirects": False, "expected_location": nginx.url("/")}
    failed = await observed(engine, nginx.url("/hello.txt"), **fields)
    assert (failed.reason, failed.message) == (Reason.STATUS, "expected 300-399, got 200")
    other = await observed(engine, nginx.url("/moved"), **fields, expected_status=["301"])
    assert (other.reason, other.message) == (Reason.STATUS, "expected 301, got 302")


@pytest.mark.proves("http", "IP family")
async def test_a_family_without_an_address_is_not_replaced_by_another(nginx: Nginx, engine: Engine) -> None:
    url = nginx.url().replace("127.0.0.1", "localhost")
    assert (await observed(engine, url, ip_family="IPV4")).address == "127.0.0.1"
    refused = await observed(engine, nginx.url(), ip_family="IPV6")
    assert (refused.reason, "no IPv6 address" in (refused.message or "")) == (Reason.DNS, True)


@pytest.mark.parametrize("version", ["HTTP_1_1", HTTP_2])
@pytest.mark.proves("http", "status set and ranges")
@pytest.mark.proves("http", "method")
async def test_statuses_of_nginx_are_judged(nginx: Nginx, engine: Engine, version: str) -> None:
    fields = {"http_version": version, "tls": trusting(nginx)}
    head = await observed(engine, nginx.url("/hello.txt", "https"), method="HEAD", **fields)
    missing = await observed(engine, nginx.url("/status/404", "https"), expected_status=["200", "404-405"], **fields)
    broken = await observed(engine, nginx.url("/status/500", "https"), **fields)
    assert (head.message, missing.message, broken.message) == (None, None, "expected 200-299, got 500")
