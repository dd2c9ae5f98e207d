"""A message that is told of twice costs the database nothing the second time, and nothing that is new in it is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.counts import database_traffic
from bot.messages import Address, Attachment, Author, IncomingMessage
from bot.repeats import MOST_REMEMBERED, Repeats
from storage import Store
from tests.intake import intake

ADA = Author("U1", "Ada")
PLACE = Address("slack", "T1", "C1", "100")
ASKED = IncomingMessage(PLACE, "100", ADA, "so", mentions_bot=True, sent_at=datetime.now(UTC))
FILE = Attachment("notes.txt", "text/plain", 3, "https://files.slack.com/notes.txt")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


async def test_the_second_event_of_a_mention_asks_the_database_nothing(store: Store) -> None:
    door = intake(store)
    await door.receive(ASKED)
    with database_traffic() as traffic:
        await door.receive(ASKED)
    assert not traffic
    assert await store.turns.open_count() == 1


async def test_a_second_event_that_brings_a_file_is_looked_at(store: Store) -> None:
    door = intake(store)
    await door.receive(ASKED)
    await door.receive(replace(ASKED, attachments=(FILE,)))
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert [message.attachments for message in await store.history.asked(claim.turn_id)] == [(FILE,)]


async def test_what_was_only_overheard_may_be_asked_by_a_second_event(store: Store) -> None:
    door = intake(store)
    await door.receive(ASKED)
    follow_up = replace(ASKED, id="101", mentions_bot=False)
    await store.inbox.remember(1, [follow_up], "B1")
    await door.receive(replace(follow_up, mentions_bot=True))
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert [message.platform_id for message in await store.history.asked(claim.turn_id)] == ["100", "101"]


def test_the_oldest_is_forgotten_first() -> None:
    repeats = Repeats()
    for number in range(MOST_REMEMBERED + 1):
        repeats.add(replace(ASKED, id=str(number)))
    assert not repeats.has(replace(ASKED, id="0"))
    assert repeats.has(replace(ASKED, id="1"))
    assert not repeats.has(replace(ASKED, id="1", edited=True))
