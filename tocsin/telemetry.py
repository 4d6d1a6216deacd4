"""How a process starts: its settings, its log, and what it counts for Prometheus."""

import os
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tocsin.logs import configure_logging
from tocsin.operations_server import serve_operations
from tocsin.pulse import Pulse
from tocsin.settings import WRONG_SETTING_STATUS, Settings, SettingsError, read_settings

# prometheus_client's own: where it names a folder, all processes count there.
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def start_telemetry(process: str, environment: Mapping[str, str], pulse: Pulse) -> Settings:
    """Read the settings, log from now on, and serve health and metrics where a port for them is set.

    A wrong setting ends the process, with status 2 and one line that names it.
    """
    settings = _settings_or_exit(environment)
    configure_logging(process, settings.log_format)
    if settings.metrics_port is not None:
        _serve(settings.metrics_port, pulse)
    return settings


def _settings_or_exit(environment: Mapping[str, str]) -> Settings:
    try:
        return read_settings(environment)
    except SettingsError as exc:
        exit_with(str(exc))


def exit_with(problem: str) -> NoReturn:
    """End the process with one line that says which setting is wrong."""
    sys.stderr.write(f"tocsin: {problem}\n")
    raise SystemExit(WRONG_SETTING_STATUS)


def _serve(port: int, pulse: Pulse) -> None:
    try:
        serve_operations(port, pulse)
    except OSError as exc:
        exit_with(f"TOCSIN_METRICS_PORT {port} cannot be used ({exc.strerror}); set it to a free port")


def all_metrics() -> bytes:
    """What this process counts, or where processes count in a common folder, what all of them do."""
    if MULTIPROCESS_VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
