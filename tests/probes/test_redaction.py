"""A secret does not stand in what is told, whatever form it has there."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from probes.redaction import Redaction

SECRET = 'sw0rd/fish?&+ "ö~'
WITHHELD = "what was seen is not told: a secret of this check is too short to be found in it"


def escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


@pytest.mark.parametrize(
    "form",
    [
        str,
        str.upper,
        quote,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower(),
        quote_plus,
        escaped,
        lambda text: escaped(text).replace("/", "\\/"),
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: b64encode(text.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_form(form: Callable[[str], str]) -> None:
    assert Redaction([SECRET]).applied_to(f"got <{form(SECRET)}>, sorry") == "got <***>, sorry"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!", "!!!"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_secret_is_masked_within_something_that_is_encoded(
    before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = "sword??fish>>7"
    redacted = Redaction([secret]).applied_to(encode(f"{before}{secret}{after}".encode()).decode())
    # At its ends, characters may remain that hold a part of a byte beside others.
    assert "***" in redacted
    assert len(redacted.replace("***", "")) <= 4 * (len(before) + len(after) + 4) / 3


def test_the_credentials_of_a_header_are_masked_without_their_scheme() -> None:
    assert Redaction(["Bearer swordfish-7"]).applied_to("unknown token swordfish-7") == "unknown token ***"


def test_a_secret_is_masked_without_the_space_around_it() -> None:
    assert Redaction([" swordfish\n"]).applied_to("no swordfish here") == "no *** here"


def test_a_secret_within_another_is_masked_with_it() -> None:
    assert Redaction(["sword", "swordfish"]).applied_to("a swordfish, a sword") == "a ***, a ***"


def test_secrets_that_overlap_are_masked_whole() -> None:
    assert Redaction(["swordfish", "fishbone"]).applied_to("a swordfishbone") == "a ***"
    assert Redaction(["aaaa"]).applied_to("aaaaaa b aaaa") == "*** b ***"


def test_letters_without_a_small_form_of_their_own_hide_nothing() -> None:
    assert Redaction(["ΟΔΥΣΣΕΥΣ"]).applied_to("İ: οδυσσευς, ΟΔΥΣΣΕΥΣ!") == "İ: ***, ***!"
    assert Redaction(["ΟΔΥΣΣΕΥΣ"]).applied_to("οδυσσευσ") == "***"


def test_what_holds_no_secret_stays_as_it_is() -> None:
    assert Redaction([SECRET]).applied_to("expected 200-299, got 503") == "expected 200-299, got 503"
    assert Redaction(["x" * 65536]).applied_to("expected 200-299, got 503") == "expected 200-299, got 503"


@pytest.mark.parametrize("short", ["a", "abc", " abc "])
def test_with_a_secret_too_short_to_be_found_nothing_is_told(short: str) -> None:
    assert Redaction([SECRET, short]).applied_to("got abc") == WITHHELD
