"""Limits as budgets: what must go out waits its turn, luxuries only take what is spare."""

import asyncio
import time

from bot.adapter import RateLimit
from bot.messages import Address
from bot.pacing import Pace

HERE = Address("slack", "T1", "C1", "1.0")
THERE = Address("slack", "T1", "C2", "1.0")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_sends_beyond_the_burst_wait_for_the_rate() -> None:
    pace = Pace([RateLimit("send", "channel", burst=2, per_second=20)])
    began = time.monotonic()
    await asyncio.gather(*(pace.take("send", HERE) for _ in range(6)))
    assert 0.18 <= time.monotonic() - began < 1.0


async def test_one_channel_does_not_wait_for_another() -> None:
    pace = Pace([RateLimit("send", "channel", burst=1, per_second=0.1)])
    async with asyncio.timeout(1):
        await pace.take("send", HERE)
        await pace.take("send", THERE)


async def test_a_workspaces_limit_is_shared_by_its_channels() -> None:
    clock = Clock()
    pace = Pace([RateLimit("edit", "workspace", burst=2, per_second=1)], clock)
    assert pace.try_take("edit", HERE)
    assert not pace.try_take("edit", THERE), "what is left is kept for what must go out"
    clock.now = 1.0
    assert pace.try_take("edit", THERE)


async def test_nothing_planned_means_nothing_waits() -> None:
    pace = Pace(())
    async with asyncio.timeout(1):
        for _ in range(1000):
            await pace.take("send", HERE)
    assert pace.try_take("send", HERE)


async def test_a_refusal_is_obeyed_where_it_was_said_and_nowhere_else() -> None:
    clock = Clock()
    pace = Pace((), clock)
    pace.hold("edit", HERE, 3.0)
    assert not pace.try_take("edit", HERE)
    assert pace.try_take("send", HERE)
    assert pace.try_take("edit", THERE)
    clock.now = 3.1
    assert pace.try_take("edit", HERE)


async def test_what_must_go_out_waits_for_the_end_of_a_refusal() -> None:
    pace = Pace(())
    pace.hold("send", HERE, 0.2)
    began = time.monotonic()
    await pace.take("send", HERE)
    assert time.monotonic() - began >= 0.19
