"""Secrets at rest open with their key, in their place, unchanged; otherwise not."""

from base64 import b64encode

import pytest

from tocsin.encryption import (
    BrokenSealError,
    KeyRing,
    NoKeyError,
    UnknownKeyError,
    key_prefix,
    secret_place,
)
from tocsin.settings import SettingsError, read_encryption

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = secret_place(1, 2, "api-token/value")
SECRET = "swordfish ö"


def keys_of(value: str) -> dict[str, bytes]:
    return dict(read_encryption({"TOCSIN_ENCRYPTION_KEYS": value}).keys)


def encoded(key: bytes) -> str:
    return b64encode(key).decode()


@pytest.mark.parametrize("text", [SECRET, "x" * 65536, "a\nb", "\0"])
def test_what_was_sealed_opens_again(text: str) -> None:
    keys = KeyRing({"k1": OLD})
    assert keys.open(keys.seal(text, PLACE), PLACE) == text


def test_the_sealed_form_shows_the_id_of_the_key_and_nothing_of_the_secret() -> None:
    sealed = KeyRing({"k1": OLD}).seal(SECRET, PLACE)
    assert sealed.startswith(key_prefix("k1"))
    assert b"swordfish" not in sealed


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    keys = KeyRing({"k1": OLD})
    assert len({keys.seal(SECRET, PLACE) for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_open() -> None:
    sealed = KeyRing({"k1": OLD}).seal(SECRET, PLACE)
    both = KeyRing({"k2": NEW, "k1": OLD})
    assert both.open(sealed, PLACE) == SECRET
    assert both.seal(SECRET, PLACE).startswith(key_prefix("k2"))


def test_without_a_key_nothing_is_sealed_and_the_remedy_said() -> None:
    with pytest.raises(NoKeyError, match=r"TOCSIN_ENCRYPTION_KEYS is not set; .* `k1:[$].openssl rand -base64 32.`"):
        KeyRing({}).seal(SECRET, PLACE)


def test_a_key_that_is_gone_is_named() -> None:
    sealed = KeyRing({"k1": OLD}).seal(SECRET, PLACE)
    with pytest.raises(UnknownKeyError, match="the key k1 is not among TOCSIN_ENCRYPTION_KEYS") as refused:
        KeyRing({"k2": NEW}).open(sealed, PLACE)
    assert refused.value.key_id == "k1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        secret_place(9, 2, "api-token/value"),
        secret_place(1, 9, "api-token/value"),
        secret_place(1, 2, "api-token/other"),
        secret_place(1, 2, "api-token/valu"),
        b"",
    ],
    ids=["organization", "check", "reference", "shorter reference", "nowhere"],
)
def test_a_secret_opens_in_no_other_place(elsewhere: bytes) -> None:
    keys = KeyRing({"k1": OLD})
    with pytest.raises(BrokenSealError):
        keys.open(keys.seal(SECRET, PLACE), elsewhere)


def test_another_key_of_the_same_id_does_not_open() -> None:
    with pytest.raises(BrokenSealError):
        KeyRing({"k1": NEW}).open(KeyRing({"k1": OLD}).seal(SECRET, PLACE), PLACE)


def test_no_truncated_secret_opens() -> None:
    keys = KeyRing({"k1": OLD})
    sealed = keys.seal(SECRET, PLACE)
    for length in range(len(sealed)):
        with pytest.raises((BrokenSealError, UnknownKeyError)):
            keys.open(sealed[:length], PLACE)


def test_no_secret_with_a_flipped_bit_opens() -> None:
    keys = KeyRing({"k1": OLD, "k0": OLD, "k3": OLD})
    sealed = keys.seal(SECRET, PLACE)
    for index in range(len(sealed)):
        flipped = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises((BrokenSealError, UnknownKeyError)):
            keys.open(flipped, PLACE)


def test_no_error_holds_the_secret_the_key_or_what_was_stored() -> None:
    keys = KeyRing({"k1": OLD})
    with pytest.raises(BrokenSealError) as refused:
        keys.open(keys.seal(SECRET, b""), PLACE)
    assert str(refused.value) == "the stored value was changed, or belongs to another check; store it anew"
    assert SECRET not in repr(refused.value.__cause__)


def test_keys_are_read_in_their_order() -> None:
    assert list(keys_of(f"k2:{encoded(NEW)}, k1:{encoded(OLD)}").items()) == [("k2", NEW), ("k1", OLD)]
    assert keys_of("") == {}


def test_keys_do_not_show_themselves() -> None:
    encryption = read_encryption({"TOCSIN_ENCRYPTION_KEYS": f"k1:{encoded(OLD)}"})
    assert repr(encryption) == "Encryption()"


@pytest.mark.parametrize(
    "value",
    [
        "swordfish",
        "k1:swordfish",
        f"k1:{encoded(OLD[:31])}",
        f"k1:{encoded(OLD)},",
        f"k 1:{encoded(OLD)}",
        f":{encoded(OLD)}",
        f"{'k' * 33}:{encoded(OLD)}",
        f"k1:{encoded(OLD)}ö",
        f"k1={encoded(OLD)}",
    ],
)
def test_wrong_keys_are_refused_with_the_remedy_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        keys_of(value)
    assert str(refused.value).startswith("TOCSIN_ENCRYPTION_KEYS must list keys as id:key")
    assert str(refused.value).endswith("make one with `openssl rand -base64 32`")
    assert "swordfish" not in str(refused.value)
    assert encoded(OLD)[:8] not in str(refused.value)


def test_two_keys_of_one_id_are_refused() -> None:
    with pytest.raises(SettingsError, match="TOCSIN_ENCRYPTION_KEYS names two keys with the same id"):
        keys_of(f"k1:{encoded(OLD)},k1:{encoded(NEW)}")
