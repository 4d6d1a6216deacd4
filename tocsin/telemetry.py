"""What processes say: structured log lines, and metrics for Prometheus."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, NoReturn

import orjson
import structlog
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from tocsin.console import console_line
from tocsin.settings import Settings, SettingsError, read_settings

WRONG_SETTING_STATUS: Final = 2
# prometheus_client's own: where it names a folder, all processes count there.
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

Event = MutableMapping[str, Any]

# Libraries that would tell the URLs of targets or the text of queries, or chat.
_QUIET: Final = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "strawberry": logging.CRITICAL + 1,
    "uvicorn": logging.WARNING,
    "dramatiq": logging.WARNING,
}
_SECRETS: Final = (
    (re.compile(r"(?i)\bbearer\s+[^\s'\",]+"), "Bearer ***"),
    (re.compile(r"://[^\s/@'\"]*:[^\s/@'\"]*@"), "://***@"),
    (re.compile(r"\btocsin_[A-Za-z0-9_-]{16,}"), "tocsin_***"),
)

_FIRST: Final = ("timestamp", "level", "process", "logger", "event")

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def start_telemetry(process: str, environment: Mapping[str, str]) -> Settings:
    """Read the settings, log from now on, and serve the metrics where a port for them is set.

    A wrong setting ends the process, with status 2 and one line that names it.
    """
    settings = settings_or_exit(environment)
    configure_logging(process, settings.log_format)
    if settings.metrics_port is not None:
        serve_metrics(settings.metrics_port)
    return settings


def settings_or_exit(environment: Mapping[str, str]) -> Settings:
    """Read the settings; a wrong one ends the process, with status 2 and one line that names it."""
    try:
        return read_settings(environment)
    except SettingsError as exc:
        exit_with(str(exc))


def exit_with(problem: str, status: int = WRONG_SETTING_STATUS) -> NoReturn:
    """End the process with one line that says why."""
    sys.stderr.write(f"tocsin: {problem}\n")
    raise SystemExit(status)


def serve_metrics(port: int) -> None:
    """Serve `/metrics` on every address of this machine, from a thread of its own."""
    try:
        start_http_server(port)
    except OSError as exc:
        exit_with(f"TOCSIN_METRICS_PORT {port} cannot be used ({exc.strerror}); set it to a free port")


def all_metrics() -> bytes:
    """What this process counts, or where processes count in a common folder, what all of them do."""
    if MULTIPROCESS_VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def configure_logging(process: str, log_format: str) -> None:
    """Send what this process and its libraries say to standard output, one line each."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _name_process(process),
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    sys.excepthook = _log_crash


def mask_secrets(_logger: object, _method: str, event: Event) -> Event:
    """Hide bearer tokens and the credentials of URLs, wherever in an event they stand."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = masked(value)
    return event


def masked(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _name_process(process: str) -> structlog.typing.Processor:
    def add_process(_logger: object, _method: str, event: Event) -> Event:
        event["process"] = process
        return event

    return add_process


def _renderer(log_format: str) -> Callable[[object, str, Event], str]:
    if log_format == "console":
        return lambda _logger, _method, event: console_line(event, colored=sys.stdout.isatty())
    return lambda _logger, _method, event: json_line(event)


def json_line(event: Mapping[str, Any]) -> str:
    """The line of an event for a machine, in an order that people can read as well."""
    first = {key: event[key] for key in _FIRST if key in event}
    return orjson.dumps({**first, **event}, default=str).decode()


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _logger.critical("crashed", exc_info=(kind, error, trace))
