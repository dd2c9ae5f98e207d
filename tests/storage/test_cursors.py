"""How far each place has been read, and what holds new turns back while older questions are read."""

from dataclasses import replace

from bot.messages import Address
from storage import Store
from storage.records import Cursor, now
from tests.storage.people import EPOCH, THREAD, asks, says

BEGAN = int(EPOCH.timestamp()) * 1_000_000


async def test_a_message_that_opens_a_thread_moves_the_channels_cursor_too(store: Store) -> None:
    root = says("100.1", at=1)
    await store.inbox.accept(root, "100.1", rule=asks, complete=True)
    await store.inbox.accept(says("100.2", at=2), "100.1", rule=asks, complete=True)
    assert await store.cursors.recent("slack", 10) == [
        Cursor(THREAD, BEGAN + 2_000_000),
        Cursor(replace(THREAD, thread=None), BEGAN + 1_000_000),
    ]


async def test_places_are_bounded_in_number_the_most_recent_first(store: Store) -> None:
    for n in range(4):
        address = Address("slack", "T1", f"C{n}")
        await store.inbox.accept(says(f"{n}", at=n, address=address), f"{n}", rule=asks, complete=True)
    found = await store.cursors.recent("slack", 2)
    assert [cursor.address.channel for cursor in found] == ["C3", "C2"]
    assert await store.cursors.recent("discord", 10) == []


async def test_a_turn_that_is_held_back_begins_once_it_is_released(store: Store) -> None:
    later = now() + 60_000_000
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True, not_before=later)
    assert await store.turns.claim("w", 60, ["slack"]) is None
    assert await store.inbox.release_held("discord") == 0
    assert await store.inbox.release_held("slack") == 1
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None


async def test_a_turn_that_waits_after_a_failure_is_not_released_with_those_held_back(store: Store) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.release(claim, delay_seconds=60)
    assert await store.inbox.release_held("slack") == 0
    assert await store.turns.claim("w", 60, ["slack"]) is None


async def test_a_turn_that_a_dead_process_held_back_waits_for_the_next_ones_reading_too(store: Store) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True, not_before=1)
    assert await store.turns.claim("w", 60, ["slack"], held=True) is None
    assert await store.inbox.release_held("slack") == 1
    assert await store.turns.claim("w", 60, ["slack"], held=True) is not None


async def test_a_hold_ends_by_itself_and_does_not_keep_what_had_begun(store: Store) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True, not_before=1)
    claim = await store.turns.claim("w", 60, ["slack"], held=False)
    assert claim is not None
    await store.turns.release(claim)
    assert await store.turns.claim("w", 60, ["slack"], held=True) is not None


async def test_one_place_is_released_with_what_was_begun_there_and_no_other(store: Store) -> None:
    later = now() + 60_000_000
    channel = replace(THREAD, thread=None)
    elsewhere = [replace(THREAD, thread="200.1"), replace(THREAD, channel="C2"), replace(THREAD, workspace="T2")]
    for address in [THREAD, channel, *elsewhere, replace(THREAD, platform="discord")]:
        message = says(f"{address.thread or '300'}.9", address=address)
        await store.inbox.accept(message, address.thread or "300.9", rule=asks, complete=True, not_before=later)
    assert await store.inbox.release_place(THREAD) == 1
    assert await store.inbox.release_place(THREAD) == 0
    claim = await store.turns.claim("w", 60, ["slack", "discord"])
    assert claim is not None
    assert claim.address == THREAD
    begun = await store.inbox.accept(says("9", at=9, address=elsewhere[1]), "9", rule=asks, complete=True, not_before=1)
    assert begun.turn_id is not None
    assert await store.inbox.release_place(channel, [begun.turn_id]) == 2
    assert await store.inbox.release_held("slack") == 3
    assert await store.inbox.release_held("discord") == 1
