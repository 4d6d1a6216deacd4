"""Follow the Dockerfile's steps in folders instead of an engine: `python -m tests.charts.image_root BASE FOLDER`.

BASE is the root of a Debian with Python, as debootstrap makes one; it stands in for python:3.13-slim. It takes root
rights, for chroot. What an engine adds stays unproved: layers, the base image itself, and its seccomp profile.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.charts.dockerfile import ROOT, Instruction, context, expanded, read_dockerfile, stages

# How this machine reaches its registries is its own affair, of which the Dockerfile knows nothing.
PASSED_ON = re.compile(r"PIP_|UV_(DEFAULT_INDEX|INDEX)|SSL_CERT_")


def build(base: Path, folder: Path, **arguments: str) -> Path:
    """Run all stages; returns the root of the last one."""
    built: dict[str, Path] = {}
    for stage in stages(read_dockerfile((ROOT / "Dockerfile").read_text())):
        name = stage[0].text.partition(" AS ")[2] or "final"
        built[name] = folder / name
        subprocess.run(["cp", "--archive", "--reflink=auto", base, built[name]], check=True)
        Stage(built[name], built, arguments).follow(stage[1:])
    return built["final"]


class Stage:
    """One stage: its root, where it stands, and what its commands find in their environment."""

    def __init__(self, root: Path, others: Mapping[str, Path], arguments: Mapping[str, str]) -> None:
        self.root = root
        self.others = others
        self.arguments = arguments
        self.folder = "/"
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

    def follow(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if step := getattr(self, f"_{instruction.name.lower()}", None):
                step(instruction)

    def _arg(self, instruction: Instruction) -> None:
        self.environment |= {name: self.arguments.get(name, value) for name, value in instruction.pairs.items()}

    def _env(self, instruction: Instruction) -> None:
        self.environment |= {name: expanded(value, self.environment) for name, value in instruction.pairs.items()}

    def _workdir(self, instruction: Instruction) -> None:
        self.folder = instruction.text
        self._inside(self.folder).mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = [word for word in instruction.words if not word.startswith("--")]
        stage = instruction.words[0].partition("--from=")[2]
        for source in sources:
            origin = self.others[stage] / source.lstrip("/") if stage else self._filtered(source)
            end = self._inside(target) / origin.name if target.endswith("/") else self._inside(target)
            subprocess.run(["cp", "--archive", "--no-target-directory", origin, end], check=True)

    def _filtered(self, source: str) -> Path:
        """What the engine would be sent of it."""
        sent = self.root.parent / "context"
        for file in context():
            if file.parts[0] == source and not (sent / file).exists():
                (sent / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, sent / file)
        return sent / source

    def _run(self, instruction: Instruction) -> None:
        own = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
        subprocess.run(
            ["/usr/sbin/chroot", self.root, "sh", "-c", f"cd {self.folder} && {instruction.text}"],
            env={**own, **self.environment},
            check=True,
        )

    def _inside(self, path: str) -> Path:
        return self.root / os.path.normpath(os.path.join("/", self.folder, path)).lstrip("/")  # noqa: PTH118 - "./"


def listed(folder: Path) -> str:
    """Each file with its rights and what it holds, to compare two builds."""
    command = "find . -type f -printf '%m ' -exec sha256sum {} + , -type l -printf '%p -> %l\\n' | sort"
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]), Path(sys.argv[2]))}\n")
