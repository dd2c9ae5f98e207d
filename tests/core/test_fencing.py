"""What a turn's calls are held to, and for how long."""

import asyncio

import pytest

from bot import fencing
from bot.errors import DeliveryDelayed


async def test_what_is_held_to_in_a_scope_is_over_with_it() -> None:
    with fencing.scope():
        fencing.calls_only_while(lambda: False)
        with pytest.raises(DeliveryDelayed):
            fencing.check()
    fencing.check()
    fencing.calls_only_while(lambda: False)
    with fencing.scope():
        fencing.calls_only_while(lambda: True)
        fencing.check()
    with pytest.raises(DeliveryDelayed):
        fencing.check()


async def test_a_task_that_the_scope_began_stays_held_and_one_begun_after_it_is_free() -> None:
    async def call() -> str:
        await asyncio.sleep(0)
        try:
            fencing.check()
        except DeliveryDelayed:
            return "held"
        return "free"

    with fencing.scope():
        fencing.calls_only_while(lambda: False)
        within = asyncio.create_task(call())
    after = asyncio.create_task(call())
    assert (await within, await after) == ("held", "free")
