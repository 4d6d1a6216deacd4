"""The servers of one run: embedded ones, or others that the environment names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.embedded import EmbeddedServerError, EmbeddedServers, embedded_servers
from tocsin.embedded.folders import make_data_dir
from tocsin.embedded.lock import locked
from tocsin.settings import Servers


@dataclass(frozen=True)
class Installation:
    """What a run works on. While `lock_fd` is held, the data folder is in use; `embedded` is None for own servers."""

    servers: Servers
    embedded: EmbeddedServers | None
    lock_fd: int


@contextmanager
def opened_installation(data_dir: Path, servers: Servers | None) -> Iterator[Installation]:
    """Lock the data folder, and run embedded servers on it unless there are others. Raises EmbeddedServerError."""
    if servers is None:
        with embedded_servers(data_dir) as embedded:
            urls = Servers(embedded.database_url, embedded.redis_url)
            yield Installation(urls, embedded, embedded.postgres.folders.lock_fd)
        return
    try:
        make_data_dir(data_dir)
    except OSError as exc:
        raise EmbeddedServerError(f"cannot use the data folder {data_dir} ({exc}): choose another folder") from exc
    with locked(data_dir) as lock_fd:
        yield Installation(servers, None, lock_fd)
