"""How long a delivery is tried again."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import DeliveryDelayed, DeliveryRefused
from bot.insisting import insist


class Calls:
    """Fails the first `failures` times, each time after so many seconds."""

    def __init__(self, failures: int, takes: float = 0.0, again_after: float = 0.0) -> None:
        self.failures, self.takes, self.again_after = failures, takes, again_after
        self.made = 0

    async def __call__(self) -> str:
        self.made += 1
        await asyncio.sleep(self.takes)
        if self.made <= self.failures:
            raise DeliveryDelayed("busy", retry_after=self.again_after)
        return "taken"


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_what_fails_for_a_while_is_tried_until_it_is_taken(failures: int) -> None:
    calls = Calls(failures)
    assert await insist("k", calls) == "taken"
    assert calls.made == failures + 1


async def test_what_no_waiting_cures_is_tried_once() -> None:
    async def refused() -> None:
        raise DeliveryRefused("no")

    with pytest.raises(DeliveryRefused):
        await insist("k", refused)


async def test_the_first_try_counts_towards_the_time_there_is() -> None:
    calls = Calls(failures=9, takes=0.3, again_after=0.1)
    with pytest.raises(DeliveryDelayed):
        await insist("k", calls, 0.35, within=True)
    assert calls.made == 1
    calls = Calls(failures=9, takes=0.3, again_after=0.0)
    with pytest.raises(DeliveryDelayed):
        await insist("k", calls, 0.5)
    assert calls.made == 2
