"""Every example, as kubectl applies it: the good ones are taken, the others refused as their first line says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthcheck_operator.crd import custom_resource_definition
from tests.kubernetes.programs import Client, CommandError

EXAMPLES = Path(__file__).parent.parent.parent / "examples/healthchecks"
GOOD = sorted(EXAMPLES.glob("*.yaml"))
REFUSED = sorted((EXAMPLES / "refused").glob("*.yaml"))

pytestmark = pytest.mark.usefixtures("definition")


def stated(example: Path) -> str:
    """What the API server says of it."""
    return example.read_text().splitlines()[0].removeprefix("# refused: ")


def apply(kubectl: Client, example: Path, *options: str) -> str:
    return kubectl("apply", "--dry-run=server", "--warnings-as-errors", *options, "-f", example)


@pytest.mark.parametrize("example", GOOD, ids=lambda path: path.stem)
def test_an_example_is_applied_without_a_warning(kubectl: Client, example: Path) -> None:
    assert "created" in apply(kubectl, example)
    assert "serverside-applied" in apply(kubectl, example, "--server-side")


@pytest.mark.parametrize("example", GOOD, ids=lambda path: path.stem)
def test_an_example_says_what_it_is(example: Path) -> None:
    assert example.read_text().startswith("# ")


def refusal(kubectl: Client, example: Path) -> str:
    """What the API server says against it; nothing when it is taken."""
    try:
        apply(kubectl, example)
    except CommandError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def refusals(kubectl: Client, definition: None) -> dict[Path, str]:
    """What the API server says of each wrong example."""
    return {example: refusal(kubectl, example) for example in REFUSED}


@pytest.mark.parametrize("example", REFUSED, ids=lambda path: path.stem)
def test_a_wrong_example_is_refused_as_it_says(refusals: dict[Path, str], example: Path) -> None:
    assert stated(example) in refusals[example]


def test_what_is_refused_is_not_repeated_where_it_may_be_a_secret(refusals: dict[Path, str]) -> None:
    assert not any("user:secret" in said or "X-Injected" in said for said in refusals.values())


def messages(schema: Any) -> Iterator[str]:
    """The message of every rule in a schema."""
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        yield from (message for each in schema.values() for message in messages(each))


def test_every_rule_has_an_example_that_breaks_it(refusals: dict[Path, str]) -> None:
    said = "".join(refusals.values())
    [version] = custom_resource_definition()["spec"]["versions"]
    assert [message for message in messages(version["schema"]["openAPIV3Schema"]) if message not in said] == []
