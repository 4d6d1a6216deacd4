"""The kinds of targets: one model each, listed here once."""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.kubernetes import KubernetesTarget
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.tcp import TcpTarget

KINDS: Final[Mapping[str, type[Target]]] = {model.kind: model for model in (HttpTarget, TcpTarget, KubernetesTarget)}


def parse_target(kind: str, fields: Mapping[str, Any]) -> Target:
    """Validate the fields of a target. Raises pydantic's ValidationError, and KeyError for an unknown kind."""
    return KINDS[kind].model_validate(fields)
