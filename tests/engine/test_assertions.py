"""Assertions from the definition of a check to its incident, with the processes that evaluate them."""

import json

import pytest

from tests.engine.harness import Platform, Target, eventually
from tests.probes.test_evaluator import processes, wait_until_gone
from tocsin.domain.evidence import JudgedAssertion, from_json

# It iterates, so it is evaluated in a process of its own.
CONDITION = "[200, 204].exists(each, each == status) && size > 1000"
ASSERTION = {"source": "SIZE", "operator": "GREATER", "value": "1", "severity": "DEGRADED"}


@pytest.mark.parametrize("end", ["terminate", "kill"])
async def test_what_is_asserted_opens_an_incident_that_says_so(
    platform: Platform, target: tuple[int, type[Target]], end: str
) -> None:
    fields = {
        "url": f"http://127.0.0.1:{target[0]}/",
        "assertions": [ASSERTION],
        "conditions": [{"expression": CONDITION}],
    }
    await platform.make_checks_of("http", json.dumps(fields), 2, 1, 1000)
    platform.scheduler()
    worker = platform.worker()
    await eventually(lambda: platform.ask("SELECT count(*) = 2 FROM incidents"), 40)
    assert worker.process is not None
    evaluators = processes(worker.process.pid)
    assert len(evaluators) == 2
    getattr(worker, end)()
    worker.wait()
    wait_until_gone(evaluators)
    evidence = from_json(await platform.ask("SELECT evidence FROM incidents LIMIT 1"))
    assert evidence.assertions == (JudgedAssertion(None, None, None, CONDITION, "false", "DOWN"),)
