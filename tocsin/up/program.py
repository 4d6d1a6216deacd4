"""The whole platform, from its first process to its last."""

import asyncio
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.demo.lifecycle import Demo
from tocsin.embedded.lock import require_idle, write_api_url
from tocsin.installation import KEYS_VARIABLE, keep_keys, own_servers, with_servers
from tocsin.listening import OPTIONS, RECEIVER_VARIABLES, port_beside, require_free, url_of
from tocsin.logs import configure_logging
from tocsin.settings import Api, Servers, Settings, read_settings
from tocsin.telemetry import MULTIPROCESS_VARIABLE
from tocsin.up.child import Module
from tocsin.up.log import Log
from tocsin.up.modules import platform_modules
from tocsin.up.preparation import Prepared, prepare
from tocsin.up.servers import Installation, opened_installation
from tocsin.up.shared_metrics import shared_metrics
from tocsin.up.supervision import Supervisor, set_within
from tocsin.up.welcome import OwnerToken, wait_until_listening, welcome

PARENT_CHECK_SECONDS: Final = 1.0
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Any URLs: they stand in for those of embedded servers while the other settings are read.
_PLACEHOLDERS: Final = Servers("postgresql:///", "unix:///")


@dataclass(frozen=True)
class Options:
    """What `tocsin up` was asked for. `demo` is None for: at the first start of a data folder."""

    data_dir: Path
    host: str | None = None
    port: int | None = None
    demo: bool | None = None
    stop_with_parent: bool = False


@dataclass(frozen=True)
class Run:
    """One run of the platform: what it was told, what it works on, and whether it was asked to end."""

    options: Options
    settings: Settings
    environment: Mapping[str, str]
    installation: Installation
    log: Log
    asked: threading.Event


def up(options: Options, environment: Mapping[str, str]) -> None:
    """Run until a signal comes. Raises SettingsError, EmbeddedServerError and MigrationError."""
    options = replace(options, data_dir=options.data_dir.expanduser().absolute())
    environment = _with_options(environment, options)
    servers = own_servers(environment)
    environment = _with_receiver(environment, _read_settings(environment, servers).api)
    settings = _read_settings(environment, servers)
    # First, as a second start on the same folder finds the port taken by the first one.
    require_idle(options.data_dir)
    require_free(settings.api, OPTIONS)
    require_free(settings.receiver, RECEIVER_VARIABLES)
    asked = _end_start_by_signals()
    log_format = environment.get("TOCSIN_LOG_FORMAT") or "console"
    configure_logging("up", log_format)
    log = Log(log_format)
    log.say("starting", data_dir=options.data_dir, servers="embedded" if servers is None else "own")
    with opened_installation(options.data_dir, servers) as installation:
        write_api_url(options.data_dir, url_of(settings.api))
        asyncio.run(_run(Run(options, settings, environment, installation, log, asked)))
    log.say("stopped")


def _with_options(environment: Mapping[str, str], options: Options) -> dict[str, str]:
    given = {"TOCSIN_HOST": options.host, "TOCSIN_PORT": options.port}
    return {**environment, **{name: str(value) for name, value in given.items() if value is not None}}


def _read_settings(environment: Mapping[str, str], servers: Servers | None) -> Settings:
    return read_settings(with_servers(environment, servers or _PLACEHOLDERS))


def _with_receiver(environment: Mapping[str, str], api: Api) -> dict[str, str]:
    """Where heartbeats report in, unless it is said: beside the API."""
    beside = {"TOCSIN_RECEIVER_HOST": api.host, "TOCSIN_RECEIVER_PORT": str(port_beside(api))}
    return {**environment, **{name: value for name, value in beside.items() if not environment.get(name)}}


def _end_start_by_signals() -> threading.Event:
    """Let a signal end the start, and remember it: an interrupt that is raised in a destructor is lost."""
    asked = threading.Event()

    def interrupt(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    for number in _stop_signals():
        signal.signal(number, interrupt)
    return asked


def _stop_signals() -> list[signal.Signals]:
    """All but those that are ignored, as `nohup` has it."""
    return [number for number in _STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


async def _run(run: Run) -> None:
    prepared = await prepare(
        run.installation.servers.database_url,
        run.options.data_dir,
        run.log,
        chosen_token=run.settings.bootstrap_token,
        demo=run.options.demo,
    )
    with shared_metrics(run.options.data_dir) as metrics:
        await _supervise(run, prepared, {**_child_environment(run, prepared.demo), MULTIPROCESS_VARIABLE: str(metrics)})


async def _supervise(run: Run, prepared: Prepared, environment: Mapping[str, str]) -> None:
    """Keep all processes running until a signal comes."""
    stop, hurry = _signals(run.asked)
    supervisor = Supervisor(run.log, environment, run.installation.lock_fd)
    supervisor.run([*platform_modules(run.settings), *_demo_modules(prepared.demo)])
    if run.installation.embedded:
        supervisor.watch(run.installation.embedded)
    greeting = asyncio.create_task(_greet(run, prepared.token))
    await _wait_for_stop(stop, watch_parent=run.options.stop_with_parent)
    greeting.cancel()
    run.log.say("stopping; a second signal ends everything at once")
    await supervisor.stop(hurry)


def _demo_modules(demo: Demo | None) -> list[Module]:
    # To probes that are under way, targets that end are targets that fail.
    return [] if demo is None else [Module("demo", "tocsin.demo.targets", demo.arguments, stops_last=True)]


def _child_environment(run: Run, demo: Demo | None) -> dict[str, str]:
    """What every process is told."""
    environment = {**with_servers(run.environment, run.installation.servers), "TOCSIN_LOG_FORMAT": "json"}
    environment.pop("TOCSIN_BOOTSTRAP_TOKEN", None)
    if not environment.get(KEYS_VARIABLE):
        environment[KEYS_VARIABLE] = keep_keys(run.options.data_dir)
    if demo is not None:
        demo.make_certificates(run.settings.egress.extra_ca_file)
        environment |= demo.environment(run.environment.get("TOCSIN_EGRESS_EXCEPTIONS"))
    return environment


async def _greet(run: Run, token: OwnerToken) -> None:
    await wait_until_listening(run.settings.api)
    run.log.show(welcome(run.settings.api, run.settings.receiver, run.options.data_dir, token))


def _signals(asked: threading.Event) -> tuple[asyncio.Event, asyncio.Event]:
    """Events that the first and the second signal set; the first may have come already."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def ask() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, ask)
    if asked.is_set():
        stop.set()
    return stop, hurry


async def _wait_for_stop(stop: asyncio.Event, *, watch_parent: bool) -> None:
    parent = os.getppid()
    while not await set_within(stop, PARENT_CHECK_SECONDS):
        if watch_parent and os.getppid() != parent:
            return
