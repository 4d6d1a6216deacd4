"""The deadline ends its block, and nothing else."""

import asyncio

import pytest

from probes.deadline import Deadline


async def test_a_block_that_takes_too_long_times_out() -> None:
    with pytest.raises(TimeoutError), Deadline(0.01):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    with Deadline(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def test_what_a_block_raises_is_passed_on() -> None:
    with pytest.raises(KeyError), Deadline(1):
        raise KeyError


async def test_a_timeout_of_the_block_itself_is_passed_on() -> None:
    with pytest.raises(TimeoutError, match="of its own"), Deadline(1):
        raise TimeoutError("of its own")


async def test_the_inner_deadline_ends_the_inner_block_alone() -> None:
    with Deadline(1):
        with pytest.raises(TimeoutError), Deadline(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)


async def test_the_outer_deadline_ends_both_blocks() -> None:
    with pytest.raises(TimeoutError), Deadline(0.01), Deadline(1):
        await asyncio.Event().wait()


async def test_a_task_that_is_cancelled_is_cancelled() -> None:
    async def wait() -> None:
        with Deadline(1):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_at_its_deadline_is_cancelled() -> None:
    async def wait() -> None:
        with Deadline(0.01):
            try:
                await asyncio.Event().wait()
            finally:
                asyncio.current_task().cancel()  # type: ignore[union-attr]  # as somebody else may at that moment

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())
