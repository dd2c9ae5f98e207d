"""How long the new turns of a platform wait for older questions to be read."""

from __future__ import annotations

import asyncio
import time

from bot.holds import Holds
from storage.records import now


async def test_a_hold_is_over_after_its_time() -> None:
    assert not Holds().lasts
    holds = Holds()
    holds.begin("slack", 0.5)
    assert now() < holds.until("slack") <= now() + 500_000
    assert holds.until("discord") == 0
    await asyncio.sleep(0.7)
    assert holds.until("slack") == 0
    assert not holds.lasts
    assert holds.end("slack") == []
    assert holds.end("slack") is None


async def test_time_in_which_the_process_stood_still_does_not_count() -> None:
    holds = Holds()
    holds.begin("slack", 1.0)
    time.sleep(1.5)  # noqa: ASYNC251 - that nothing runs meanwhile is the point
    await asyncio.sleep(0.05)
    assert holds.until("slack") > now()
    await asyncio.sleep(1.0)
    assert holds.until("slack") == 0


async def test_one_that_begins_anew_lasts_as_long_again() -> None:
    holds = Holds()
    holds.begin("slack", 0.5)
    await asyncio.sleep(0.4)
    holds.begin("slack", 1.0)
    await asyncio.sleep(0.4)
    assert holds.until("slack") > now()
    holds.end("slack")
    assert not holds.lasts
