"""What processes say: one line for each event, structured, and without secrets."""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final

import orjson
import structlog

from tocsin.console import console_line

Event = MutableMapping[str, Any]

# Libraries that would tell the URLs of targets or the text of queries, or chat.
_QUIET: Final = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "strawberry": logging.CRITICAL + 1,
    "uvicorn": logging.WARNING,
    "dramatiq": logging.WARNING,
    "tortoise": logging.WARNING,
}
# Of these, the same is heard once in a while: they tell of each attempt while Redis is away, with a traceback.
_REPETITIVE: Final = "dramatiq."
_REPEATED_SECONDS: Final = 60.0
_SECRETS: Final = (
    (re.compile(r"(?i)\bbearer\s+[^\s'\",]+"), "Bearer ***"),
    (re.compile(r"://[^\s/@'\"]*:[^\s/@'\"]*@"), "://***@"),
    (re.compile(r"\btocsin_[A-Za-z0-9_-]{16,}"), "tocsin_***"),
)
_FIRST: Final = ("timestamp", "level", "process", "logger", "event")

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


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
    handler.addFilter(Sparing())
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


class Sparing(logging.Filter):
    """Lets a repetitive library say the same once a minute, and its exceptions in one line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said_at: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_REPETITIVE):
            return True
        now, said = self._clock(), (record.name, record.msg)
        if now - self._said_at.get(said, -_REPEATED_SECONDS) < _REPEATED_SECONDS:
            return False
        self._said_at[said] = now
        if record.exc_info and record.exc_info[1]:
            record.error = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            record.exc_info = None
        return True


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


def json_line(event: Mapping[str, Any]) -> str:
    """The line of an event for a machine, in an order that people can read as well."""
    first = {key: event[key] for key in _FIRST if key in event}
    return orjson.dumps({**first, **event}, default=str).decode()


def _name_process(process: str) -> structlog.typing.Processor:
    def add_process(_logger: object, _method: str, event: Event) -> Event:
        event["process"] = process
        return event

    return add_process


def _renderer(log_format: str) -> Callable[[object, str, Event], str]:
    if log_format == "console":
        return lambda _logger, _method, event: console_line(event, colored=sys.stdout.isatty())
    return lambda _logger, _method, event: json_line(event)


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _logger.critical("crashed", exc_info=(kind, error, trace))
