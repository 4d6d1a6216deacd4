"""The CustomResourceDefinition as a document."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from healthcheck_operator.crd import custom_resource_definition, definition_text
from healthcheck_operator.schedule_schemas import CRON_PATTERN
from tocsin.domain.cron import validate_cron
from tocsin.domain.targets.addresses import IPV4_PATTERN, IPV6_PATTERN, validate_host

ROOT = Path(__file__).parent.parent.parent
COMMITTED = ROOT / "charts/tocsin/files/crds/healthchecks.yaml"


def version() -> Any:
    [only] = custom_resource_definition()["spec"]["versions"]
    return only


def test_the_committed_definition_is_what_the_models_say() -> None:
    assert COMMITTED.read_text() == definition_text(), "run `make crd`"


def test_client_side_apply_has_room_for_the_definition() -> None:
    # All annotations together may have 256 KiB; a tenth is left for others.
    assert len(json.dumps(custom_resource_definition(), separators=(",", ":"))) < 230 * 1024


def test_the_definition_has_no_anchors() -> None:
    assert not re.search(r"[&*]id\d", definition_text())


def test_the_printed_definition_is_the_definition() -> None:
    assert yaml.safe_load(definition_text()) == custom_resource_definition()


def test_interval_schedule_and_timeout_have_no_default() -> None:
    spec = version()["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert [name for name, schema in spec.items() if "default" in schema] == ["deletionPolicy"]


def test_other_defaults_of_heartbeats_are_told() -> None:
    spec = version()["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert spec["interval"]["description"].endswith("Default, without a schedule: 1m, or 10s of a heartbeat.")
    thresholds = spec["thresholds"]["properties"]
    assert thresholds["failure"]["description"].endswith("Default: 3, or 1 of a heartbeat.")
    assert thresholds["success"]["description"].endswith("Default: 2, or 1 of a heartbeat.")


def test_the_columns_are_those_that_people_look_for() -> None:
    columns = [(column["name"], column.get("priority", 0)) for column in version()["additionalPrinterColumns"]]
    assert [name for name, priority in columns if not priority] == [
        *("Type", "Target", "State", "Interval", "Latency", "Uptime-24h", "Last-Check", "Age")
    ]
    assert [name for name, priority in columns if priority] == ["Ready", "Last-Transition", "Message"]


def test_the_command_prints_the_definition(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("tocsin")), "crd"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == definition_text()


CRONS = st.builds(" ".join, st.lists(st.text("0123456789*,-/L#W", min_size=1, max_size=5), min_size=4, max_size=6))


@given(st.one_of(CRONS, st.from_regex(CRON_PATTERN, fullmatch=True)))
def test_the_api_server_takes_every_cron_expression_that_the_graphql_api_takes(expression: str) -> None:
    try:
        validate_cron(expression)
    except ValueError:
        return
    assert re.search(CRON_PATTERN, expression)


@pytest.mark.parametrize("expression", ["* * * *", "61 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "@daily"])
def test_a_bad_cron_expression_is_refused_by_its_pattern(expression: str) -> None:
    assert not re.search(CRON_PATTERN, expression)


@given(st.ip_addresses())
def test_every_ip_address_is_one_by_its_pattern(address: Any) -> None:
    assert re.fullmatch(f"{IPV4_PATTERN}|{IPV6_PATTERN}", str(address))


@given(st.from_regex(f"{IPV4_PATTERN}|{IPV6_PATTERN}", fullmatch=True))
def test_what_is_an_ip_address_by_its_pattern_is_one(text: str) -> None:
    assert validate_host(text) == text
