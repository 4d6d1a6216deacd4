"""Where redirects are followed to, and what travels with them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.redaction import Redaction
from probes.runner import probe
from probes.wire.redirects import redirected
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Observe, Serve, ServeBytes, read_request
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 9\r\n\r\n".encode()


class Site:
    """A server whose paths answer as set, and the requests that it got."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await read_request(reader)).decode()
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        self.requests.append(head + body.decode())
        writer.write(self.answers.get(head.split(" ")[1], OK))


@pytest.fixture
async def site(serve: Serve) -> Site:
    site = Site()
    site.url = f"http://127.0.0.1:{await serve(site.talk)}"
    return site


@pytest.fixture
async def other(serve: Serve) -> Site:
    """Another origin: a port of its own."""
    other = Site()
    other.url = f"http://127.0.0.1:{await serve(other.talk)}"
    return other


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_and_the_last_response_judged(site: Site, observe: Observe, status: int) -> None:
    site.answers["/"] = redirect(status, "/next?x=1")
    observation = await observe(f"{site.url}/", body_contains="ok")
    assert (observation.outcome, observation.status_code) == (Outcome.SUCCESS, 200)
    assert site.requests[1].startswith("GET /next?x=1 HTTP/1.1\r\n")


async def test_a_redirect_that_is_not_followed_is_judged_itself(site: Site, observe: Observe) -> None:
    site.answers["/"] = b"HTTP/1.1 301 Go\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"
    assert (await observe(f"{site.url}/", follow_redirects=False)).reason is Reason.STATUS
    assert (await observe(f"{site.url}/", follow_redirects=False, expected_status=["301"])).reason is None


async def test_a_redirect_without_location_is_judged_itself(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
    assert (await observe(url)).reason is Reason.STATUS


async def test_ten_redirects_are_followed(site: Site, observe: Observe) -> None:
    site.answers = {f"/{step}": redirect(302, f"/{step + 1}") for step in range(10)}
    assert (await observe(f"{site.url}/0")).outcome is Outcome.SUCCESS


async def test_a_loop_of_redirects_ends(site: Site, observe: Observe) -> None:
    site.answers["/"] = site.answers["/in?code=1"] = redirect(302, "/in?code=1#there")
    observation = await observe(f"{site.url}/")
    message = f"more than 10 redirects, the last one to {site.url}/in"
    assert (observation.reason, observation.message) == (Reason.TOO_MANY_REDIRECTS, message)
    assert len(site.requests) == 11


@pytest.mark.parametrize("before", [0, 430, 445, 9000])
async def test_no_part_of_a_secret_is_told_of_where_redirects_lead(site: Site, engine: Engine, before: int) -> None:
    secret = "swordfish-and-chips"
    path = f"/{'x' * before}/{secret}"
    site.answers["/"] = site.answers[path] = redirect(302, path)
    target = HttpTarget.model_validate({"url": f"{site.url}/", "headers": [{"name": "X-Api-Key", "value": secret}]})
    observation = await probe(target, timedelta(seconds=10), engine, Redaction([secret]))
    assert observation.reason in (Reason.TOO_MANY_REDIRECTS, Reason.PROTOCOL)
    assert len(str(observation.message)) <= 500
    assert "sword" not in str(observation.message)


@pytest.mark.parametrize("location", ["http://u:swordfish@127.0.0.1:{port}/", "/;a?swordfish", "/#swordfish"])
async def test_a_loop_of_redirects_tells_no_credentials(site: Site, observe: Observe, location: str) -> None:
    where = location.format(port=site.url.rpartition(":")[2])
    site.answers = {path: redirect(302, where) for path in ("/", "/;a?swordfish")}
    observation = await observe(f"{site.url}/")
    assert observation.reason is Reason.TOO_MANY_REDIRECTS
    assert "swordfish" not in str(observation.message)


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "GET"),
        ("DELETE", 303, "GET"),
        ("POST", 307, "POST"),
        ("PUT", 308, "PUT"),
        ("HEAD", 302, "HEAD"),
        ("HEAD", 303, "HEAD"),
    ],
)
async def test_the_method_changes_as_in_browsers(
    site: Site, observe: Observe, method: str, status: int, then: str
) -> None:
    site.answers["/"] = redirect(status, "/next")
    await observe(f"{site.url}/", method=method)
    assert site.requests[1].startswith(f"{then} /next ")


@pytest.mark.parametrize(("status", "kept"), [(302, False), (307, True)])
async def test_the_body_travels_with_its_method(site: Site, observe: Observe, status: int, kept: bool) -> None:
    site.answers["/"] = redirect(status, "/next")
    headers = [{"name": "Content-Type", "value": "text/x"}]
    await observe(f"{site.url}/", method="POST", body="payload", headers=headers)
    assert site.requests[1].endswith("\r\n\r\npayload") is kept
    assert ("text/x" in site.requests[1]) is kept
    assert ("Content-Length: 7" in site.requests[1]) is kept


SECRETS: list[dict[str, Any]] = [
    {"name": "Authorization", "value": "Bearer s3cret"},
    {"name": "Cookie", "value": "id=s3cret"},
    {"name": "X-Api-Key", "value": "s3cret"},
]


async def test_the_same_origin_keeps_credentials(site: Site, observe: Observe) -> None:
    site.answers["/"] = redirect(302, f"{site.url}/next")
    await observe(f"{site.url}/", headers=SECRETS)
    assert site.requests[1].count("s3cret") == 3


async def test_another_origin_gets_no_header_that_may_be_a_credential(
    site: Site, other: Site, observe: Observe
) -> None:
    site.answers["/"] = redirect(302, f"{other.url}/")
    await observe(f"{site.url}/", headers=[*SECRETS, {"name": "Accept-Language", "value": "de"}])
    assert "s3cret" not in other.requests[0]
    assert "Accept-Language: de\r\n" in other.requests[0]
    assert "User-Agent: Tocsin/" in other.requests[0]


async def test_credentials_do_not_come_back_with_the_first_origin(site: Site, other: Site, observe: Observe) -> None:
    site.answers["/"] = redirect(302, f"{other.url}/")
    other.answers["/"] = redirect(302, f"{site.url}/back")
    await observe(f"{site.url}/", headers=SECRETS)
    assert "s3cret" not in site.requests[1]


async def test_another_origin_gets_a_host_header_of_its_own(site: Site, other: Site, observe: Observe) -> None:
    site.answers["/"] = redirect(302, f"{other.url}/")
    await observe(f"{site.url}/", headers=[{"name": "Host", "value": "inside.example"}])
    assert f"Host: {other.url.removeprefix('http://')}\r\n" in other.requests[0]


@pytest.mark.parametrize(
    ("url", "location", "kept"),
    [
        ("http://a.example/", "https://a.example/", True),
        ("http://a.example:80/", "https://a.example:443/x", True),
        ("https://a.example/", "http://a.example/", False),
        ("http://a.example/", "https://b.example/", False),
        ("http://a.example/", "https://a.example:8443/", False),
        ("http://a.example:8080/", "https://a.example/", False),
        ("https://a.example/", "//b.example/", False),
        ("https://a.example/", "https://sub.a.example/", False),
        ("https://a.example/", "https://A.example:443/x", True),
    ],
)
def test_the_same_host_keeps_credentials_when_it_turns_to_tls(url: str, location: str, kept: bool) -> None:
    request = httpx.Request("GET", url, headers={"Authorization": "s3cret", "X-Api-Key": "s3cret", "Host": "other"})
    following = redirected(request, httpx.Response(302, headers={"Location": location}))
    assert following is not None
    assert ("s3cret" in str(following.headers.raw)) is kept


def test_a_host_header_stays_with_its_origin() -> None:
    request = httpx.Request("GET", "http://a.example/", headers={"Host": "inside.example"})
    upgrade = redirected(request, httpx.Response(302, headers={"Location": "https://a.example/"}))
    assert upgrade is not None
    assert upgrade.headers["Host"] == "a.example"


async def test_credentials_in_a_location_are_not_sent(site: Site, observe: Observe) -> None:
    site.answers["/"] = redirect(302, site.url.replace("//", "//user:s3cret@") + "/next")
    await observe(f"{site.url}/")
    assert "Authorization" not in site.requests[1]


@pytest.mark.parametrize(
    "location",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "/" + "@" * 9000,
        "http://0177.0.0.1/",
        "http://１２７.0.0.1/",  # noqa: RUF001 - full-width digits
    ],
)
async def test_a_location_that_is_no_web_address_breaks_the_protocol(
    site: Site, observe: Observe, location: str
) -> None:
    site.answers["/"] = redirect(302, location)
    assert (await observe(f"{site.url}/")).reason is Reason.PROTOCOL


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://[::ffff:a9fe:a9fe]/", "http://0/"]
)
async def test_a_redirect_to_a_blocked_address_is_refused(site: Site, observe: Observe, location: str) -> None:
    site.answers["/"] = redirect(302, location)
    observation = await observe(f"{site.url}/")
    assert (observation.outcome, observation.reason) == (Outcome.UNKNOWN, Reason.TARGET_BLOCKED)


async def test_each_hop_is_guarded_anew(site: Site, other: Site, observe: Observe) -> None:
    excepted = ("127.0.0.1", int(site.url.rpartition(":")[2]))
    engine = Engine(EgressPolicy(allow_private=False, excepted=frozenset({excepted})), now=lambda: STARTED_AT)
    site.answers["/"] = redirect(302, f"{other.url}/")
    assert (await observe(f"{site.url}/", engine=engine)).reason is Reason.TARGET_BLOCKED
    assert other.requests == []


async def test_phases_of_all_hops_add_up(site: Site, observe: Observe) -> None:
    site.answers["/"] = redirect(302, "/next")
    observation = await observe(f"{site.url}/")
    phases = observation.phases
    assert phases.connect
    assert phases.processing
    assert phases.transfer
    assert phases.connect + phases.processing + phases.transfer <= observation.duration


async def sent_on(site: Site, other: Site, engine: Engine, secret: str, **fields: Any) -> Observation:
    """Probe a target with a secret that redirects to another origin."""
    site.answers["/"] = redirect(307, f"{other.url}/")
    target = HttpTarget(url=f"{site.url}/", **fields)
    return await probe(target, timedelta(seconds=5), engine, Redaction([secret]))


async def test_a_body_with_a_secret_is_not_sent_to_another_origin(site: Site, other: Site, engine: Engine) -> None:
    observation = await sent_on(site, other, engine, "swordfish", method="POST", body="key=swordfish")
    assert observation.reason is Reason.PROTOCOL
    assert observation.message == "the redirect leads to another origin, which must not see the body's secret"
    assert other.requests == []


async def test_a_body_without_a_secret_is_sent_on_from_a_target_that_has_one(
    site: Site, other: Site, engine: Engine
) -> None:
    headers = [{"name": "X-Key", "value": "swordfish"}, {"name": "User-Agent", "value": "swordfish/1"}]
    await sent_on(site, other, engine, "swordfish", method="POST", body="key", headers=headers)
    assert other.requests[0].endswith("\r\n\r\nkey")
    assert "swordfish" not in other.requests[0]
