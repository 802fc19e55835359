"""Calls that arrive together are written together, and each caller gets its own answer or its own error."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.batching import Batcher, OverloadedError
from shared.database import DatabaseAwayError, UnusableError


class Writer:
    """Doubles numbers, and notes the batches; a number in `faults` has its fault."""

    def __init__(self, **faults: Exception) -> None:
        self.batches: list[list[int]] = []
        self.faults = {int(name.removeprefix("n")): fault for name, fault in faults.items()}
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.began.set()
        await self.gate.wait()
        for number in numbers:
            if number in self.faults:
                raise self.faults[number]
        return [2 * number for number in numbers]


async def test_what_arrives_while_a_batch_is_written_is_the_next_batch() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, most=3)
    assert await asyncio.gather(*(batcher.submit(number) for number in range(8))) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert writer.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.mark.parametrize("fault", [UnusableError("no"), KeyError("a bug")])
async def test_only_the_one_to_blame_hears_of_its_fault(fault: Exception) -> None:
    writer = Writer(n1=fault)
    answers = await asyncio.gather(*map(Batcher(writer.write).submit, range(4)), return_exceptions=True)
    assert answers == [0, fault, 4, 6]


async def test_a_database_that_is_away_is_told_to_all_at_once() -> None:
    writer = Writer(n1=DatabaseAwayError("away"))
    answers = await asyncio.gather(*map(Batcher(writer.write).submit, range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseAwayError] * 3
    assert len(writer.batches) == 1


async def test_more_than_can_be_answered_in_time_is_refused_at_once() -> None:
    writer = Writer()
    writer.gate.clear()
    batcher = Batcher(writer.write, waiting=2)
    first = asyncio.create_task(batcher.submit(0))
    await writer.began.wait()
    waiting = [asyncio.create_task(batcher.submit(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await batcher.submit(3)
    writer.gate.set()
    assert await asyncio.gather(first, *waiting) == [0, 2, 4]


async def test_a_caller_that_gave_up_costs_the_others_nothing() -> None:
    writer = Writer()
    writer.gate.clear()
    batcher = Batcher(writer.write)
    calls = [asyncio.create_task(batcher.submit(number)) for number in range(3)]
    await writer.began.wait()
    calls[1].cancel()
    writer.gate.set()
    assert list(await asyncio.gather(calls[0], calls[2])) == [0, 4]


async def test_closing_waits_for_what_was_submitted() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, most=1)
    calls = [asyncio.create_task(batcher.submit(number)) for number in range(3)]
    await asyncio.sleep(0)
    await batcher.close()
    assert writer.batches == [[0], [1], [2]]
    assert await asyncio.gather(*calls) == [0, 2, 4]
