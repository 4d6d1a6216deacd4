"""Root's data where the servers' account cannot enter the data folder: it is elsewhere, and never lost from sight."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.embedded import EmbeddedServerError, embedded_servers
from tocsin.embedded.abandoned import abandoned_data

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's data goes elsewhere")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A data folder behind one that nobody else can enter, with its servers stopped."""
    tmp_path.chmod(0o700)
    with embedded_servers(tmp_path / "data") as servers:
        home = servers.home
    yield tmp_path / "data"
    shutil.rmtree(home, ignore_errors=True)


def test_data_that_is_gone_is_not_silently_begun_anew(closed: Path) -> None:
    shutil.rmtree((closed / "servers").resolve())
    with pytest.raises(EmbeddedServerError, match="which is gone"), embedded_servers(closed):
        pass


def test_a_copy_of_the_folder_leaves_the_running_original_alone(closed: Path) -> None:
    copy = shutil.copytree(closed, closed.parent / "copy", symlinks=True)
    with embedded_servers(closed) as original:
        with pytest.raises(EmbeddedServerError, match="is in use by process"), embedded_servers(copy):
            pass
        assert original.postgres.answers()
        assert original.valkey.answers()


def test_data_whose_folder_this_user_cannot_look_into_is_not_called_abandoned(closed: Path) -> None:
    os.seteuid(65534)
    try:
        assert not [data for data in abandoned_data() if data.data_dir == closed]
    finally:
        os.seteuid(0)


def test_data_is_abandoned_when_its_folder_is_gone(closed: Path) -> None:
    def homes() -> set[Path]:
        return {data.home for data in abandoned_data() if data.data_dir == closed}

    home = (closed / "servers").resolve()
    assert homes() == set()
    shutil.rmtree(closed)
    assert homes() == {home}
