"""`tocsin token`: the tokens that open an organization."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.data_folder import DEFAULT_DATA_DIR, DataDir, with_database
from tocsin.domain.texts import validate_name

if TYPE_CHECKING:
    from tocsin.database import Connection
    from tocsin.services.accounts import Token

app = typer.Typer(help="Create, list and revoke API tokens.", no_args_is_help=True, rich_markup_mode=None)

_HEADINGS: Final = ("ID", "NAME", "TOKEN", "RIGHTS", "CREATED", "EXPIRES", "STATE")


def _named(name: str) -> str:
    try:
        return validate_name(name)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from None


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the token is for.", callback=_named)],
    organization: Annotated[
        str, typer.Option(help="Whose it is; an organization that is not there yet is made.", callback=_named)
    ] = "default",
    read_only: Annotated[bool, typer.Option("--read-only", help="Let it read, and change nothing.")] = False,
    expires_in_days: Annotated[int | None, typer.Option(min=1, max=3650, help="For how long it is valid.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a token, and print it this once."""
    lifetime = None if expires_in_days is None else timedelta(days=expires_in_days)
    token = with_database(data_dir, lambda connection: _create(connection, organization, name, read_only, lifetime))
    typer.echo("It is stored hashed, so this is the only time that it is shown:", err=True)
    typer.echo(token)


@app.command("list")
def list_tokens(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List all tokens, also those that are revoked or expired."""
    rows = [_HEADINGS, *map(_row, with_database(data_dir, _list))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def revoke(
    token_id: Annotated[int, typer.Argument(help="The ID that `tocsin token list` shows.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """End a token: within five seconds it opens nothing any more."""
    with_database(data_dir, lambda connection: _revoke(connection, token_id))
    typer.echo(f"token {token_id} is revoked")


async def _create(
    connection: "Connection", organization: str, name: str, read_only: bool, lifetime: timedelta | None
) -> str:
    from tocsin.models import TokenPermission  # noqa: PLC0415 - other commands start faster without it
    from tocsin.services import accounts  # noqa: PLC0415

    organization_id = await accounts.ensure_organization(connection, organization)
    permission = TokenPermission.READ_ONLY if read_only else TokenPermission.FULL
    expires_at = None if lifetime is None else datetime.now(UTC) + lifetime
    return await accounts.create_token(connection, organization_id, name, permission, expires_at)


async def _list(connection: "Connection") -> "list[Token]":
    from tocsin.services import accounts  # noqa: PLC0415 - other commands start faster without it

    return await accounts.list_tokens(connection)


async def _revoke(connection: "Connection", token_id: int) -> None:
    from tocsin.services import accounts  # noqa: PLC0415 - other commands start faster without it

    await accounts.revoke_token(connection, token_id)


def _row(token: "Token") -> tuple[str, ...]:
    rights = token.permission.value.lower().replace("_", "-")
    expires = f"{token.expires_at:%Y-%m-%d %H:%M}" if token.expires_at else "never"
    created = f"{token.created_at:%Y-%m-%d %H:%M}"
    return (str(token.id), token.name, f"{token.prefix}...", rights, created, expires, _state(token))


def _state(token: "Token") -> str:
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at <= datetime.now(UTC):
        return "expired"
    return "valid"
