"""Processes count together, in memory where there is such a folder, and nothing of it is left."""

import os
from pathlib import Path

import pytest

from tocsin.up.shared_metrics import IN_MEMORY, shared_metrics


def test_the_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with shared_metrics(tmp_path) as folder:
        assert (tmp_path / "metrics").resolve() == folder
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    assert not (tmp_path / "metrics").is_symlink()


@pytest.mark.skipif(not os.access(IN_MEMORY, os.W_OK), reason="no folder in memory")
def test_the_folder_is_in_memory_so_that_a_full_disk_ends_nobody(tmp_path: Path) -> None:
    with shared_metrics(tmp_path) as folder:
        assert folder.parent == IN_MEMORY


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    abandoned = shared_metrics(tmp_path)
    left = abandoned.__enter__()
    with shared_metrics(tmp_path) as folder:
        assert folder != left
        assert not left.exists()


def test_a_link_to_somewhere_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "metrics").symlink_to(tmp_path / "precious")
    with shared_metrics(tmp_path):
        assert (tmp_path / "precious").exists()
