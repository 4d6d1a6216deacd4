"""The Dockerfile as instructions, for tests on a machine without a Docker engine."""

import fnmatch
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction; `text` is what follows its name, with continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """As arguments, whether they are written as JSON or as a shell has them."""
        words: list[str] = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return words

    @property
    def pairs(self) -> dict[str, str]:
        """The settings of an ARG, an ENV or a LABEL."""
        return dict(word.partition("=")[::2] for word in self.words)


def read_dockerfile(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Instruction(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in joined]


def stages(instructions: list[Instruction]) -> list[list[Instruction]]:
    """The instructions of each stage, which begins with its FROM; what stands before the first is left out."""
    starts = [index for index, instruction in enumerate(instructions) if instruction.name == "FROM"]
    ends = [*starts[1:], len(instructions)]
    return [instructions[start:end] for start, end in zip(starts, ends, strict=True)]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in. Raises KeyError for one that is not set."""
    return _VARIABLE.sub(lambda match: variables[match[1]], text)


def context() -> Iterator[Path]:
    """The files that .dockerignore lets into a build, relative to the repository."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for path in ROOT.iterdir():
        if _is_kept(Path(path.name), rules):
            below = path.rglob("*") if path.is_dir() else [path]
            yield from (file.relative_to(ROOT) for file in below if file.is_file() and _is_kept(file, rules))


def _is_kept(path: Path, rules: list[str]) -> bool:
    """The last rule that matches decides."""
    relative = path.relative_to(ROOT) if path.is_absolute() else path
    kept = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = relative.parts if "**/" in rule else relative.parts[:1]
        if any(fnmatch.fnmatch(part, pattern) for part in parts):
            kept = rule.startswith("!")
    return kept
