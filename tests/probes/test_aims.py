"""How secrets come into a target, and why they may not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

import probes.kinds.http.prober
from probes.aims import Aim, SealedAim, Template, UnreadableAim, read_aim
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.keeping import Kept
from probes.runner import probe
from probes.wire.http_transport import Call
from tests.probes.serving import ServeBytes
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.http import HttpTarget
from tocsin.encryption import KeyRing, secret_place
from tocsin.services.check_secrets import SealedSecret
from tocsin.services.leases import Definition

SECOND = timedelta(seconds=1)
REFERENCE = "api-token/value"
KEYS = KeyRing({"k1": bytes(32)})
PLACE = secret_place(1, 2, REFERENCE)
FIELDS: dict[str, Any] = {"url": "http://a/", "headers": [{"name": "X-Key", "value": {"secret": REFERENCE}}]}


def template(fields: dict[str, Any] = FIELDS) -> Template:
    read = read_aim(Definition("http", json.dumps(fields), SECOND))
    assert isinstance(read, Template)
    return read


def sealed(value: str, place: bytes = PLACE) -> SealedSecret:
    return SealedSecret(PLACE, KEYS.seal(value, place))


def problem(secrets: dict[str, SealedSecret], keys: KeyRing = KEYS) -> str:
    with pytest.raises(ProbeFailure) as refused:
        SealedAim(template(), secrets, keys).revealed()
    assert (refused.value.reason, refused.value.outcome) == (Reason.SECRET_UNAVAILABLE, Outcome.UNKNOWN)
    return refused.value.message


def test_a_target_without_references_is_ready() -> None:
    aim = read_aim(Definition("http", '{"url": "http://a/"}', SECOND))
    assert aim == Aim(HttpTarget(url="http://a/"), SECOND)
    assert aim.revealed() is aim


def test_a_text_that_looks_like_a_reference_is_none() -> None:
    body = {"url": "http://a/", "method": "POST", "body": '{"secret": "api-token/value"}'}
    assert isinstance(read_aim(Definition("http", json.dumps(body), SECOND)), Aim)


def test_secrets_stand_in_the_target_when_it_is_revealed() -> None:
    aim = SealedAim(template(), {REFERENCE: sealed("swordfish")}, KEYS).revealed()
    assert isinstance(aim.target, HttpTarget)
    assert aim.target.headers[0].value == "swordfish"
    assert aim.redaction is not None
    assert aim.redaction.applied_to("got swordfish") == "got ***"


def test_what_is_kept_of_a_target_holds_no_secret() -> None:
    kept = SealedAim(template(), {REFERENCE: sealed("swordfish")}, KEYS)
    assert "swordfish" not in repr((kept, kept.revealed(), kept))


def test_a_secret_that_is_not_stored_is_named_with_the_remedy() -> None:
    assert problem({}) == f"the secret {REFERENCE} is not stored; see the condition SecretsResolved"


def test_a_secret_of_a_key_that_is_gone_is_named_with_the_remedy() -> None:
    message = (
        f"the secret {REFERENCE} cannot be decrypted: the key k1 is not among TOCSIN_ENCRYPTION_KEYS; add it again"
    )
    assert problem({REFERENCE: sealed("swordfish")}, KeyRing({})) == message


def test_a_secret_of_another_place_is_not_used() -> None:
    message = problem({REFERENCE: sealed("swordfish", secret_place(1, 3, REFERENCE))})
    assert message.startswith(f"the secret {REFERENCE} cannot be decrypted: the stored value was changed")


def test_an_empty_secret_is_not_used() -> None:
    assert problem({REFERENCE: sealed("")}) == f"the secret {REFERENCE} is empty; give it a value"


@pytest.mark.parametrize("value", ["swordfish\n", "swordfish ö", "swordfish" * 1000])
def test_a_secret_that_its_field_cannot_hold_is_named_and_not_shown(value: str) -> None:
    message = problem({REFERENCE: sealed(value)})
    assert message.startswith(f"the secret {REFERENCE} cannot be used: ")
    assert "swordfish" not in message


@pytest.mark.parametrize("fields", [{"url": "http://a/", "new": 1}, {**FIELDS, "new": 1}])
def test_a_target_of_a_newer_version_is_not_probed(fields: dict[str, Any]) -> None:
    with capture_logs():
        read = read_aim(Definition("http", json.dumps(fields), SECOND))
    aim = SealedAim(read, {REFERENCE: sealed("swordfish")}, KEYS) if isinstance(read, Template) else read
    with pytest.raises(ProbeFailure, match="this worker's version does not know such a target") as refused:
        aim.revealed()
    assert refused.value.reason is Reason.INTERNAL_ERROR


def test_a_kind_of_a_newer_version_is_not_probed() -> None:
    with capture_logs():
        assert isinstance(read_aim(Definition("new", "{}", SECOND)), UnreadableAim)


async def test_no_request_with_a_secret_is_kept(
    serve_bytes: ServeBytes, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept[Call]()
    monkeypatch.setattr(probes.kinds.http.prober, "_calls", kept)
    url = await serve_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    aim = SealedAim(template({**FIELDS, "url": url}), {REFERENCE: sealed("swordfish")}, KEYS).revealed()
    assert (await probe(aim.target, SECOND, engine, aim.redaction)).outcome is Outcome.SUCCESS
    assert kept.values() == []
    await probe(aim.target, SECOND, engine)
    assert len(kept.values()) == 1


async def test_a_secret_at_the_end_of_a_long_message_is_masked_before_it_is_cut(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ProbeFailure(Reason.PROTOCOL, "x" * 495 + "swordfish")

    monkeypatch.setattr("probes.runner.PROBERS", {"http": fail})
    aim = SealedAim(template(), {REFERENCE: sealed("swordfish")}, KEYS).revealed()
    assert (await probe(aim.target, SECOND, engine, aim.redaction)).message == "x" * 495 + "***"
