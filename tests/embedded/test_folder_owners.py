"""A data folder that somebody else has, and what helps."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.embedded import EmbeddedServerError, running_servers
from tocsin.embedded.lock import locked, require_idle, write_api_url

NOBODY = 65534


@pytest.fixture
def roots_folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a running Tocsin of root, which this process, now somebody else, cannot enter."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    with locked(folder):
        os.seteuid(NOBODY)
        yield folder
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("use", [running_servers, require_idle])
def test_another_users_folder_is_refused_with_the_user_to_be(roots_folder: Path, use: object) -> None:
    assert callable(use)
    with pytest.raises(EmbeddedServerError) as refused:
        use(roots_folder)
    assert str(refused.value) == (
        f"the data folder {roots_folder} belongs to root: run as root, or choose another one with --data-dir"
    )


def test_a_folder_that_a_program_serves_is_refused_with_its_address(tmp_path: Path) -> None:
    with locked(tmp_path):
        write_api_url(tmp_path, "http://127.0.0.1:8000")
        with pytest.raises(EmbeddedServerError) as refused:
            require_idle(tmp_path)
    assert str(refused.value) == (
        f"Tocsin runs already on the data folder {tmp_path}, as process {os.getpid()}, at http://127.0.0.1:8000: "
        "use that one, stop it first, or choose another folder with --data-dir"
    )


def test_a_folder_that_nobody_uses_is_free(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    require_idle(tmp_path)
    require_idle(tmp_path / "new")
