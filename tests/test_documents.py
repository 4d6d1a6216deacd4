"""What the documents say exists."""

import re
import subprocess
from pathlib import Path

import pytest

from tocsin.domain.targets import OWN_KINDS

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_that_are_there(document: Path) -> None:
    missing = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert missing == []


def test_every_kind_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "kinds").glob("*.md")}
    assert set(OWN_KINDS) - {"kubernetes"} == pages
