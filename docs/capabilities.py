"""Prints what each kind of check can say, with the tests that prove it: `make capabilities`.

A test proves a cell by `@pytest.mark.proves(kind, capability)`. The marks are read from the source, which takes a
fraction of a second; running the tests is what shows that they hold.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.catalogue import CATALOGUE

ROOT: Final = Path(__file__).parent.parent
MARK: Final = "proves"

Cell = tuple[str, str]
"""A kind, and what it can say."""


@dataclass(frozen=True)
class Proof:
    """A test that proves a cell; `file` is relative to the repository."""

    file: str
    test: str

    def __str__(self) -> str:
        return f"{self.file}::{self.test}"


def find_proofs(tests: Path = ROOT / "tests") -> Mapping[Cell, list[Proof]]:
    """Every cell that some test claims to prove."""
    found: dict[Cell, list[Proof]] = {}
    for file in sorted(tests.rglob("test_*.py")):
        source = file.read_text()
        if f"mark.{MARK}(" in source:
            for cell, test in _claims(ast.parse(source)):
                found.setdefault(cell, []).append(Proof(str(file.relative_to(tests.parent)), test))
    return found


def _claims(tree: ast.Module) -> Iterator[tuple[Cell, str]]:
    """Marks of a test, and of the parameters in its decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                for call in ast.walk(decorator):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == MARK:
                        yield _cell(call), node.name


def _cell(call: ast.Call) -> Cell:
    kind, capability = (ast.literal_eval(argument) for argument in call.args)
    return str(kind), str(capability)


def render(proofs: Mapping[Cell, list[Proof]]) -> Iterator[str]:
    """Line by line; what no test proves is marked, and so is what the catalogue does not know."""
    for kind, capabilities in CATALOGUE.items():
        proven = sum((kind, capability) in proofs for capability in capabilities)
        yield f"{kind}: {proven} of {len(capabilities)}"
        for capability in capabilities:
            tests = proofs.get((kind, capability), [])
            yield f"  {'+' if tests else '-'} {capability:30} {tests[0] if tests else 'no test proves it'}"
            yield from (f"    {'':30} {test}" for test in tests[1:])
    for kind, capability in unknown(proofs):
        yield f"not in docs/catalogue.py: {kind}, {capability}: {proofs[kind, capability][0]}"


def unproven(proofs: Mapping[Cell, list[Proof]]) -> list[Cell]:
    """Cells of the catalogue without a test."""
    cells = [(kind, capability) for kind, capabilities in CATALOGUE.items() for capability in capabilities]
    return [cell for cell in cells if cell not in proofs]


def unknown(proofs: Mapping[Cell, list[Proof]]) -> list[Cell]:
    """What tests prove and the catalogue does not name."""
    return [(kind, capability) for kind, capability in proofs if capability not in CATALOGUE.get(kind, ())]


def main() -> None:
    proofs = find_proofs()
    for line in render(proofs):
        sys.stdout.write(f"{line}\n")
    if missing := len(unproven(proofs)) + len(unknown(proofs)):
        sys.exit(f"{missing} cells and proofs do not match")


if __name__ == "__main__":
    main()
