"""Secrets at rest: AES-256-GCM under keys of the installation, bound to the place where they are stored.

A sealed secret is the length of the key's id (1 byte), the id, a random nonce (12 bytes), and the ciphertext with its
tag. What stands before the nonce is authenticated too.
"""

import hmac
import os
import struct
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.domain.errors import TocsinError

# The size that GCM is made for. Random ones suffice for 2^32 secrets under one key.
_NONCE_BYTES: Final = 12


class EncryptionError(TocsinError):
    """A secret that cannot be sealed or opened. The message holds no part of it."""


class NoKeyError(EncryptionError):
    """There is no key to seal with."""

    def __init__(self) -> None:
        super().__init__(
            "TOCSIN_ENCRYPTION_KEYS is not set; set it to an id and a key, such as `k1:$(openssl rand -base64 32)`"
        )


class UnknownKeyError(EncryptionError):
    """The secret was sealed with a key that this process does not have."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the key {key_id} is not among TOCSIN_ENCRYPTION_KEYS; add it again")
        self.key_id = key_id


class BrokenSealError(EncryptionError):
    """The secret was changed since it was sealed, was sealed for another place, or under another key of this id."""

    def __init__(self) -> None:
        super().__init__("the stored value was changed, or belongs to another check; store it anew")


def secret_place(organization_id: int, check_id: int, reference: str) -> bytes:
    """Where a secret of a check is stored; sealed for one place, it opens in no other."""
    return struct.pack(">qq", organization_id, check_id) + reference.encode()


def named_secret_place(organization_id: int, name: str) -> bytes:
    """Where a secret of an organization is stored. No check has the id 0."""
    return secret_place(organization_id, 0, name)


class KeyRing:
    """The keys of an installation by their ids, 32 bytes each: the first seals, all open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._first = next(iter(keys), None)
        self._fingerprint_key = hmac.digest(next(iter(keys.values()), b""), b"fingerprint", "sha256")

    @property
    def first_id(self) -> str:
        """The id of the key that seals. Raises NoKeyError."""
        if self._first is None:
            raise NoKeyError
        return self._first

    def seal(self, text: str, place: bytes) -> bytes:
        """Encrypt a text for a place. Raises NoKeyError."""
        key_id = self.first_id
        head, nonce = key_prefix(key_id), os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[key_id].encrypt(nonce, text.encode(), head + place)

    def fingerprint(self, text: str) -> str:
        """What equal texts have in common, and what tells nothing of them without the first key."""
        return hmac.digest(self._fingerprint_key, text.encode(), "sha256").hex()

    def open(self, sealed: bytes, place: bytes) -> str:
        """Decrypt what was sealed for this place. Raises UnknownKeyError and BrokenSealError."""
        head, nonce, ciphertext = _parts(sealed)
        key_id = head[1:].decode("ascii", "backslashreplace")
        if key_id not in self._ciphers:
            raise UnknownKeyError(key_id)
        try:
            return self._ciphers[key_id].decrypt(nonce, ciphertext, head + place).decode()
        except (InvalidTag, ValueError) as exc:
            raise BrokenSealError from exc


def key_prefix(key_id: str) -> bytes:
    """What every secret begins with that is sealed with this key."""
    return bytes([len(key_id)]) + key_id.encode("ascii")


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    end = 1 + (sealed[0] if sealed else 0)
    if len(sealed) <= end + _NONCE_BYTES:
        raise BrokenSealError
    return sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
