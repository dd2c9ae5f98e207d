"""The event loop's lag is measured by the loop itself, remembered for a minute, and told sparingly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from structlog.testing import capture_logs

from bot.lag import LoopLag


@asynccontextmanager
async def measuring(**options: Any) -> AsyncIterator[LoopLag]:
    lag = LoopLag(every=0.01, **options)
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.03)
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def hold_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_loop_that_was_held_up_is_known_by_how_long() -> None:
    async with measuring() as lag:
        hold_the_loop(0.5)
        await asyncio.sleep(0.05)
        assert lag.worst() >= 0.45
        await asyncio.sleep(0.3)
        assert lag.worst(within=0.2) < 0.45, "what is past is past"
        assert lag.worst() >= 0.45, "but a minute is remembered"


async def test_nothing_measured_is_no_lag() -> None:
    assert LoopLag().worst() == 0.0


async def test_a_lag_past_the_bound_is_told_with_its_figure_and_once_in_a_minute() -> None:
    with capture_logs() as logs:
        async with measuring(warn=0.3):
            for _ in range(3):
                hold_the_loop(0.4)
                await asyncio.sleep(0.05)
    [told] = [entry for entry in logs if entry["event"] == "loop_late"]
    assert told["log_level"] == "warning"
    assert told["seconds"] >= 0.35


async def test_after_a_minute_it_is_told_again_and_forgotten_otherwise() -> None:
    lag = LoopLag()
    with capture_logs() as logs:
        for moment in (100.0, 130.0, 161.0):
            lag._note(moment, 2.0)
    assert len([entry for entry in logs if entry["event"] == "loop_late"]) == 2
    assert [at for at, _ in lag._seen] == [130.0, 161.0]
