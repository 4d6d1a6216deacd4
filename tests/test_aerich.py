"""aerich's own command line works on `aerich.ini`, and knows what is applied."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_aerich_finds_nothing_left_to_apply(database_url: str) -> None:
    heads = subprocess.run(
        [sys.executable, "-m", "aerich", "--config", "aerich.ini", "heads"],
        cwd=ROOT,
        env={**os.environ, "TOCSIN_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "No available heads" in heads.stdout
