"""The file of a backup: a zip archive with a manifest, and with each table as PostgreSQL's COPY writes it.

It is there under its name when it is whole, and not before.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from tocsin.domain.errors import TocsinError

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1 << 20
# Of deflate: twice as fast as the default, and a tenth larger.
_LEVEL: Final = 3
# What zipfile, zlib and json raise for bytes that are not what was written.
_BROKEN: Final = (BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, NotImplementedError)


class BackupError(TocsinError):
    """A backup cannot be made or restored; the message says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a table in the order of its file, and the SHA-256 of that."""

    columns: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `tables` come in an order in which foreign keys find what they refer to.

    `days` are those that have a partition of results, in ISO format. `sequences` are the last values by name, and
    `key_ids` name the keys that its secrets are encrypted with.
    """

    version: str
    created_at: str
    migrations: tuple[str, ...]
    days: tuple[str, ...]
    sequences: Mapping[str, int]
    key_ids: tuple[str, ...]
    tables: Mapping[str, Table] = field(default_factory=dict)
    format: int = FORMAT


class ArchiveWriter:
    """Takes tables one after the other, and the manifest at the end."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self.tables: dict[str, Table] = {}

    @contextmanager
    def table(self, name: str, columns: tuple[str, ...]) -> Iterator["TableWriter"]:
        with self._archive.open(_member(name), "w", force_zip64=True) as file:
            writer = TableWriter(file)
            yield writer
        self.tables[name] = Table(columns, writer.sha256)

    def finish(self, manifest: Manifest) -> None:
        self._archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=1))


class TableWriter:
    """Writes what COPY gives, and sums it up."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def write(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._file.write(chunk)


@contextmanager
def written_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write a file that is for its owner alone; after an error nothing is left. Raises BackupError and OSError."""
    if path.exists():
        raise BackupError(f"{path} exists already: name another file")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w+b") as file:
            with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
                yield ArchiveWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


class ArchiveReader:
    """A backup that was found to be whole."""

    def __init__(self, archive: ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def verify(self) -> None:
        """Raises one of `_BROKEN` unless every table is as it was written."""
        for name, table in self.manifest.tables.items():
            found = sha256()
            for chunk in self.chunks(name):
                found.update(chunk)
            if found.hexdigest() != table.sha256:
                raise BadZipFile(name)

    def chunks(self, name: str) -> Iterator[bytes]:
        with self._archive.open(_member(name)) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


@contextmanager
def read_archive(path: Path) -> Iterator[ArchiveReader]:
    """Open a backup and look at all of it first. Raises BackupError."""
    if not path.is_file():
        raise BackupError(f"{path} is not a file: name one that `tocsin backup` wrote")
    with path.open("rb") as file:
        yield _verified(path, file)


def _verified(path: Path, file: IO[bytes]) -> ArchiveReader:
    try:
        archive = ZipFile(file)
        stored: dict[str, Any] = json.loads(archive.read(_MANIFEST))
        _refuse_newer_format(path, stored)
        reader = ArchiveReader(archive, _manifest(stored))
        reader.verify()
    except _BROKEN as exc:
        raise BackupError(
            f"{path} is no backup, or not a whole one: name a file that `tocsin backup` wrote, or copy it again"
        ) from exc
    return reader


def _refuse_newer_format(path: Path, stored: Mapping[str, Any]) -> None:
    if stored["format"] > FORMAT:
        raise BackupError(newer(path, str(stored["version"])))


def newer(path: Path, version: str) -> str:
    return f"{path} was written by a newer Tocsin, {version}: restore it with that version"


def _manifest(stored: Mapping[str, Any]) -> Manifest:
    tables = {name: Table(tuple(table["columns"]), table["sha256"]) for name, table in stored["tables"].items()}
    lists = {name: tuple(stored[name]) for name in ("migrations", "days", "key_ids")}
    return Manifest(**{**stored, **lists, "tables": tables})


def _member(table: str) -> str:
    return f"tables/{table}.copy"
