"""The process that evaluates what costs more: `python -m probes.evaluation.process`, started by the worker.

It keeps a fork of itself that reads requests and answers them. What takes too much CPU or memory ends the fork alone;
then another one takes over, which costs 2 ms where a new process would cost 300. Both end with the worker, whose end
closes their standard input.

A request is framed by `REQUEST`: its number, the microseconds of CPU that it may take, its length. An answer is framed
by `ANSWER`: the number, an `Ending`, the microseconds that it took, its length; its number is 0 where a fork was ended.
"""

import os
import resource
import signal
import struct
from collections.abc import Mapping
from contextlib import suppress
from enum import IntEnum
from time import process_time
from typing import Final

from probes.evaluation.messages import PlainCondition, decode_request, encode_judgement
from tocsin.domain.assertions import AssertionSeverity, judge
from tocsin.domain.facts import Source

REQUEST: Final = struct.Struct("!QQI")
ANSWER: Final = struct.Struct("!QBQI")
MEMORY_BYTES: Final = 128 * 1024 * 1024


class Ending(IntEnum):
    """How an evaluation ended."""

    DONE = 0  # with a judgement
    OUT_OF_TIME = 1
    OUT_OF_MEMORY = 2
    BROKEN = 3  # with the name of the error


_ENDINGS: Final[Mapping[int, Ending]] = {
    signal.SIGPROF: Ending.OUT_OF_TIME,
    signal.SIGABRT: Ending.OUT_OF_MEMORY,  # as C++ and Rust end when they get none
    signal.SIGKILL: Ending.OUT_OF_MEMORY,  # as the kernel does
}


def main() -> None:
    """Answer until the worker is gone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # What targets sent stays in no file.
    # The first use of CEL takes 50 ms, which every fork would take again.
    judge((), (PlainCondition("status == 200", AssertionSeverity.DOWN),), {Source.STATUS: 200})
    while True:
        if (child := os.fork()) == 0:
            _serve()
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return
        _write(ANSWER.pack(0, _ENDINGS.get(os.WTERMSIG(status), Ending.BROKEN), 0, 0))


def _serve() -> None:
    """Answer requests until there are no more, and end the process."""
    # Data is what the kernel bounds by itself; macOS bounds neither that nor the address space.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, hard))
    with suppress(OSError):
        while head := _read(REQUEST.size):
            number, cpu_us, length = REQUEST.unpack(head)
            request = _read(length)
            began_at = process_time()
            # The kernel ends the process when its time is up, also in the middle of what holds the interpreter.
            signal.setitimer(signal.ITIMER_PROF, cpu_us / 1e6)
            ending, answer = _answer(request)
            signal.setitimer(signal.ITIMER_PROF, 0)
            _write(ANSWER.pack(number, ending, round((process_time() - began_at) * 1e6), len(answer)) + answer)
    os._exit(0)


def _answer(request: bytes) -> tuple[Ending, bytes]:
    try:
        asked = decode_request(request)
        return Ending.DONE, encode_judgement(judge(asked.assertions, asked.conditions, asked.facts, asked.characters))
    except MemoryError:
        return Ending.OUT_OF_MEMORY, b""
    except Exception as exc:
        return Ending.BROKEN, type(exc).__name__.encode()


def _read(length: int) -> bytes:
    """So many bytes of the standard input; none at its end."""
    parts: list[bytes] = []
    while length > 0:
        part = os.read(0, min(length, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
