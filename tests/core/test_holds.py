"""How long the new turns of a platform wait for older questions to be read."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.holds import MOST_AHEAD, Holds
from bot.messages import Address, Author, IncomingMessage
from storage.records import now

GENERAL = Address("slack", "T1", "C1")
STUDIO = Address("discord", "G1", "1")
THREAD = replace(GENERAL, thread="100")


async def test_a_hold_is_over_after_its_time() -> None:
    assert not Holds().lasts
    holds = Holds()
    holds.begin("slack", 0.5)
    assert now() < holds.until(GENERAL) <= now() + 500_000
    assert holds.until(STUDIO) == 0
    await asyncio.sleep(0.7)
    assert holds.until(GENERAL) == 0
    assert not holds.lasts
    assert holds.end("slack") == []
    assert holds.end("slack") is None


async def test_time_in_which_the_process_stood_still_does_not_count() -> None:
    holds = Holds()
    holds.begin("slack", 1.0)
    time.sleep(1.5)  # noqa: ASYNC251 - that nothing runs meanwhile is the point
    await asyncio.sleep(0.05)
    assert holds.until(GENERAL) > now()
    await asyncio.sleep(1.0)
    assert holds.until(GENERAL) == 0


async def test_one_that_begins_anew_lasts_as_long_again() -> None:
    holds = Holds()
    holds.begin("slack", 0.5)
    await asyncio.sleep(0.4)
    holds.begin("slack", 1.0)
    await asyncio.sleep(0.4)
    assert holds.until(GENERAL) > now()
    holds.end("slack")
    assert not holds.lasts


def says(address: Address, message_id: str) -> IncomingMessage:
    """What somebody says there, to nobody."""
    return IncomingMessage(address, message_id, Author("1", "Ada"), "so", mentions_bot=False, sent_at=datetime.now(UTC))


async def test_a_place_that_was_read_is_held_no_more_and_the_others_are() -> None:
    holds = Holds()
    holds.begin("slack", 10)
    assert holds.settle(THREAD, holds.gap("slack")) == []
    assert holds.until(THREAD) == 0
    assert holds.until(GENERAL) > now()
    holds.end("slack")


async def test_what_was_read_before_another_gap_tells_nothing_of_it() -> None:
    holds = Holds()
    holds.begin("slack", 10)
    before = holds.gap("slack")
    holds.begin("slack", 10)
    assert holds.settle(THREAD, before) is None
    holds.settle(GENERAL, holds.gap("slack"))
    holds.begin("slack", 10)
    assert holds.until(THREAD) and holds.until(GENERAL)
    last = holds.gap("slack")
    holds.end("slack")
    assert holds.settle(THREAD, last) is None


@pytest.mark.parametrize("place", [THREAD, GENERAL], ids=["its thread", "its channel"])
async def test_a_message_is_kept_until_its_thread_or_the_channel_that_may_begin_it_is_read(place: Address) -> None:
    holds = Holds()
    early, elsewhere = says(THREAD, "101"), says(replace(GENERAL, channel="C2", thread="7"), "8")
    holds.keep(early)
    assert holds.end("slack") is None, "nothing is kept where nothing is held"
    holds.begin("slack", 10)
    for message in (early, elsewhere, early):
        holds.keep(message)
    assert holds.settle(place, holds.gap("slack")) == [early]
    assert holds.settle(place, holds.gap("slack")) == []
    assert holds.end("slack") == [elsewhere]


async def test_what_is_said_in_a_thread_that_is_read_before_its_channel_is_kept_for_the_channel_too() -> None:
    holds = Holds()
    holds.begin("slack", 10)
    early = says(THREAD, "101")
    holds.keep(early)
    assert holds.settle(THREAD, holds.gap("slack")) == [early]
    holds.keep(early)
    assert holds.settle(GENERAL, holds.gap("slack")) == [early]
    holds.keep(early)
    assert holds.end("slack") == [], "both are read: it is nobody's"


async def test_places_are_asked_for_once_and_not_more_of_them_than_a_platform_grants() -> None:
    holds = Holds()
    holds.ask_for(GENERAL)
    holds.begin("slack", 10)
    for n in range(MOST_AHEAD + 5):
        for _ in range(2):
            holds.ask_for(replace(GENERAL, thread=str(n)))
    async with asyncio.timeout(1):
        asked = [(await holds.asked_for("slack")).thread for _ in range(MOST_AHEAD)]
    assert asked == [str(n) for n in range(MOST_AHEAD)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await holds.asked_for("slack")
    holds.end("slack")
