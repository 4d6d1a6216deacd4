"""The chart's own files agree with the project, and with one another."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from docs.make_chart_readme import described_values, leaves, readme, table
from tests.charts.dockerfile import ROOT
from tests.charts.rendering import CHART

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_chart_deploys_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version


def test_the_readme_is_of_these_values() -> None:
    text = (CHART / "README.md").read_text()
    assert readme(text, VALUES) == text, "charts/tocsin/README.md is stale: make chart-readme"


def test_every_value_is_described() -> None:
    values = [path for path, _ in leaves(yaml.safe_load(VALUES), described_values(VALUES))]
    assert set(values) <= set(described_values(VALUES))


def test_a_value_without_a_description_is_noticed() -> None:
    with pytest.raises(KeyError, match="colour"):
        table("# How many.\nreplicas: 1\ncolour: red\n")


def test_a_description_may_take_several_lines() -> None:
    assert "| `a.b` | One two. | `[1]` |" in table("a:\n  # One\n  # two.\n  b: [1]\n")


def test_every_value_is_known_to_the_schema() -> None:
    known = set(schema_paths(SCHEMA))
    described = set(described_values(VALUES)) - {"workers"}
    assert {path.replace("workers.default", "workers.*") for path in described} <= known


def test_the_schema_knows_no_value_that_there_is_none_of() -> None:
    keys = {key for path in described_values(VALUES) for key in path.split(".")}
    unknown = {key for path in schema_paths(SCHEMA) for key in path.split(".")} - keys
    # What is in lists and maps has no default.
    assert unknown == {"global", "*", "name", "group", "resource", "requests", "limits"}


def schema_paths(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Each value that the schema names, by its path; `*` stands for any key."""
    for key, value in properties(schema).items():
        yield f"{prefix}{key}"
        resolved = SCHEMA["definitions"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
        yield from schema_paths(resolved.get("items", resolved), f"{prefix}{key}.")


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = schema.get("properties", {})
    others = schema.get("additionalProperties")
    return {**own, "*": others} if isinstance(others, dict) and "properties" in others else own


def test_whatever_the_schema_does_not_name_is_refused() -> None:
    assert not [path for path, schema in objects(SCHEMA, "") if "additionalProperties" not in schema]


def objects(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema that names properties."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")
