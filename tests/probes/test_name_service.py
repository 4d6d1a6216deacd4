"""What is read from /etc/resolv.conf and /etc/hosts."""

import os
from pathlib import Path

import pytest

import probes.wire.name_service
from probes.wire.name_service import NameService, WatchedFile, parse_hosts, parse_resolv_conf


def test_name_servers_search_list_and_options_are_read() -> None:
    text = """
        ; a comment
        nameserver 10.96.0.10
        nameserver fd00::a
        search shop.svc.cluster.local svc.cluster.local. Cluster.Local
        options timeout:2 ndots:5 rotate
    """
    assert parse_resolv_conf(text) == NameService(
        (("10.96.0.10", 53), ("fd00::a", 53)), ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"), 5
    )


@pytest.mark.parametrize("text", ["", "garbage", "nameserver", "options ndots:x", "search ."])
def test_without_name_servers_the_machine_itself_is_asked(text: str) -> None:
    assert parse_resolv_conf(text) == NameService((("127.0.0.1", 53),))


def test_only_three_name_servers_are_asked() -> None:
    text = "\n".join(f"nameserver 10.0.0.{last}" for last in range(9))
    assert len(parse_resolv_conf(text).nameservers) == 3


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("db", ("db.a", "db.b", "db")),
        ("db.shop", ("db.shop.a", "db.shop.b", "db.shop")),
        ("db.shop.x", ("db.shop.x", "db.shop.x.a", "db.shop.x.b")),
        ("db.", ("db",)),
    ],
)
def test_the_search_list_comes_before_or_after_a_name_by_its_dots(name: str, candidates: tuple[str, ...]) -> None:
    assert NameService((), search=("a", "b"), ndots=2).candidates(name) == candidates


def test_a_file_is_read_again_after_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.wire.name_service, "_LOOK_AGAIN_SECONDS", 0)
    path = tmp_path / "hosts"
    file = WatchedFile(path, parse_hosts)
    assert file.current() == {}
    path.write_text("10.0.0.1 a")
    assert file.current() == {"a": ("10.0.0.1",)}
    path.write_text("10.0.0.2 a")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert file.current() == {"a": ("10.0.0.2",)}


def test_a_file_that_vanishes_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.wire.name_service, "_LOOK_AGAIN_SECONDS", 0)
    path = tmp_path / "hosts"
    path.write_text("10.0.0.1 a")
    file = WatchedFile(path, parse_hosts)
    file.current()
    path.unlink()
    assert file.current() == {"a": ("10.0.0.1",)}
