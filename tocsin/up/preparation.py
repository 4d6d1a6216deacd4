"""What must be in the database before the platform's processes start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from tocsin.database import Connection, Role, orm
from tocsin.demo.lifecycle import Demo, create_demo, remove_demo, resume_demo
from tocsin.domain.errors import ConflictError
from tocsin.installation import keep_token
from tocsin.migrate import migrate
from tocsin.services import accounts
from tocsin.up.log import Log
from tocsin.up.welcome import OwnerToken

DEMO_FOLDER: Final = "demo"


@dataclass(frozen=True)
class Prepared:
    """What a start found or made; `demo` is None where there is none."""

    token: OwnerToken
    demo: Demo | None


async def prepare(
    database_url: str, data_dir: Path, log: Log, *, chosen_token: str | None = None, demo: bool | None = None
) -> Prepared:
    """Migrate, and at the first start make the organization, its owner's token, and a demo unless `demo` is False."""
    if applied := await migrate(database_url):
        log.say("migrated", applied=len(applied))
    connection = await asyncpg.connect(database_url)
    try:
        is_first_start = not await connection.fetchval("SELECT EXISTS (SELECT FROM organizations)")
        token = await _prepare_token(connection, data_dir, chosen_token)
        organization_id = await accounts.ensure_organization(connection, accounts.DEFAULT_ORGANIZATION)
    finally:
        await connection.close()
    async with orm(database_url, Role.API, connections=1):
        return Prepared(token, await _prepare_demo(data_dir / DEMO_FOLDER, organization_id, log, demo, is_first_start))


async def _prepare_token(connection: Connection, data_dir: Path, chosen: str | None) -> OwnerToken:
    token = chosen or keep_token(data_dir, accounts.new_token)
    await accounts.bootstrap(connection, token)
    valid = await accounts.is_valid(connection, token)
    return OwnerToken(token if valid else None, chosen=chosen is not None)


async def _prepare_demo(
    folder: Path, organization_id: int, log: Log, wanted: bool | None, is_first_start: bool
) -> Demo | None:
    """Go on with a demo that is there; make one when it is asked for, and at the first start unless it is refused."""
    if wanted is False:
        if await remove_demo(folder, organization_id):
            log.say("the demo is removed")
        return None
    demo = await resume_demo(folder, organization_id)
    if demo is not None or not (wanted or is_first_start):
        return demo
    try:
        return await create_demo(folder, organization_id)
    except (ConflictError, OSError) as exc:
        log.say(f"there is no demo: {exc}", "warning")
        return None
