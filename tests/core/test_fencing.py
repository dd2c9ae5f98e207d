"""What a turn's calls are held to, and for how long."""

import asyncio

import pytest

from bot import fencing
from bot.errors import DeliveryDelayed, StorageFailed


async def test_what_is_held_to_in_a_scope_is_over_with_it() -> None:
    with fencing.scope():
        fencing.calls_only_while(lambda: False)
        with pytest.raises(DeliveryDelayed):
            await fencing.check()
    await fencing.check()
    fencing.calls_only_while(lambda: False)
    with fencing.scope():
        fencing.calls_only_while(lambda: True)
        await fencing.check()
    with pytest.raises(DeliveryDelayed):
        await fencing.check()


async def test_a_task_that_the_scope_began_stays_held_and_one_begun_after_it_is_free() -> None:
    async def call() -> str:
        await asyncio.sleep(0)
        try:
            await fencing.check()
        except DeliveryDelayed:
            return "held"
        return "free"

    with fencing.scope():
        fencing.calls_only_while(lambda: False)
        within = asyncio.create_task(call())
    after = asyncio.create_task(call())
    assert (await within, await after) == ("held", "free")


async def test_a_call_waits_for_what_it_rests_on_and_fails_with_it() -> None:
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with fencing.calls_only_once(stored):
        calls = [asyncio.create_task(fencing.check()) for _ in range(2)]
    await fencing.check()
    await asyncio.sleep(0.01)
    assert not any(call.done() for call in calls)
    calls[0].cancel()
    await asyncio.sleep(0)
    stored.set_exception(StorageFailed("the disk is full"))
    with pytest.raises(StorageFailed):
        await calls[1]
    assert calls[0].cancelled()


async def test_once_that_is_stored_the_lease_is_looked_at() -> None:
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    held = [True]
    with fencing.scope(), fencing.calls_only_once(stored):
        fencing.calls_only_while(lambda: held[0])
        call = asyncio.create_task(fencing.check())
    await asyncio.sleep(0)
    held[0] = False
    stored.set_result(None)
    with pytest.raises(DeliveryDelayed):
        await call


async def test_for_a_database_in_trouble_no_call_waits_inside_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fencing, "STORED_WITHIN_SECONDS", 0.05)
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with fencing.calls_only_once(stored), pytest.raises(DeliveryDelayed, match="not_stored"):
        await fencing.check()
    assert not stored.cancelled()
