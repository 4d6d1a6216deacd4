"""Data of root's installations that is elsewhere, and whose data folder is gone: named, but never removed by itself."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tocsin.embedded.folders import HOME_PREFIX, LINK_NAME, OWNER_NAME, STORES


@dataclass(frozen=True)
class AbandonedData:
    """What is left, and of which data folder."""

    home: Path
    data_dir: Path

    @property
    def size_bytes(self) -> int:
        return sum(file.lstat().st_size for file in self.home.rglob("*") if not file.is_dir())


def abandoned_data() -> Iterator[AbandonedData]:
    """Every home to which its data folder leads no more, among those that this user can read."""
    for store in STORES:
        for home in sorted(store.glob(f"{HOME_PREFIX}*")):
            with suppress(OSError):
                data_dir = Path((home / OWNER_NAME).read_text().removesuffix("\n"))
                if not _leads_to(home, data_dir):
                    yield AbandonedData(home, data_dir)


def _leads_to(home: Path, data_dir: Path) -> bool:
    """Raises PermissionError where this user cannot know."""
    try:
        return (data_dir / LINK_NAME).resolve(strict=True) == home.resolve()
    except (FileNotFoundError, NotADirectoryError):
        return False
