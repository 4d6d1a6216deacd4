import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from tocsin.cli import app
from tocsin.settings import Servers

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in an empty folder, without the settings of whoever runs the tests, but with these."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str, **variables: str) -> Result:
        own = {"TOCSIN_DATA_DIR": str(tmp_path / "data"), "TOCSIN_DATABASE_URL": "", "TOCSIN_REDIS_URL": ""}
        return CliRunner().invoke(app, list(arguments), env={**own, **variables})

    return run_command


@pytest.fixture
def installed(run: Run, database_url: str, servers: Servers) -> Run:
    """Run a command against a migrated database and a Redis."""

    def run_command(*arguments: str, **variables: str) -> Result:
        own = {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_REDIS_URL": servers.redis_url}
        return run(*arguments, **{**own, **variables})

    return run_command


def execute(database_url: str, statements: str) -> None:
    """Change a database, for tests that have no event loop: the commands run one of their own."""

    async def execute_all() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(execute_all())
