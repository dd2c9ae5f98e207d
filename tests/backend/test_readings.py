"""How often streams are read, by a clock of its own."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from bot.backend.readings import A_SECOND, FEW, LONGEST_PAUSE, MUCH, Readings
from tests.virtual_time import run


def paused(streams: int, read: int = 100, closed: int = 0) -> float:
    """Seconds that one of so many streams waits after a read of so many bytes; as many more have been closed."""

    async def scene() -> float:
        readings, loop = Readings(), asyncio.get_running_loop()
        for _ in range(closed):
            with readings.stream():
                pass
        with ExitStack() as opened:
            for _ in range(streams):
                opened.enter_context(readings.stream())
            began = loop.time()
            await readings.pause(read)
            return loop.time() - began

    return run(scene())


@pytest.mark.parametrize("streams", [1, FEW])
def test_a_few_are_read_as_they_come(streams: int) -> None:
    assert paused(streams) == 0
    assert paused(streams, closed=100) == 0


@pytest.mark.parametrize("streams", [FEW + 1, 40, 250])
def test_many_are_read_so_often_together(streams: int) -> None:
    assert streams / paused(streams) == pytest.approx(A_SECOND)


def test_words_wait_for_no_longer_than_that_however_many_there_are() -> None:
    assert paused(1_000) == LONGEST_PAUSE == 0.25


def test_where_more_is_waiting_it_is_read_at_once() -> None:
    assert paused(100, read=MUCH) == 0
