"""A backup of a running platform, restored elsewhere: it goes on, and invents nothing for the time between."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.embedded.conftest import open_folder
from tests.embedded.program import wait_until
from tests.up.platform import Platform, free_port, platform
from tocsin.domain.observations import Outcome
from tocsin.embedded import running_servers
from tocsin.installation import KEYS_FILE, TOKEN_FILE
from tocsin.models.codes import OUTCOME_CODES
from tocsin.services.planning import CATCH_UP_LIMIT

SECRET = "Swordfish-7c1e55"
_SECRET = f'mutation {{ createSecret(input: {{name: "api-token", value: "{SECRET}"}}) {{ __typename }} }}'
_CHECK = """mutation { createCheck(input: {siteId: "%s", name: "%s", intervalSeconds: 1, failureThreshold: 1,
    target: {http: {url: "http://127.0.0.1:%d/", headers: [{name: "X-Key", valueSecret: "api-token"}]}}
}) { __typename } }
"""
_JOB = """mutation { createCheck(input: {siteId: "%s", name: "job",
    target: {heartbeat: {periodSeconds: 20, graceSeconds: 10}}}) { ... on Check { heartbeat { pingUrl } } } }
"""


class Guarded(BaseHTTPRequestHandler):
    """Answers whoever sends the secret."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["X-Key"] == SECRET else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to be said."""


@pytest.fixture(scope="module")
def guarded_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def tocsin(*arguments: str | Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    command = [sys.executable, "-m", "tocsin.cli", *map(str, arguments)]
    subprocess.run(command, env=own, check=True, capture_output=True, timeout=60)


def ask(data_dir: Path, query: str, *arguments: object) -> Any:
    """The first column of the only row."""
    servers = running_servers(data_dir)
    assert servers is not None

    async def fetch() -> Any:
        connection = await asyncpg.connect(servers.database_url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def make_checks(running: Platform, good_port: int) -> None:
    site = running.ask('mutation { createSite(input: {name: "shop"}) { ... on Site { id } } }')["createSite"]
    assert isinstance(site, dict)
    assert running.ask(_SECRET) == {"createSecret": {"__typename": "Secret"}}
    for name, port in {"good": good_port, "bad": free_port()}.items():
        assert running.ask(_CHECK % (site["id"], name, port)) == {"createCheck": {"__typename": "Check"}}
    (url,) = re.findall("'pingUrl': '([^']+)'", str(running.ask(_JOB % site["id"])))
    assert httpx.get(url).text == "OK"


@dataclass(frozen=True)
class Restored:
    """The second platform, when the first was saved, and when the second one started."""

    data_dir: Path
    saved_at: datetime
    started_at: datetime
    stayed_alive: bool


@pytest.fixture(scope="module")
def restored(guarded_port: int) -> Iterator[Restored]:
    with open_folder() as folder:
        first, second, file = folder / "first", folder / "second", folder / "tocsin.backup"
        with platform(first, "--no-demo") as running:
            running.wait_until_greeted()
            make_checks(running, guarded_port)
            incidents = "SELECT count(*) = 1 FROM incidents"
            assert wait_until(lambda: ask(first, incidents), 20)
            tocsin("backup", file, "--data-dir", first)
            saved_at = ask(first, "SELECT now()")
            # Who was backed up goes on as before.
            later = "SELECT count(*) > 0 FROM results WHERE slot > $1"
            stayed_alive = wait_until(lambda: ask(first, later, saved_at + timedelta(seconds=1)), 10)
            running.end(signal.SIGINT)
        tocsin("restore", file, "--data-dir", second)
        for name in (TOKEN_FILE, KEYS_FILE):
            shutil.copy(first / name, second)
        # Later than what schedulers catch up with, slot by slot.
        time.sleep(CATCH_UP_LIMIT.total_seconds())
        with platform(second, "--no-demo") as running:
            running.wait_until_greeted()
            started_at = ask(second, "SELECT now()")
            assert wait_until(lambda: ask(second, later, started_at + timedelta(seconds=3)), 30)
            assert "check" in str(running.ask("{ checks { nodes { id } } }"))
            yield Restored(second, saved_at, started_at, stayed_alive)


def test_a_backup_disturbs_nobody(restored: Restored) -> None:
    assert restored.stayed_alive


def test_probing_goes_on_with_the_secret(restored: Restored) -> None:
    outcomes = """
        SELECT array_agg(DISTINCT outcome) FROM results r JOIN checks c ON c.id = r.check_id
        WHERE c.name = 'good' AND r.slot > $1"""
    after = restored.started_at + timedelta(seconds=1)
    assert ask(restored.data_dir, outcomes, after) == [OUTCOME_CODES[Outcome.SUCCESS]]


def test_the_time_between_is_one_gap_and_no_flood(restored: Restored) -> None:
    covered = "SELECT count(*) FROM gaps WHERE from_at < $1 AND to_at > $2"
    middle = restored.saved_at + timedelta(seconds=5)
    assert ask(restored.data_dir, covered, middle, middle) == 1
    between = "SELECT count(*) FROM results WHERE slot > $1 AND slot < $2"
    oldest_caught_up = restored.started_at - CATCH_UP_LIMIT - timedelta(seconds=10)
    assert ask(restored.data_dir, between, restored.saved_at + timedelta(seconds=3), oldest_caught_up) == 0


def test_the_incident_goes_on_as_the_only_one_and_is_told_once(restored: Restored) -> None:
    open_ones = "SELECT count(*) FROM incidents WHERE resolved_at IS NULL"
    assert ask(restored.data_dir, "SELECT count(*) FROM incidents") == 1
    assert ask(restored.data_dir, open_ones) == 1
    assert ask(restored.data_dir, "SELECT count(*) FROM incident_events") == 1


def test_what_could_not_report_in_meanwhile_is_not_blamed(restored: Restored) -> None:
    last = """
        SELECT r.outcome FROM results r JOIN checks c ON c.id = r.check_id
        WHERE c.name = 'job' AND r.slot > $1 ORDER BY r.slot DESC LIMIT 1"""
    assert wait_until(lambda: ask(restored.data_dir, last, restored.started_at) is not None, 20)
    assert ask(restored.data_dir, last, restored.started_at) == OUTCOME_CODES[Outcome.UNKNOWN]


def test_a_cursor_from_before_is_expired(restored: Restored) -> None:
    assert ask(restored.data_dir, "SELECT min(number) > 4294967296 FROM events") is True
