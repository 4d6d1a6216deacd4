"""What helm says after an installation can be done as it stands."""

import json
import re
from collections.abc import Iterator

import pytest
from graphql import build_schema, parse, validate

from tests.charts.conftest import HELMS, Release, new_release
from tests.charts.dockerfile import ROOT
from tests.charts.matrix import MATRIX, OWN_SERVERS, TRIAL
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.programs import Client


def notes(release: Release) -> str:
    return release.helm("get", "notes", release.name, "-n", release.namespace)


def test_a_trial_is_warned_of(release: Release) -> None:
    release.install(TRIAL)
    assert "WARNING: trial.enabled=true" in notes(release)
    assert "All data ends with the pod bell-tocsin-postgres-0." in notes(release)


def test_a_key_with_a_dot_is_found(release: Release) -> None:
    release.install(MATRIX["own secrets"])
    assert r"jsonpath='{.data.t\.oken}'" in notes(release)


@pytest.fixture(scope="module", params=HELMS)
def installed(request: pytest.FixtureRequest, cluster: Cluster, teams: None) -> Iterator[Release]:
    """With servers of the user's own, for all tests below, which read its notes and change nothing."""
    with new_release(cluster, request.getfixturevalue(request.param)) as release:
        release.install(OWN_SERVERS)
        yield release


def test_own_servers_are_not_warned_of(installed: Release) -> None:
    assert "WARNING" not in notes(installed)


def test_the_command_for_the_token_shows_it(installed: Release, kubectl: Client) -> None:
    command = re.search(r"get secret (\S+) --output (jsonpath=)'(\S+)'", notes(installed))
    assert command
    shown = kubectl("get", "-n", installed.namespace, "secret", command[1], "--output", command[2] + command[3])
    assert len(shown) > 24


def test_the_example_is_accepted(installed: Release, kubectl: Client) -> None:
    kubectl("wait", "--for=condition=Established", "crd/healthchecks.tocsin.dev", "--timeout=20s")
    example = re.search(r"<<EOF\n(.*?)\n  EOF", notes(installed), re.DOTALL)
    assert example
    lines = "\n".join(line.removeprefix("  ") for line in example[1].splitlines())
    assert kubectl("apply", "--dry-run=server", "-n", installed.namespace, "-f", "-", stdin=lines)


def test_the_question_is_one_that_the_api_answers(installed: Release) -> None:
    question = re.search(r"-d '(.*)'", notes(installed))
    assert question
    schema = build_schema((ROOT / "graphql_api" / "schema.graphql").read_text())
    assert validate(schema, parse(json.loads(question[1])["query"])) == []
