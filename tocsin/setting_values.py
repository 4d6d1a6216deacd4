"""The values of settings, read from text. Each function raises ValueError, which says what the value must be.

No message repeats the value: it may be a secret.
"""

import re
from base64 import b64decode
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tocsin.domain.targets import parse_target
from tocsin.domain.targets.model import Target

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# It stands readable beside what is encrypted.
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


def read_port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError("must be a port from 1 to 65535")
    return int(value)


def read_count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) <= 1_000_000:
        raise ValueError("must be a whole number from 1 to 1000000")
    return int(value)


def read_boolean(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def read_origins(value: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in value.split(","))
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ValueError("must list origins such as https://status.example.com, separated by commas")
    return origins


def read_base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be a URL such as https://ping.example.com, without a user, a password or a query")
    return value.rstrip("/")


def read_mqtt_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("mqtt", "mqtts") and parts.hostname is not None and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or set("+#/") & set(parts.path.strip("/")):
        raise ValueError("must be a URL such as mqtts://user:password@broker.example.com:8883/tocsin")
    return parts


def read_proxies(value: str) -> tuple[str, ...]:
    proxies = tuple(part.strip() for part in value.split(","))
    try:
        return tuple(proxy if proxy == "*" else str(ip_network(proxy)) for proxy in proxies)
    except ValueError:
        raise ValueError("must list addresses or networks such as 10.0.0.0/8, separated by commas, or be *") from None


def read_proxy_url(value: str) -> str:
    message = "must be a URL such as http://proxy.example.com:3128, or http://user:password@proxy.example.com:3128"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(message) from None
    if parts.scheme != "http" or not parts.hostname or not port or parts.path.strip("/") or parts.query:
        raise ValueError(message)
    return value


def read_endpoints(value: str) -> frozenset[tuple[str, int]]:
    return frozenset(_endpoint(part.strip()) for part in value.split(","))


def _endpoint(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), read_port(port)
    except ValueError:
        raise ValueError("must list addresses such as 10.0.0.7:443 or [fd00::7]:443, separated by commas") from None


def read_canaries(value: str) -> tuple[Target, ...]:
    return tuple(_canary(part.strip()) for part in value.split(","))


def _canary(value: str) -> Target:
    try:
        if "://" in value:
            return parse_target("http", {"url": value, "method": "HEAD"})
        host, _, port = value.rpartition(":")
        return parse_target("tcp", {"host": host.removeprefix("[").removesuffix("]"), "port": read_port(port)})
    except ValueError:
        raise ValueError(
            "must list addresses such as https://example.com or 192.0.2.1:53, separated by commas"
        ) from None


def read_certificates(value: str) -> str:
    try:
        text = Path(value).read_bytes()
    except OSError as exc:
        raise ValueError(f"cannot be read ({exc.strerror}); name a file of certificates in PEM format") from None
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError("holds no certificate; name a file of certificates in PEM format")
    return value


def read_token(value: str) -> str:
    if len(value) < 24 or not value.isascii() or any(character.isspace() for character in value):
        raise ValueError("must be at least 24 ASCII characters without spaces; make one with `openssl rand -hex 32`")
    return value


def read_encryption_keys(value: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for part in value.split(","):
        key_id, _, encoded = part.strip().partition(":")
        key = _key_bytes(encoded)
        if not _KEY_ID.fullmatch(key_id) or key is None:
            raise ValueError(
                "must list keys as id:key, separated by commas: an id is up to 32 letters, digits, dots, hyphens and "
                "underscores, a key 32 bytes in Base64; make one with `openssl rand -base64 32`"
            )
        if key_id in keys:
            raise ValueError("names two keys with the same id; give each an id of its own")
        keys[key_id] = key
    return keys


def _key_bytes(encoded: str) -> bytes | None:
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        return None
    return key if len(key) == 32 else None


def read_namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("must be a namespace: lower-case letters, digits and -, at most 63")
    return value


def read_cluster(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("must be a name of lower-case letters, digits and -, at most 63")
    return value


def read_namespaces(value: str) -> tuple[str, ...]:
    return tuple(read_namespace(part.strip()) for part in value.split(","))


def read_namespace_set(value: str) -> frozenset[str]:
    return frozenset(read_namespaces(value))


def read_organizations(value: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in value.split(",")]
    for namespace, _, organization in pairs:
        if not organization or (namespace != "*" and not _NAMESPACE.fullmatch(namespace)):
            raise ValueError("must list pairs such as team-a=acme,*=default, separated by commas")
    return {namespace: organization for namespace, _, organization in pairs}


def read_log_format(value: str) -> str:
    if value not in ("json", "console"):
        raise ValueError("must be json or console")
    return value


def read_database_url(value: str) -> str:
    if urlsplit(value).scheme not in ("postgres", "postgresql"):
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/tocsin; only PostgreSQL serves")
    return value


def read_redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must be a URL such as redis://host:6379/0")
    return value
