"""The CustomResourceDefinition of HealthCheck, made from the target models: `python -m healthcheck_operator.crd`."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import yaml

from healthcheck_operator.resources import GROUP, KIND, PLURAL, VERSION
from healthcheck_operator.rules import validation
from healthcheck_operator.schema_parts import Schema, object_schema, with_rules
from healthcheck_operator.spec_schema import spec_schema
from healthcheck_operator.status_schema import status_schema
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.model import Target
from tocsin.domain.texts import MAXIMUM_NAME_LENGTH

_WIDE: Final = 1
_COLUMNS: Final = (
    ("Type", "string", ".status.type", 0),
    ("Target", "string", ".status.target", 0),
    ("State", "string", ".status.state", 0),
    ("Interval", "string", ".status.schedule", 0),
    ("Latency", "string", ".status.lastLatency", 0),
    ("Uptime-24h", "string", ".status.uptime.24h", 0),
    ("Last-Check", "date", ".status.lastCheckTime", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', _WIDE),
    ("Last-Transition", "date", ".status.lastTransitionTime", _WIDE),
    ("Message", "string", ".status.message", _WIDE),
)


def custom_resource_definition(kinds: Mapping[str, type[Target]] = KINDS) -> dict[str, Any]:
    """The definition with these kinds of targets."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["thc"],  # hc is Kuberhealthy's
                "categories": ["tocsin"],
            },
            "scope": "Namespaced",
            "versions": [_version(kinds)],
        },
    }


def _version(kinds: Mapping[str, type[Target]]) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
            for name, kind, path, priority in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": _object_schema(kinds)},
    }


def _object_schema(kinds: Mapping[str, type[Target]]) -> Schema:
    properties: dict[str, Schema] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": spec_schema(kinds),
        "status": status_schema(),
    }
    name_is_a_name_of_a_check = validation(
        f"size(self.metadata.name) <= {MAXIMUM_NAME_LENGTH}",
        f"metadata.name must have at most {MAXIMUM_NAME_LENGTH} characters, as the name of a check",
    )
    return with_rules(
        object_schema(properties, "A check of Tocsin: what is probed, when, and what was found.", ("spec",)),
        [name_is_a_name_of_a_check],
    )


class _Dumper(yaml.SafeDumper):
    """Without anchors, which kubectl reads and people do not."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def definition_text() -> str:
    """The definition as YAML, as it is committed in the chart."""
    header = "# Made by `tocsin crd` from the models of targets. Do not edit; run `make crd`.\n"
    return header + yaml.dump(
        custom_resource_definition(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120
    )


if __name__ == "__main__":
    sys.stdout.write(definition_text())
