"""The shape of the repository: what must be there, and what must never be."""

import operator
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org"}
# A home or a mounted folder of whoever wrote it, or a registry that strangers cannot reach.
OF_A_MACHINE = re.compile(
    r"(?:^|[^.a-zA-Z])/(?:work|root|farm|home/[a-z]+|Users/[A-Za-z]+)/|index[-]url|registry[.][a-z]+[.]internal"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git repository")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_folder_operator_does_not_hide_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert Path(operator.__file__).parent == Path(re.__file__).parent.parent


@pytest.mark.parametrize("name", ["tocsin", "graphql_api", "probes"])
def test_a_package_is_at_the_top(name: str) -> None:
    assert (ROOT / name / "__init__.py").exists()


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        ".pre-commit-config.yaml",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "aerich.ini",
        "docs/decisions",
        "graphql_api/schema.graphql",
        "uv.lock",
    ],
)
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_dependencies_are_locked_from_public_registries_alone() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locations = {
        location
        for package in lock["package"]
        for location in [
            package["source"].get("registry"),
            package.get("sdist", {}).get("url"),
            *(wheel["url"] for wheel in package.get("wheels", [])),
        ]
        if location
    }
    assert {urlsplit(location).hostname for location in locations} == PUBLIC_HOSTS
    assert [package["name"] for package in lock["package"] if "registry" not in package["source"]] == ["tocsin"]


def test_no_file_names_a_path_or_a_registry_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(read(path).splitlines(), 1)
        if OF_A_MACHINE.search(line)
    ]
    assert not found


def read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_every_rule_of_make_is_explained() -> None:
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"^  make ([a-z-]+)", helped, re.MULTILINE))
    assert {"setup", "up", "test", "check", "bench", "clean"} <= named
    assert named == set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
