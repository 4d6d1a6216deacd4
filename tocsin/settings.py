"""What an installation may set, read once from the environment and handed down."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

# It stands readable beside what is encrypted.
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class SettingsError(Exception):
    """A setting that cannot be used: one line that names it and the remedy."""


@dataclass(frozen=True)
class Servers:
    """Where PostgreSQL and Redis (or Valkey) answer."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Api:
    """Where the API listens. `allowed_origins` may open WebSockets besides the API's own origin."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Egress:
    """What probes may reach. A shared installation refuses private and loopback addresses.

    `exceptions` are addresses and ports that probes reach whatever is refused otherwise. `extra_ca_file` holds the
    certificates of authorities that probes trust besides the public ones.
    """

    allow_private: bool = True
    exceptions: frozenset[tuple[str, int]] = frozenset()
    extra_ca_file: str | None = None


@dataclass(frozen=True)
class Retention:
    """How long things are kept. Results go day by day; rollups, incidents and status changes last longer."""

    results_days: int = 30
    history_days: int = 400


@dataclass(frozen=True)
class Worker:
    """`concurrency` bounds the slots that one worker process holds.

    It holds them from a second or two before they are due until their results are stored.
    """

    concurrency: int = 4000


@dataclass(frozen=True)
class Encryption:
    """The keys of secrets at rest by their ids, 32 bytes each. The first encrypts, all decrypt; none: no secrets."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Operator:
    """What the operator serves. `cluster` tells this cluster from others that use the same database.

    `watched_namespaces` is None for all. `organizations` maps namespaces to names of organizations, with `*` for all
    others; `secret_namespaces` are those where Secrets may be read. `namespace` is where its Lease lives; None for the
    one that its credentials name.
    """

    cluster: str = "default"
    watched_namespaces: tuple[str, ...] | None = None
    organizations: Mapping[str, str] = field(default_factory=lambda: {"*": "default"})
    secret_namespaces: frozenset[str] = frozenset()
    namespace: str | None = None


@dataclass(frozen=True)
class Settings:
    """All settings. `bootstrap_token`, when set at the first start, owns the organization `default`."""

    servers: Servers
    api: Api = Api()
    egress: Egress = Egress()
    retention: Retention = Retention()
    worker: Worker = Worker()
    encryption: Encryption = Encryption()
    operator: Operator = Operator()
    bootstrap_token: str | None = None
    log_format: str = "json"
    metrics_port: int | None = None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Build the settings from `TOCSIN_*` variables. Raises SettingsError."""
    return Settings(
        servers=read_servers(environment),
        api=Api(
            host=environment.get("TOCSIN_HOST", Api.host),
            port=_read(environment, "TOCSIN_PORT", Api.port, _port),
            allowed_origins=_read(environment, "TOCSIN_ALLOWED_ORIGINS", (), _origins),
        ),
        egress=Egress(
            allow_private=_read(environment, "TOCSIN_ALLOW_PRIVATE_TARGETS", True, _boolean),
            exceptions=_read(environment, "TOCSIN_EGRESS_EXCEPTIONS", frozenset(), _endpoints),
            extra_ca_file=_read(environment, "TOCSIN_EXTRA_CA_FILE", None, _certificates),
        ),
        retention=Retention(
            results_days=_read(environment, "TOCSIN_RESULTS_RETENTION_DAYS", Retention.results_days, _positive),
            history_days=_read(environment, "TOCSIN_HISTORY_RETENTION_DAYS", Retention.history_days, _positive),
        ),
        worker=Worker(concurrency=_read(environment, "TOCSIN_WORKER_CONCURRENCY", Worker.concurrency, _positive)),
        encryption=read_encryption(environment),
        operator=_operator(environment),
        bootstrap_token=read_bootstrap_token(environment),
        log_format=_read(environment, "TOCSIN_LOG_FORMAT", "json", _log_format),
        metrics_port=_read(environment, "TOCSIN_METRICS_PORT", None, _port),
    )


def read_bootstrap_token(environment: Mapping[str, str]) -> str | None:
    """The token that opens the organization `default` from the first start on. Raises SettingsError."""
    return _read(environment, "TOCSIN_BOOTSTRAP_TOKEN", None, _token)


def read_encryption(environment: Mapping[str, str]) -> Encryption:
    """The keys of secrets alone, for a command that needs nothing else. Raises SettingsError."""
    return Encryption(_read(environment, "TOCSIN_ENCRYPTION_KEYS", {}, _encryption_keys))


def read_servers(environment: Mapping[str, str]) -> Servers:
    """The servers that the environment names. Raises SettingsError."""
    return Servers(
        database_url=_required(environment, "TOCSIN_DATABASE_URL", _database_url),
        redis_url=_required(environment, "TOCSIN_REDIS_URL", _redis_url),
    )


def _operator(environment: Mapping[str, str]) -> Operator:
    defaults = Operator()
    return Operator(
        cluster=_read(environment, "TOCSIN_CLUSTER", defaults.cluster, _cluster),
        watched_namespaces=_read(environment, "TOCSIN_WATCH_NAMESPACES", None, _namespaces),
        organizations=_read(environment, "TOCSIN_NAMESPACE_ORGANIZATIONS", defaults.organizations, _organizations),
        secret_namespaces=_read(environment, "TOCSIN_SECRET_NAMESPACES", defaults.secret_namespaces, _namespace_set),
        namespace=_read(environment, "TOCSIN_OPERATOR_NAMESPACE", None, _namespace),
    )


def _required(environment: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T:
    if not environment.get(name):
        raise SettingsError(f"{name} is not set; set it, or run `tocsin up`, which brings its own servers")
    return _parsed(name, environment[name], parse)


def _read(environment: Mapping[str, str], name: str, default: T, parse: Callable[[str], T]) -> T:
    value = environment.get(name)
    return default if not value else _parsed(name, value, parse)


def _parsed(name: str, value: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(value)
    except ValueError as exc:
        # The value is not shown: it may be a secret.
        raise SettingsError(f"{name} {exc}") from None


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError("must be a port from 1 to 65535")
    return int(value)


def _positive(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) <= 1_000_000:
        raise ValueError("must be a whole number from 1 to 1000000")
    return int(value)


def _boolean(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in value.split(","))
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ValueError("must list origins such as https://status.example.com, separated by commas")
    return origins


def _endpoints(value: str) -> frozenset[tuple[str, int]]:
    return frozenset(_endpoint(part.strip()) for part in value.split(","))


def _endpoint(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), _port(port)
    except ValueError:
        raise ValueError("must list addresses such as 10.0.0.7:443 or [fd00::7]:443, separated by commas") from None


def _certificates(value: str) -> str:
    try:
        text = Path(value).read_bytes()
    except OSError as exc:
        raise ValueError(f"cannot be read ({exc.strerror}); name a file of certificates in PEM format") from None
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError("holds no certificate; name a file of certificates in PEM format")
    return value


def _token(value: str) -> str:
    if len(value) < 24 or not value.isascii() or any(character.isspace() for character in value):
        raise ValueError("must be at least 24 ASCII characters without spaces; make one with `openssl rand -hex 32`")
    return value


def _encryption_keys(value: str) -> dict[str, bytes]:
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


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("must be a namespace: lower-case letters, digits and -, at most 63")
    return value


def _cluster(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("must be a name of lower-case letters, digits and -, at most 63")
    return value


def _namespaces(value: str) -> tuple[str, ...]:
    return tuple(_namespace(part.strip()) for part in value.split(","))


def _namespace_set(value: str) -> frozenset[str]:
    return frozenset(_namespaces(value))


def _organizations(value: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in value.split(",")]
    for namespace, _, organization in pairs:
        if not organization or (namespace != "*" and not _NAMESPACE.fullmatch(namespace)):
            raise ValueError("must list pairs such as team-a=acme,*=default, separated by commas")
    return {namespace: organization for namespace, _, organization in pairs}


def _log_format(value: str) -> str:
    if value not in ("json", "console"):
        raise ValueError("must be json or console")
    return value


def _database_url(value: str) -> str:
    if urlsplit(value).scheme not in ("postgres", "postgresql"):
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/tocsin; only PostgreSQL serves")
    return value


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must be a URL such as redis://host:6379/0")
    return value
