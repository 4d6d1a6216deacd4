"""How passwords are proven to MySQL without being sent."""

import hashlib

_NATIVE, _SHA2 = "mysql_native_password", "caching_sha2_password"


def scramble(plugin: str, password: str, salt: bytes) -> bytes | None:
    """What proves the password to a plugin of the server's; None for a plugin that is not known."""
    if plugin not in (_NATIVE, _SHA2):
        return None
    if not password:
        return b""
    return _native(password.encode(), salt[:20]) if plugin == _NATIVE else _sha2(password.encode(), salt[:20])


def _native(password: bytes, salt: bytes) -> bytes:
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _mixed(once, hashlib.sha1(salt + twice, usedforsecurity=False).digest())


def _sha2(password: bytes, salt: bytes) -> bytes:
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    return _mixed(once, hashlib.sha256(twice + salt).digest())


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
