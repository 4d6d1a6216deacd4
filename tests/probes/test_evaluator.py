"""The processes that evaluate what is dear: bounded, replaced, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from probes.evaluation.evaluator import Evaluator, EvaluatorBrokenError, TooDearError
from probes.evaluation.messages import decode_judgement, encode_judgement
from tocsin.domain.assertions import AssertionSeverity, FailedAssertion, Judgement
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.facts import Facts, Source
from tocsin.domain.targets.assertions import Assertion, Condition

ITEMS: Facts = {Source.BODY: '{"items": [1, 2, 3]}'}
WIDE: Facts = {Source.BODY: f"[{'[],' * 340_000}[]]"}
# Doubles with each level of nesting.
EXPONENTIAL = (
    '{"$defs": {"n": {"anyOf": [{"minItems": 1, "items": {"$ref": "#/$defs/n"}}, {"minItems": 1, "items": '
    '{"$ref": "#/$defs/n"}}]}}, "$ref": "#/$defs/n"}'
)


def about(path: str, operator: str = "EXISTS", value: str | None = None) -> tuple[Assertion, ...]:
    return (Assertion(source=Source.JSON, path=path, operator=AssertionOperator(operator), value=value),)


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator()
    yield evaluator
    await evaluator.close()


async def judged(evaluator: Evaluator, assertions: tuple[Assertion, ...], facts: Facts = ITEMS) -> Judgement:
    return await evaluator.judge(assertions, (), facts, 200)


def processes(parent: int | None = None) -> list[int]:
    """The evaluators that a process, or this one, has started, and their forks."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    own = {
        int(pid) for pid, ppid, args in rows if int(ppid) == (parent or os.getpid()) and "evaluation.process" in args
    }
    return [int(pid) for pid, ppid, args in rows if int(pid) in own or int(ppid) in own]


def wait_until_gone(pids: list[int]) -> None:
    """Nobody tells when a process ends that another one started."""
    give_up_at = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def test_what_is_cheap_starts_no_process(evaluator: Evaluator) -> None:
    assert await judged(evaluator, about("$.items[0]", "EQUALS", "1")) == Judgement()
    condition = Condition(expression="json.items.size() == 3 && body.contains('items')")
    assert await evaluator.judge((), (condition,), ITEMS, 200) == Judgement()
    assert processes() == []


async def test_what_is_dear_is_judged_as_it_would_be_at_once(evaluator: Evaluator) -> None:
    assert await judged(evaluator, about("$.items[*]", "LESS", "5")) == Judgement()
    [failed] = (await judged(evaluator, about("$.items[*]", "LESS", "3"))).failed
    assert str(failed) == "assertion failed: JSON $.items[*] LESS 3, was 3"


@pytest.mark.parametrize(
    ("assertions", "facts"),
    [
        (about("$..*"), WIDE),
        (about("$", "MATCHES_SCHEMA", EXPONENTIAL), {Source.BODY: "[" * 18 + "]" * 18}),
    ],
)
async def test_what_never_ends_is_ended_and_others_go_on(
    evaluator: Evaluator, assertions: tuple[Assertion, ...], facts: Facts
) -> None:
    for _ in range(2):
        with pytest.raises(TooDearError, match="to evaluate; ask for less, or of less content"):
            await judged(evaluator, assertions, facts)
        assert await judged(evaluator, about("$.items[*]")) == Judgement()


async def test_many_that_never_end_hold_up_nobody_else(evaluator: Evaluator) -> None:
    endless = [asyncio.create_task(judged(evaluator, about(f"$..*[?@ == {index}]"), WIDE)) for index in range(8)]
    await asyncio.sleep(0)
    for _ in range(20):
        assert await judged(evaluator, about("$.items[*]")) == Judgement()
    assert not all(task.done() for task in endless)
    for task in endless:
        task.cancel()
    await asyncio.gather(*endless, return_exceptions=True)


async def test_what_was_slow_before_waits_apart(evaluator: Evaluator) -> None:
    with pytest.raises(TooDearError):
        await judged(evaluator, about("$..*"), WIDE)
    quick = processes()[:1]
    with pytest.raises(TooDearError):
        await judged(evaluator, about("$..*"), WIDE)
    assert processes()[:1] == quick


async def test_the_event_loop_goes_on_meanwhile(evaluator: Evaluator) -> None:
    evaluation = asyncio.create_task(judged(evaluator, about("$..*"), WIDE))
    turns = 0
    while not evaluation.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert isinstance(evaluation.exception(), TooDearError)
    assert turns > 20


async def test_an_evaluation_that_is_given_up_leaves_the_process_to_others(evaluator: Evaluator) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(judged(evaluator, about("$..*"), WIDE), 0.01)
    assert await judged(evaluator, about("$.items[*]")) == Judgement()


async def test_a_process_that_is_killed_is_replaced(evaluator: Evaluator) -> None:
    await judged(evaluator, about("$.items[*]"))
    killed = processes()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(killed)
    with suppress(EvaluatorBrokenError):  # Unless its end was noticed before.
        await judged(evaluator, about("$.items[*]"))
    assert await judged(evaluator, about("$.items[*]")) == Judgement()


async def test_closing_leaves_no_process(evaluator: Evaluator) -> None:
    await judged(evaluator, about("$.items[*]"))
    started = processes()
    assert len(started) == 2
    await evaluator.close()
    wait_until_gone(started)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_process_knows_no_settings(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://s3cret@localhost/")
    await judged(evaluator, about("$.items[*]"))
    assert not any("s3cret" in environment(pid) for pid in processes())


WORKER = """
import asyncio
from probes.evaluation.evaluator import Evaluator
from tests.probes.test_evaluator import WIDE, about, judged

async def work():
    evaluator = Evaluator(quick_cpu_seconds=3600)
    await judged(evaluator, about("$.items[*]"))
    print("ready", flush=True)
    {then}

asyncio.run(work())
"""


@pytest.mark.parametrize("then", ["await asyncio.sleep(3600)", "await judged(evaluator, about('$..*'), WIDE)"])
async def test_a_process_ends_with_its_worker_however_that_ends(then: str) -> None:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER.format(then=then)), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"ready\n"
    started = processes(worker.pid)
    worker.kill()
    await worker.wait()
    assert len(started) == 2
    wait_until_gone(started)


def test_a_judgement_comes_back_as_it_was() -> None:
    fields: dict[str, Any] = {"expected": "a", "actual": '"\\u0000"', "severity": AssertionSeverity.DEGRADED}
    judgement = Judgement(
        (
            FailedAssertion(0, Source.JSON, "$", AssertionOperator.EQUALS, **fields),
            FailedAssertion(3, None, None, None, **fields),
        )
    )
    assert decode_judgement(encode_judgement(judgement)) == judgement
