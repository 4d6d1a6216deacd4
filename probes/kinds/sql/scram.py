"""The client's side of SCRAM-SHA-256 (RFC 5802 and 7677), without channel binding."""

import asyncio
import hashlib
import hmac
import secrets
import unicodedata
from base64 import b64decode, b64encode
from typing import Final

# Ten times PostgreSQL's default; a server may ask for any number, which costs 0.4 us of CPU each.
MAX_ITERATIONS: Final = 50_000
_HEADER: Final = b"n,,"


class Scram:
    """One login. All methods raise ValueError for what does not follow the protocol."""

    def __init__(self, password: str) -> None:
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = secrets.token_urlsafe(18).encode()
        # The server knows the user from its own protocol.
        self._bare = b"n=,r=" + self._nonce
        self._signature = b""

    def first(self) -> bytes:
        return _HEADER + self._bare

    async def final(self, challenge: bytes) -> bytes:
        """The proof that answers the server's challenge."""
        fields = _fields(challenge)
        nonce, salt, iterations = fields[b"r"], b64decode(fields[b"s"], validate=True), int(fields[b"i"])
        if not nonce.startswith(self._nonce) or not 0 < iterations <= MAX_ITERATIONS:
            raise ValueError("the challenge is not one to answer")
        salted = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", self._password, salt, iterations)
        bare_final = b"c=" + b64encode(_HEADER) + b",r=" + nonce
        said = b",".join((self._bare, challenge, bare_final))
        self._signature = _hmac(_hmac(salted, b"Server Key"), said)
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), said)
        proof = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        return bare_final + b",p=" + b64encode(proof)

    def check(self, end: bytes) -> None:
        """See that the server knows the password as well."""
        if not hmac.compare_digest(b64decode(_fields(end).get(b"v", b""), validate=True), self._signature):
            raise ValueError("the server does not prove that it knows the password")


def _fields(message: bytes) -> dict[bytes, bytes]:
    parts = (part.partition(b"=") for part in message.split(b",", 10))
    return {name: value for name, _, value in parts}


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
