"""`tocsin secrets`: the values of secrets that are stored encrypted."""

import os
from typing import TYPE_CHECKING

import typer

from tocsin.data_folder import DEFAULT_DATA_DIR, DataDir, with_database
from tocsin.installation import with_kept_keys
from tocsin.problems import exit_plainly
from tocsin.settings import read_encryption

if TYPE_CHECKING:
    from tocsin.services.secret_rotation import Rotation

app = typer.Typer(help="Keep the values of secrets encrypted.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def rotate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Encrypt them all anew with the first of TOCSIN_ENCRYPTION_KEYS, while everything runs."""
    from tocsin.encryption import KeyRing  # noqa: PLC0415 - other commands start faster without it
    from tocsin.services.secret_rotation import rotate_secrets  # noqa: PLC0415

    with exit_plainly():
        keys = KeyRing(read_encryption(with_kept_keys(os.environ, data_dir)).keys)
    rotation = with_database(data_dir, lambda connection: rotate_secrets(connection, keys))
    typer.echo(f"encrypted anew with the key {keys.first_id}: {rotation.sealed_anew}")
    _tell_what_is_left(rotation)


def _tell_what_is_left(rotation: "Rotation") -> None:
    for (owner, reference), why in rotation.left.items():
        typer.echo(f"tocsin: the secret {reference} of {owner} is left as it was: {why}", err=True)
    if rotation.left:
        raise typer.Exit(1)
