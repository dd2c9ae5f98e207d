"""What is only nice to have waits for an event loop that has time to spare, but not for ever."""

import asyncio
import time

import pytest

from bot import leisure
from bot.leisure import LONGEST_SECONDS, at_leisure


async def test_a_loop_with_time_to_spare_is_waited_for_no_longer_than_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leisure, "LATE_SECONDS", 10.0)  # however busy the machine is
    began = time.monotonic()
    assert await at_leisure(0.1) is False
    assert 0.09 < time.monotonic() - began < 0.1 + LONGEST_SECONDS


async def test_who_is_not_needed_any_more_does_not_wait() -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, over.set)
    async with asyncio.timeout(5):
        assert await at_leisure(60.0, over) is True
        assert await at_leisure(0.0, over) is True


async def test_a_loop_that_is_late_is_waited_for_and_not_for_ever() -> None:
    async def hog() -> None:
        while True:
            time.sleep(3 * leisure.LATE_SECONDS)  # noqa: ASYNC251 - this is what it is about
            await asyncio.sleep(0)

    hogging = asyncio.create_task(hog())
    began = time.monotonic()
    assert await at_leisure(0.05) is False
    assert time.monotonic() - began > 0.05 + LONGEST_SECONDS
    hogging.cancel()
    await asyncio.wait([hogging])


async def test_a_loop_that_was_late_once_is_waited_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leisure, "LONGEST_SECONDS", 60.0)
    waiting = asyncio.create_task(at_leisure(0.01))
    await asyncio.sleep(0)
    began = time.monotonic()
    time.sleep(0.01 + 3 * leisure.LATE_SECONDS)  # noqa: ASYNC251 - this is what it is about
    async with asyncio.timeout(30):
        assert await waiting is False
    assert time.monotonic() - began > 0.01 + 3 * leisure.LATE_SECONDS + leisure.AGAIN_SECONDS / 2
