"""The servers of one run: embedded ones, or others that the environment names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.embedded import EmbeddedServers, embedded_servers
from tocsin.embedded.errors import folder_refused
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
    with ExitStack() as stack:
        try:
            lock_fd = stack.enter_context(locked(make_data_dir(data_dir)))
        except OSError as exc:
            raise folder_refused(data_dir, exc) from exc
        yield Installation(servers, None, lock_fd)
