"""What an installation may set, read once from the environment and handed down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import unquote

from tocsin import setting_values as values
from tocsin.domain.locations import DEFAULT_LOCATION, validate_location
from tocsin.domain.targets.model import Target

T = TypeVar("T")


# Of a process that a SettingsError ends.
WRONG_SETTING_STATUS: Final = 2


class SettingsError(Exception):
    """A setting that cannot be used: one line that names it and the remedy."""


@dataclass(frozen=True)
class Servers:
    """Where PostgreSQL and Redis (or Valkey) answer."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Api:
    """Where the API listens. `allowed_origins` may open WebSockets besides the API's own origin.

    `probe_metrics` says whether `/metrics` tells holders of a token how each check is.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_origins: tuple[str, ...] = ()
    probe_metrics: bool = False


@dataclass(frozen=True)
class Broker:
    """An MQTT broker, and the first level of the topics that are for Tocsin there."""

    host: str
    port: int
    secured: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    topic: str = "tocsin"


@dataclass(frozen=True)
class Receiver:
    """Where heartbeats report in. `url` is how the world reaches it, as in https://ping.example.com.

    A proxy among the `trusted_proxies` says whose a request is; `*` is any. With a `broker`, they also report by MQTT.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    broker: Broker | None = None


@dataclass(frozen=True)
class Egress:
    """What probes may reach. A shared installation refuses private and loopback addresses.

    `exceptions` are addresses and ports that probes reach whatever is refused otherwise. `extra_ca_file` holds the
    certificates of authorities that probes trust besides the public ones. `proxy_url` is of the HTTP proxy for targets
    that ask for it, with its user and password.
    """

    allow_private: bool = True
    exceptions: frozenset[tuple[str, int]] = frozenset()
    extra_ca_file: str | None = None
    proxy_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Retention:
    """How long things are kept. Results go day by day; rollups, incidents and status changes last longer."""

    results_days: int = 30
    history_days: int = 400


@dataclass(frozen=True)
class Worker:
    """`concurrency` bounds the slots that one worker process holds.

    It holds them from a second or two before they are due until their results are stored. It probes what is due at its
    `location`. A failure counts as the target's only if one of the `canaries` can be reached; without any, always.
    """

    concurrency: int = 4000
    location: str = DEFAULT_LOCATION
    canaries: tuple[Target, ...] = ()


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
    receiver: Receiver = Receiver()
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
            port=_read(environment, "TOCSIN_PORT", Api.port, values.read_port),
            allowed_origins=_read(environment, "TOCSIN_ALLOWED_ORIGINS", (), values.read_origins),
            probe_metrics=_read(environment, "TOCSIN_PROBE_METRICS", False, values.read_boolean),
        ),
        receiver=Receiver(
            host=environment.get("TOCSIN_RECEIVER_HOST") or Receiver.host,
            port=_read(environment, "TOCSIN_RECEIVER_PORT", Receiver.port, values.read_port),
            url=_read(environment, "TOCSIN_RECEIVER_URL", None, values.read_base_url),
            trusted_proxies=_read(environment, "TOCSIN_RECEIVER_TRUSTED_PROXIES", (), values.read_proxies),
            broker=_read(environment, "TOCSIN_MQTT_URL", None, _read_broker),
        ),
        egress=Egress(
            allow_private=_read(environment, "TOCSIN_ALLOW_PRIVATE_TARGETS", True, values.read_boolean),
            exceptions=_read(environment, "TOCSIN_EGRESS_EXCEPTIONS", frozenset(), values.read_endpoints),
            extra_ca_file=_read(environment, "TOCSIN_EXTRA_CA_FILE", None, values.read_certificates),
            proxy_url=_read(environment, "TOCSIN_PROXY_URL", None, values.read_proxy_url),
        ),
        retention=Retention(
            results_days=_read(environment, "TOCSIN_RESULTS_RETENTION_DAYS", Retention.results_days, values.read_count),
            history_days=_read(environment, "TOCSIN_HISTORY_RETENTION_DAYS", Retention.history_days, values.read_count),
        ),
        worker=Worker(
            concurrency=_read(environment, "TOCSIN_WORKER_CONCURRENCY", Worker.concurrency, values.read_count),
            location=_read(environment, "TOCSIN_LOCATION", Worker.location, validate_location),
            canaries=_read(environment, "TOCSIN_CANARIES", (), values.read_canaries),
        ),
        encryption=read_encryption(environment),
        operator=_operator(environment),
        bootstrap_token=read_bootstrap_token(environment),
        log_format=_read(environment, "TOCSIN_LOG_FORMAT", "json", values.read_log_format),
        metrics_port=_read(environment, "TOCSIN_METRICS_PORT", None, values.read_port),
    )


def read_bootstrap_token(environment: Mapping[str, str]) -> str | None:
    """The token that opens the organization `default` from the first start on. Raises SettingsError."""
    return _read(environment, "TOCSIN_BOOTSTRAP_TOKEN", None, values.read_token)


def read_encryption(environment: Mapping[str, str]) -> Encryption:
    """The keys of secrets alone, for a command that needs nothing else. Raises SettingsError."""
    return Encryption(_read(environment, "TOCSIN_ENCRYPTION_KEYS", {}, values.read_encryption_keys))


def read_servers(environment: Mapping[str, str]) -> Servers:
    """The servers that the environment names. Raises SettingsError."""
    return Servers(
        database_url=_required(environment, "TOCSIN_DATABASE_URL", values.read_database_url),
        redis_url=_required(environment, "TOCSIN_REDIS_URL", values.read_redis_url),
    )


def _operator(environment: Mapping[str, str]) -> Operator:
    defaults = Operator()
    return Operator(
        cluster=_read(environment, "TOCSIN_CLUSTER", defaults.cluster, values.read_cluster),
        watched_namespaces=_read(environment, "TOCSIN_WATCH_NAMESPACES", None, values.read_namespaces),
        organizations=_read(
            environment, "TOCSIN_NAMESPACE_ORGANIZATIONS", defaults.organizations, values.read_organizations
        ),
        secret_namespaces=_read(
            environment, "TOCSIN_SECRET_NAMESPACES", defaults.secret_namespaces, values.read_namespace_set
        ),
        namespace=_read(environment, "TOCSIN_OPERATOR_NAMESPACE", None, values.read_namespace),
    )


def _read_broker(value: str) -> Broker:
    parts = values.read_mqtt_url(value)
    secured = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname or "",
        port=parts.port or (8883 if secured else 1883),
        secured=secured,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        topic=parts.path.strip("/") or Broker.topic,
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
