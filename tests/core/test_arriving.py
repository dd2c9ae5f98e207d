"""What is taken in at the same moment as what it follows on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.arriving import Arriving
from bot.messages import Address, Author, IncomingMessage, Quoted
from storage import Store
from tests.intake import intake

ADA = Author("1", "Ada")
SLACK = Address("slack", "T1", "C1", "100")
DISCORD = Address("discord", "G1", "C1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


def says(address: Address, number: int, *, mention: bool = True, to: str = "") -> IncomingMessage:
    """What Ada says as the so-many-th, in reply to a message of her own where that is named."""
    moment = datetime.now(UTC) + timedelta(milliseconds=number)
    quoted = Quoted(to, ADA, "before") if to else None
    return IncomingMessage(address, str(100 + number), ADA, "so", mentions_bot=mention, sent_at=moment, quoted=quoted)


async def turns(store: Store) -> int:
    """How many turns can be claimed: each has been given all that belongs to it."""
    count = 0
    while await store.turns.claim("w", 60, ["slack", "discord"]):
        count += 1
    return count


async def test_a_follow_up_in_a_thread_waits_for_the_question_that_began_it(store: Store) -> None:
    door = intake(store)
    await asyncio.gather(door.receive(says(SLACK, 0)), door.receive(says(SLACK, 1, mention=False)))
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert [message.platform_id for message in await store.history.asked(claim.turn_id)] == ["100", "101"]


async def test_a_reply_waits_for_what_is_read_back_beside_it(store: Store) -> None:
    door = intake(store)
    await door.receive(says(DISCORD, 0))
    await asyncio.gather(
        door.receive_missed(says(DISCORD, 1, to="100"), DISCORD), door.receive(says(DISCORD, 2, to="101"))
    )
    assert await turns(store) == 1, "all three go on with the first"


async def test_of_a_message_that_is_told_twice_the_second_is_waited_for_too() -> None:
    arriving = Arriving()
    with arriving.taking_in(DISCORD, "100"):
        with arriving.taking_in(DISCORD, "100"):
            waiting = asyncio.create_task(arriving.settled(DISCORD, "100"))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    await arriving.settled(DISCORD, "100")
