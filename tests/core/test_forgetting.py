"""`/parley forget`: whose wish counts where, and what is said about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.engine import Engine
from bot.forgetting import Forgetting
from bot.messages import Address, Author, CommandInvoked
from bot.settings import Settings
from storage import Store
from storage.records import Ruling
from tests.storage.people import asks, keeps, says

CHANNEL = Address("slack", "T1", "C1")
THREAD = Address("discord", "G1", "C1", "77")
ALONE = Address("slack", "T1", "D1")
ADMIN = Author("U9", "Ada", is_admin=True)
MEMBER = Author("U1", "Bob")
STRANGER = Author("U2", "Eve")
SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield store
    await store.close()


@pytest.fixture
async def forgetting(store: Store) -> AsyncIterator[Forgetting]:
    async def leave(_: object) -> None:
        """No turn runs here."""

    life = store.begin_work()
    engine = Engine(store.turns, life, leave, [], concurrency=1, lease_seconds=60)
    yield Forgetting(store.memory, store.controls, engine, SETTINGS)
    life.end()


def wish(author: Author, address: Address, *, in_message: str = "") -> CommandInvoked:
    return CommandInvoked(address, author, "forget", id=in_message, in_message=bool(in_message))


def commands() -> Ruling:
    return Ruling("command", "{}", aside=True)


async def said(store: Store, message_id: str, address: Address, *, direct: bool = False) -> None:
    message = says(message_id, address=address, direct=direct)
    await store.inbox.accept(message, address.thread or "", rule=keeps, complete=True)


async def test_a_whole_channel_is_for_admins_and_the_channel_is_told(store: Store, forgetting: Forgetting) -> None:
    await said(store, "1", CHANNEL)
    refused = await forgetting.run(wish(MEMBER, CHANNEL))
    assert "Only admins" in refused.answer.text and "write `!forget` in it" in refused.answer.text
    assert not refused.notice
    done = await forgetting.run(wish(ADMIN, CHANNEL))
    assert done.answer.text.startswith("I've forgotten 1 message of this channel. What stands in Slack itself stays")
    assert done.notice.startswith("I've forgotten 1 message of this channel, as Ada wished.")
    [line] = await store.controls.audit(0, 10)
    assert (line.action, line.name, line.after, line.author_id) == ("forget", "channel", "1 message", "U9")
    again = await forgetting.run(wish(ADMIN, CHANNEL))
    assert "nothing left" in again.answer.text and not again.notice


async def test_a_direct_conversation_is_its_persons_own_and_nobody_else_is_told(
    store: Store, forgetting: Forgetting
) -> None:
    await said(store, "1", ALONE, direct=True)
    done = await forgetting.run(wish(MEMBER, ALONE))
    assert done.answer.text.startswith("I've forgotten 1 message of this conversation.") and not done.notice


async def test_a_thread_is_for_those_who_spoke_in_it_and_for_admins(store: Store, forgetting: Forgetting) -> None:
    await said(store, "1", THREAD)
    refused = await forgetting.run(wish(STRANGER, THREAD))
    assert "forgotten nothing" in refused.answer.text
    done = await forgetting.run(wish(MEMBER, THREAD))
    assert "1 message of this conversation" in done.answer.text
    await said(store, "2", THREAD)
    assert "1 message of this" in (await forgetting.run(wish(ADMIN, THREAD))).answer.text


async def test_where_nothing_is_known_there_is_nothing_to_forget(forgetting: Forgetting) -> None:
    for address, message in ((CHANNEL, ""), (THREAD, ""), (THREAD, "5")):
        told = await forgetting.run(wish(ADMIN, address, in_message=message))
        assert "nothing left" in told.answer.text


async def test_only_the_wish_of_somebody_who_may_ends_what_waits(store: Store, forgetting: Forgetting) -> None:
    await store.inbox.accept(says("1", address=THREAD), "77", rule=asks, complete=True)
    for message_id, author, left in (("2", "U2", 2), ("3", "U1", 1)):
        message = says(message_id, "!forget", address=THREAD, author=author, at=int(message_id))
        queued = await store.inbox.accept(message, "77", rule=commands, complete=True)
        assert queued.turn_id is not None
        await forgetting.at_once(message, queued.turn_id)
        assert await store.turns.open_count() == left
