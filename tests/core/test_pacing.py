"""Limits as budgets: what must go out waits its turn, luxuries only take what is spare."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@contextmanager
def patched_sleep(note: Callable[[float], None]) -> Iterator[None]:
    """Waits take no time and are written down: the clock of this test is its own."""

    async def sleep(seconds: float) -> None:
        note(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        yield


async def test_sends_beyond_the_limit_wait_for_the_window() -> None:
    pace = Pace([RateLimit("send", "channel", amount=2, seconds=0.1)])
    began = time.monotonic()
    await asyncio.gather(*(pace.take("send", HERE) for _ in range(6)))
    assert 0.19 <= time.monotonic() - began < 1.0


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=80), st.integers(1, 6))
def test_no_window_ever_holds_more_than_its_limit(steps: list[tuple[float, bool]], amount: int) -> None:
    clock = Clock()
    pace = Pace([RateLimit("send", "channel", amount, seconds=5.0)], clock)
    sent: list[float] = []

    async def act() -> None:
        for pause, luxury in steps:
            clock.now += pause
            if luxury:
                sent.extend([clock.now] if pace.try_take("send", HERE) else [])
            else:
                with patched_sleep(lambda seconds: sent.append(clock.now + seconds)):
                    before = len(sent)
                    await pace.take("send", HERE)
                    sent.extend([clock.now] if len(sent) == before else [])

    asyncio.run(act())
    sent.sort()
    assert all(later - earlier >= 5.0 - 1e-9 for earlier, later in zip(sent, sent[amount:], strict=False))


async def test_one_channel_does_not_wait_for_another() -> None:
    pace = Pace([RateLimit("send", "channel", amount=1, seconds=10)])
    async with asyncio.timeout(1):
        await pace.take("send", HERE)
        await pace.take("send", THERE)


async def test_a_workspaces_limit_is_shared_by_its_channels() -> None:
    clock = Clock()
    pace = Pace([RateLimit("edit", "workspace", amount=2, seconds=2)], clock)
    assert pace.try_take("edit", HERE)
    assert not pace.try_take("edit", THERE), "what is left is kept for what must go out"
    clock.now = 2.0
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
