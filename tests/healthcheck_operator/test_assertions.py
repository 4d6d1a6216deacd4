"""Assertions and conditions in HealthChecks, as the documentation and the examples show them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from healthcheck_operator.specs import read_spec
from tocsin.domain.targets import parse_target
from tocsin.domain.targets.model import Target

ROOT = Path(__file__).parent.parent.parent


def target_of(spec: dict[str, Any]) -> Target:
    wish = read_spec(spec, "shop", "front")
    return parse_target(wish.kind, wish.target)


def test_the_documented_assertions_are_read() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/assertions.md").read_text(), re.DOTALL)
    target = target_of(yaml.safe_load(block))
    assert (len(target.assertions), len(target.conditions)) == (3, 1)


def test_the_example_is_read() -> None:
    target = target_of(yaml.safe_load((ROOT / "examples/healthchecks/assertions.yaml").read_text())["spec"])
    assert (len(target.assertions), len(target.conditions)) == (5, 2)


@pytest.mark.parametrize("name", ["assertion-number", "assertion-phase", "assertion-figure", "condition-with-nul"])
def test_what_the_api_server_refuses_is_refused_by_the_operator_too(name: str) -> None:
    spec = yaml.safe_load((ROOT / f"examples/healthchecks/refused/{name}.yaml").read_text())["spec"]
    with pytest.raises(ValueError, match=r"(assertions|conditions)\.0\."):
        target_of(spec)
