"""The command `tocsin`."""

import asyncio
import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tocsin import secrets_command, tokens
from tocsin.data_folder import DEFAULT_DATA_DIR, DataDir, with_database
from tocsin.installation import find_servers, kept_token, with_kept_keys
from tocsin.problems import exit_plainly
from tocsin.settings import read_bootstrap_token, read_encryption

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(tokens.app, name="token")
app.add_typer(secrets_command.app, name="secrets")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("tocsin"))
        raise typer.Exit


@app.callback()
def tocsin(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Health checks: every slot accounted for, every alert exactly once."""


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on; TOCSIN_HOST, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; TOCSIN_PORT, or 8000.")] = None,
    data_dir: Annotated[
        Path,
        typer.Option(envvar="TOCSIN_DATA_DIR", readable=False, help="Where the data of this installation is kept."),
    ] = DEFAULT_DATA_DIR,
    demo: Annotated[
        bool | None,
        typer.Option(help="Make, or remove, the demo site. Without the option it is made at the first start."),
    ] = None,
    stop_with_parent: Annotated[
        bool, typer.Option("--stop-with-parent", help="Stop when the process that started this one ends.")
    ] = False,
) -> None:
    """Run everything in the foreground: servers, API, scheduler and workers."""
    from tocsin.up import program  # noqa: PLC0415 - other commands start faster without it

    with exit_plainly():
        program.up(program.Options(data_dir, host, port, demo, stop_with_parent), os.environ)


@app.command()
def api() -> None:
    """Run the API."""
    become("graphql_api.main")


@app.command()
def scheduler() -> None:
    """Run a scheduler."""
    become("probes.scheduler")


@app.command()
def worker() -> None:
    """Run a worker."""
    become("probes.worker")


@app.command()
def receiver() -> None:
    """Run a receiver, where heartbeats report in."""
    become("receiver.main")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    become("graphql_api.schema")


@app.command()
def operator() -> None:
    """Run the operator, which keeps HealthChecks of a Kubernetes cluster and the database in step."""
    become("healthcheck_operator.main")


@app.command("forget-cluster")
def forget_cluster(
    name: Annotated[str, typer.Argument(help="What TOCSIN_CLUSTER of its operator was.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let another Kubernetes cluster take a name, and the checks that were made under it."""
    from tocsin.services.cluster_claims import forget_cluster  # noqa: PLC0415 - other commands start faster

    with_database(data_dir, lambda connection: forget_cluster(connection, name))
    typer.echo(f"the name {name} is free")


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of HealthCheck objects, as YAML."""
    become("healthcheck_operator.crd")


@app.command()
def kinds(kind: Annotated[str | None, typer.Argument(help="One of them, with all its fields.")] = None) -> None:
    """Tell which kinds of checks there are, and what each can be told."""
    from tocsin import kinds_command  # noqa: PLC0415 - other commands start faster without it

    typer.echo(kinds_command.describe_kinds() if kind is None else kinds_command.describe_kind(kind))


@app.command()
def migrate(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    wait_seconds: Annotated[int, typer.Option(min=0, help="How long a database that is away is waited for.")] = 0,
) -> None:
    """Bring the database to this version's schema; TOCSIN_BOOTSTRAP_TOKEN becomes its first token if it has none."""
    from tocsin.initialization import initialize  # noqa: PLC0415 - other commands start faster without it

    with exit_plainly():
        token = read_bootstrap_token(os.environ)
        url = find_servers(data_dir, os.environ).database_url
        applied = asyncio.run(initialize(url, bootstrap_token=token, wait_seconds=wait_seconds))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


@app.command()
def backup(
    file: Annotated[
        Path | None, typer.Argument(help="The file to write; it must not exist yet. Without it, one named by the time.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write everything into a file, while all goes on or nothing runs."""
    from tocsin.backup import back_up, default_file  # noqa: PLC0415 - other commands start faster without it

    with exit_plainly():
        path = file or default_file()
        manifest = back_up(path, data_dir, os.environ)
    typer.echo(f"wrote {path}")
    if manifest.key_ids:
        typer.echo(f"its secrets need the keys {', '.join(manifest.key_ids)}, which are not in it: keep them elsewhere")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `tocsin backup` wrote.")],
    data_dir: Annotated[
        Path,
        typer.Option(
            envvar="TOCSIN_DATA_DIR", readable=False, help="Folder to restore into; not used with own servers."
        ),
    ] = DEFAULT_DATA_DIR,
    replace: Annotated[bool, typer.Option("--replace", help="Lose what the installation holds.")] = False,
) -> None:
    """Fill an installation that holds nothing yet and is not running."""
    from tocsin.backup import restore  # noqa: PLC0415 - other commands start faster without it

    with exit_plainly():
        manifest = restore(file, data_dir, os.environ, replace=replace)
        missing = set(manifest.key_ids) - set(read_encryption(with_kept_keys(os.environ, data_dir)).keys)
    typer.echo(f"restored what was there at {manifest.created_at}")
    if missing:
        typer.echo(
            f"its secrets need the keys {', '.join(sorted(missing))}: set TOCSIN_ENCRYPTION_KEYS to them as well"
        )


@app.command()
def doctor(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Check this installation, and say what is wrong with it and what helps."""
    from tocsin.doctor import examine  # noqa: PLC0415 - other commands start faster without it

    async def examine_all() -> bool:
        healthy = True
        async for line in examine(data_dir, os.environ):
            typer.echo(line)
            healthy = healthy and line.is_healthy
        return healthy

    with exit_plainly():
        raise typer.Exit(0 if asyncio.run(examine_all()) else 1)


@app.command()
def watch(
    url: Annotated[
        str, typer.Option(envvar="TOCSIN_URL", help="Address of the API, on this machine or another.")
    ] = "http://127.0.0.1:8000/graphql",
    token: Annotated[
        str | None, typer.Option(envvar="TOCSIN_TOKEN", help="Without it, the owner's one of the data folder.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print a line for each event instead of a live view.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Watch sites, checks and incidents live, in this terminal."""
    from tocsin.watch.app import watch  # noqa: PLC0415 - other commands start faster without it

    with exit_plainly():
        watch(url, token, lambda: kept_token(data_dir), plain=plain)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("tocsin"))


def become(module: str) -> NoReturn:
    """Run a module in place of this process. -P: a folder that the user stands in must not hide a module."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606 - our own module


def main() -> None:
    """Run the command line."""
    with exit_plainly():
        app()


if __name__ == "__main__":
    main()
