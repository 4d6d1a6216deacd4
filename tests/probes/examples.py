"""The examples of HealthChecks as targets, so that what the documentation shows is what is probed."""

import re
from pathlib import Path
from typing import Any

import yaml

from tocsin.domain.targets import parse_target
from tocsin.domain.targets.model import Target

_FOLDER = Path(__file__).parent.parent.parent / "examples/healthchecks"


def example_target(name: str, kind: str, **replaced: Any) -> Target:
    """The target of an example, with some fields replaced, as a test's server is elsewhere, and those from Secrets."""
    spec = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text())["spec"]
    shared = {name: spec[name] for name in Target.model_fields if name in spec}
    fields = {**_in_snake_case({**spec[kind], **shared}), **replaced}
    return parse_target(kind, {name: value for name, value in fields.items() if not name.endswith("_from")})


def _in_snake_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name): _in_snake_case(each) for name, each in value.items()
        }
    return [_in_snake_case(each) for each in value] if isinstance(value, list) else value
