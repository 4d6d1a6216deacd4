"""The table of capabilities is whole: each cell has its test, each kind its row."""

from pathlib import Path

from docs.capabilities import Proof, find_proofs, render, unknown, unproven
from docs.catalogue import CATALOGUE
from tocsin.domain.targets import KINDS

PROOFS = find_proofs()
SOURCE = """
import pytest

@pytest.mark.proves("tcp", "text")
@pytest.mark.parametrize("way", [pytest.param("hex", marks=pytest.mark.proves("tcp", "hex")), "other"])
async def test_something(way): ...

@pytest.mark.proves("tcp", "flying")
def test_nothing(): ...
"""


def test_a_test_proves_each_capability() -> None:
    assert unproven(PROOFS) == []


def test_each_proof_is_of_a_known_capability() -> None:
    assert unknown(PROOFS) == []


def test_each_built_in_kind_has_a_row() -> None:
    built_in = {kind for kind, model in KINDS.items() if model.__module__.startswith("tocsin.")}
    assert built_in == set(CATALOGUE)


def test_marks_are_found_on_tests_and_on_their_parameters(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_new.py").write_text(SOURCE)
    proofs = find_proofs(folder)
    assert proofs["tcp", "text"] == proofs["tcp", "hex"] == [Proof("tests/test_new.py", "test_something")]
    assert unknown(proofs) == [("tcp", "flying")]


def test_the_table_tells_what_is_proven_and_what_is_not() -> None:
    lines = "\n".join(render({("grpc", "metadata"): [Proof("tests/test_new.py", "test_something")]}))
    assert "  + metadata                       tests/test_new.py::test_something" in lines
    assert "  - named service                  no test proves it" in lines
