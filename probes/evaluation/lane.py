"""One evaluator process, and those who wait for it."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Final

from probes.evaluation.process import ANSWER, REQUEST, Ending
from tocsin.running import log_internal_error

# Far above any budget: what is not answered then is not being evaluated.
_SILENCE_SECONDS: Final = 20.0
# An evaluation under way has used up its CPU by then.
_END_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How an evaluation ended, the CPU that it took (endless where it was ended), and the judgement or the error."""

    ending: Ending
    cpu_seconds: float
    content: bytes = b""


_Waiting = tuple[float, int, bytes, asyncio.Future[Answer]]


class Lane:
    """Evaluates one request at a time, the cheapest first. The process is started when there is something to do."""

    def __init__(self, cpu_seconds: float) -> None:
        self.cpu_seconds = cpu_seconds
        self._queue: asyncio.PriorityQueue[_Waiting] = asyncio.PriorityQueue()
        self._numbers = count(1)
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def evaluate(self, request: bytes, expected_seconds: float) -> Answer:
        """Wait for its turn and its end. Cancelling gives up its turn; what is under way goes on to its end."""
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((expected_seconds, next(self._numbers), request, answered))
        return await answered

    async def close(self) -> None:
        """End the process; nothing is waited for any more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._end()

    async def _work(self) -> None:
        while True:
            _, number, request, answered = await self._queue.get()
            if not answered.done():
                answer = await self._ask(number, request)
                if not answered.done():
                    answered.set_result(answer)

    async def _ask(self, number: int, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                return await self._converse(await self._running(), number, request)
        except Exception as exc:
            # Whatever it is, as uvloop has errors of its own for pipes that broke: others are waiting.
            log_internal_error("evaluator_is_gone", exc)
            await self._end()
            return Answer(Ending.BROKEN, 0.0, type(exc).__name__.encode())

    async def _converse(self, process: asyncio.subprocess.Process, number: int, request: bytes) -> Answer:
        writer, reader = _pipes(process)
        writer.write(REQUEST.pack(number, round(self.cpu_seconds * 1e6), len(request)) + request)
        await writer.drain()
        while True:
            answered, ending, cpu_us, length = ANSWER.unpack(await reader.readexactly(ANSWER.size))
            content = await reader.readexactly(length)
            # 0: the one that worked on it was ended.
            if answered in (0, number):
                return Answer(Ending(ending), cpu_us / 1e6 if answered else inf, content)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is not None:
            await self._end()
        return self._process or await self._start()

    async def _start(self) -> asyncio.subprocess.Process:
        # It gets nothing of the worker's settings, which hold secrets; and a session of its own, so that no signal
        # that a terminal sends ends it before the worker.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without -P, a module in the folder that the worker was started in could take the place of a library.
            *("-P", "-m", "probes.evaluation.process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        writer, reader = _pipes(process)
        writer.close()
        try:
            # The end of its input ends it, and it takes its fork along, which would else be left to the first process.
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await reader.read()  # Its end closes the pipe.


def _pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if process.stdin is None or process.stdout is None:
        raise BrokenPipeError("the process was started without pipes")
    return process.stdin, process.stdout
