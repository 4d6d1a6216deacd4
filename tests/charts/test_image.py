"""The image's recipe: what goes in, and what comes out. test_image_root.py follows its steps."""

import tomllib

import pytest

from tests.charts.dockerfile import ROOT, context, read_dockerfile, stages

DOCKERFILE = read_dockerfile((ROOT / "Dockerfile").read_text())
BUILD, FINAL = stages(DOCKERFILE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = {file.as_posix() for file in context()}


def copied() -> list[str]:
    copies = [instruction.words[:-1] for instruction in BUILD if instruction.name == "COPY"]
    return [source for sources in copies for source in sources]


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_is_there_and_not_ignored(source: str) -> None:
    assert any(file == source or file.startswith(f"{source}/") for file in FILES)


def test_nothing_else_is_sent_to_the_engine() -> None:
    assert {file.partition("/")[0] for file in FILES} == set(copied())


def test_every_package_of_the_wheel_is_copied() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {name.partition("/")[0] for name in [*wheel["packages"], *wheel["force-include"]]} <= set(copied())


@pytest.mark.parametrize("kept_out", ["__pycache__", ".git/", ".env", ".venv/", "tests/", ".tocsin/"])
def test_what_belongs_to_this_machine_is_kept_out(kept_out: str) -> None:
    assert not [file for file in FILES if kept_out in file]


def one(name: str) -> str:
    (instruction,) = [instruction for instruction in FINAL if instruction.name == name]
    return instruction.text


def test_no_role_is_roots() -> None:
    user, group = one("USER").split(":")
    assert min(int(user), int(group)) > 0


def test_one_image_is_for_all_roles() -> None:
    assert one("ENTRYPOINT") == '["tocsin"]'


def test_the_image_says_what_it_is() -> None:
    labels = next(instruction for instruction in FINAL if instruction.name == "LABEL").pairs
    assert {name.removeprefix("org.opencontainers.image.") for name in labels} == {
        "title",
        "description",
        "licenses",
        "version",
        "revision",
    }
    assert labels["org.opencontainers.image.licenses"] == PROJECT["project"]["license"]


def test_the_version_is_that_of_the_project() -> None:
    versions = [i.pairs["VERSION"] for i in FINAL if i.name == "ARG" and "VERSION" in i.pairs]
    assert versions == [PROJECT["project"]["version"]]


def test_nothing_is_installed_that_is_not_locked() -> None:
    installing = [i.text for i in BUILD if i.name == "RUN" and " uv sync" in i.text.replace("/opt/uv/bin/", " ")]
    assert installing
    assert all("--frozen" in step and "--no-dev" in step for step in installing)


def test_orchestrators_probe_by_themselves() -> None:
    assert "HEALTHCHECK" not in {instruction.name for instruction in DOCKERFILE}
