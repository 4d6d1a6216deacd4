"""Write the table of values in the chart's README: `python -m docs.make_chart_readme`.

What a value is stands above it in values.yaml, as a comment. The rest of the README is written by hand.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parent.parent / "charts" / "tocsin"
BEGIN, END = "<!-- values: made by `make chart-readme` -->\n", "<!-- end of values -->\n"
_LINE: Final = re.compile(r"(?P<indent> *)(?:# (?P<comment>.*)|(?P<key>[A-Za-z]+):.*)?")


def described_values(text: str) -> dict[str, str]:
    """The comment above each key that has one, by the key's path, such as `api.service.port`."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match["key"] is None:
            comment = [*comment, match["comment"]] if match and match["comment"] else []
            continue
        path = [*path[: len(match["indent"]) // 2], match["key"]]
        if comment:
            found[".".join(path)] = " ".join(comment)
        comment = []
    return found


def leaves(values: dict[str, Any], described: dict[str, str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is described, and within those that only hold others, theirs."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and any(name.startswith(f"{path}.") for name in described):
            yield from leaves(value, described, f"{path}.")
        else:
            yield path, value


def table(text: str) -> str:
    """The values as a table in Markdown. Raises KeyError for a value without a comment."""
    described = described_values(text)
    rows = [
        f"| `{path}` | {described[path]} | `{json.dumps(value)}` |\n"
        for path, value in leaves(yaml.safe_load(text), described)
    ]
    return "".join(["| value | meaning | default |\n", "|---|---|---|\n", *rows]).replace("||", "\\|\\|")


def readme(old: str, values: str) -> str:
    """The README with the table of these values."""
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table(values)}{END}{tail}"


def main() -> None:
    """Write it."""
    path = CHART / "README.md"
    path.write_text(readme(path.read_text(), (CHART / "values.yaml").read_text()))


if __name__ == "__main__":
    main()
