"""Kinds that installed packages bring, and those that cannot be used."""

from importlib.metadata import EntryPoint

import pytest

from tocsin.domain.targets.installed import BrokenKindError, _loaded, _target
from tocsin.domain.targets.tcp import TcpTarget


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "tocsin.targets")


def test_a_model_is_found_by_its_entry_point() -> None:
    assert _target(point("tcp", "tocsin.domain.targets.tcp:TcpTarget"), {}) is TcpTarget


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ftp", "not_there:Model", "it cannot be imported: ModuleNotFoundError"),
        ("ftp", "tocsin.domain.targets.tcp:Nothing", "it cannot be imported: AttributeError"),
        ("ftp", "tocsin.domain.targets.addresses:IpFamily", "does not inherit from"),
        ("ftp", "tocsin.domain.targets.tcp:TcpTarget", "its model calls itself tcp"),
    ],
)
def test_a_model_that_cannot_be_used_is_named_with_the_reason(name: str, value: str, problem: str) -> None:
    with pytest.raises(BrokenKindError, match=rf"the kind {name} of .* cannot be used: .*{problem}"):
        _target(point(name, value), {})


def test_a_kind_of_tocsins_own_cannot_be_replaced() -> None:
    with pytest.raises(BrokenKindError, match="a kind of this name itself"):
        _loaded(point("tcp", "tocsin.domain.targets.tcp:TcpTarget"), {"tcp": TcpTarget})
