"""What a start finds or makes: the schema, the owner's token, and the demo."""

import io
import socket
from pathlib import Path

import asyncpg
import pytest

from tocsin.services import accounts
from tocsin.up.log import Log
from tocsin.up.preparation import Prepared, prepare


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


class Starts:
    """Starts on one database and one folder."""

    def __init__(self, database_url: str, folder: Path, output: io.StringIO) -> None:
        self.database_url = database_url
        self.folder = folder
        self.log = Log(output=output)

    async def start(self, *, chosen_token: str | None = None, demo: bool | None = False) -> Prepared:
        return await prepare(self.database_url, self.folder, self.log, chosen_token=chosen_token, demo=demo)


@pytest.fixture
def starts(database_url: str, tmp_path: Path, output: io.StringIO) -> Starts:
    return Starts(database_url, tmp_path, output)


async def names(owner: asyncpg.Connection, table: str) -> list[str]:
    rows = await owner.fetch(f"SELECT name FROM {table} WHERE deleted_at IS NULL ORDER BY id")
    return [row["name"] for row in rows]


async def test_the_first_start_makes_a_token_that_it_keeps_for_its_owner_alone(starts: Starts) -> None:
    made = (await starts.start()).token
    path = starts.folder / "token"
    assert made.value == path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not made.chosen


async def test_a_later_start_shows_the_same_token(starts: Starts) -> None:
    assert (await starts.start()).token == (await starts.start()).token


async def test_the_token_opens_the_organization(starts: Starts, owner: asyncpg.Connection) -> None:
    token = (await starts.start()).token.value
    assert token
    assert await accounts.is_valid(owner, token)
    assert [entry.organization for entry in await accounts.list_tokens(owner)] == ["default"]


async def test_a_token_that_the_environment_names_is_not_written_down(starts: Starts) -> None:
    made = (await starts.start(chosen_token="c" * 32)).token
    assert made.chosen
    assert made.value == "c" * 32
    assert not (starts.folder / "token").exists()


async def test_a_token_that_comes_too_late_opens_nothing(starts: Starts) -> None:
    await starts.start()
    assert (await starts.start(chosen_token="c" * 32)).token.value is None


async def test_a_revoked_token_is_not_shown_again(starts: Starts, owner: asyncpg.Connection) -> None:
    await starts.start()
    await accounts.revoke_token(owner, (await accounts.list_tokens(owner))[0].id)
    assert (await starts.start()).token.value is None


async def test_the_first_start_makes_a_demo(starts: Starts, owner: asyncpg.Connection) -> None:
    assert (await starts.start(demo=None)).demo
    assert await names(owner, "sites") == ["Demo"]
    assert len(await names(owner, "checks")) == 5


async def test_a_later_start_makes_none_unless_asked(starts: Starts) -> None:
    await starts.start(demo=False)
    assert (await starts.start(demo=None)).demo is None
    assert (await starts.start(demo=True)).demo is not None


async def test_a_later_start_goes_on_with_the_demo(starts: Starts, owner: asyncpg.Connection) -> None:
    assert (await starts.start(demo=None)).demo == (await starts.start(demo=None)).demo
    assert len(await names(owner, "checks")) == 5


async def test_a_demo_is_removed_with_its_checks(starts: Starts, owner: asyncpg.Connection) -> None:
    await starts.start(demo=True)
    assert (await starts.start(demo=False)).demo is None
    assert await names(owner, "sites") == []
    assert await names(owner, "checks") == []
    assert not (starts.folder / "demo").exists()


async def test_a_removed_demo_does_not_come_back(starts: Starts) -> None:
    await starts.start(demo=None)
    await starts.start(demo=False)
    assert (await starts.start(demo=None)).demo is None


async def test_a_check_of_the_demo_that_was_deleted_stays_so(starts: Starts, owner: asyncpg.Connection) -> None:
    made = (await starts.start(demo=True)).demo
    assert made
    await owner.execute("UPDATE checks SET deleted_at = now() WHERE id = $1", made.check_ids["slow"])
    with socket.create_server(("127.0.0.1", made.ports.http)):
        await starts.start(demo=None)
    assert "Slow" not in await names(owner, "checks")


async def test_a_demo_moves_when_another_program_took_a_port(starts: Starts, owner: asyncpg.Connection) -> None:
    made = (await starts.start(demo=True)).demo
    assert made
    with socket.create_server(("127.0.0.1", made.ports.tls)):
        moved = (await starts.start(demo=None)).demo
    assert moved
    assert moved.ports.tls != made.ports.tls
    targets = [row["target"] for row in await owner.fetch("SELECT target FROM checks WHERE name = 'Steady'")]
    assert f":{moved.ports.http}/" in targets[0]


async def test_a_site_of_that_name_is_left_alone(
    starts: Starts, owner: asyncpg.Connection, output: io.StringIO
) -> None:
    await starts.start(demo=False)
    await owner.execute("INSERT INTO sites (organization_id, name) SELECT id, 'Demo' FROM organizations")
    assert (await starts.start(demo=True)).demo is None
    assert "there is no demo: Another site has this name" in output.getvalue()
