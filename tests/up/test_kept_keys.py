"""The key of secrets that `tocsin up` brings along."""

from pathlib import Path

from tocsin.installation import KEYS_FILE, keep_keys, with_kept_keys
from tocsin.settings import read_encryption


def test_a_data_folder_has_one_key_for_its_owner_alone(tmp_path: Path) -> None:
    assert keep_keys(tmp_path) == keep_keys(tmp_path)
    assert (tmp_path / KEYS_FILE).stat().st_mode & 0o077 == 0


def test_commands_find_the_key_that_the_platform_runs_with(tmp_path: Path) -> None:
    kept = keep_keys(tmp_path)
    (key_id,) = read_encryption(with_kept_keys({}, tmp_path)).keys
    assert kept.startswith(f"{key_id}:")


def test_keys_that_are_set_stand_before_the_one_that_is_kept(tmp_path: Path) -> None:
    keep_keys(tmp_path)
    assert with_kept_keys({"TOCSIN_ENCRYPTION_KEYS": "k1:x"}, tmp_path) == {"TOCSIN_ENCRYPTION_KEYS": "k1:x"}


def test_two_folders_have_keys_of_different_ids(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = (keep_keys(tmp_path / name).partition(":")[0] for name in ("one", "other"))
    assert one != other
