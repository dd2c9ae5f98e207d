"""Forgetting: the words are gone, each message stays known, and nothing that was under way brings them back."""

from __future__ import annotations

from pathlib import Path

from bot.messages import Address, Attachment
from storage import Store, memory
from storage.records import Answer, Remembered, Ruling
from tests.storage.people import THREAD, asks, keeps, says
from tests.storage.test_inbox import rows

CHANNEL = Address("slack", "T1", "C1")
FILE = Attachment("plan.pdf", "application/pdf", 3, "https://files.example/plan.pdf")


def commands() -> Ruling:
    return Ruling("command", '{"name": "forget"}', aside=True)


async def asked(store: Store, message_id: str, at: float = 0.0, thread: str = "100.1") -> None:
    place = Address("slack", "T1", "C1", thread)
    question = says(message_id, f"secret {message_id}", at=at, address=place, attachments=(FILE,))
    await store.inbox.accept(question, thread, rule=asks, complete=False)


async def here(store: Store) -> Remembered:
    found = await store.memory.in_thread(THREAD)
    assert found is not None
    return found


async def test_a_forgotten_message_is_known_and_has_no_words_whatever_is_told_of_it_again(
    store: Store, path: Path
) -> None:
    await asked(store, "1")
    assert await store.memory.forget(await here(store)) == 1
    again = says("1", "secret 1", attachments=(FILE,))
    assert (await store.inbox.accept(again, "100.1", rule=asks, complete=False)).outcome == "duplicate"
    assert (await store.revisions.edit(again)).outcome == "stale"
    assert rows(path, "SELECT text, attachments, deleted FROM messages") == [("", "[]", 1)]
    assert rows(path, "SELECT state FROM turns") == [("cancelled",)]
    assert await store.memory.forget(await here(store)) == 0


async def test_an_answer_that_is_being_written_is_not_stored_and_leaves_no_outcome(store: Store, path: Path) -> None:
    await asked(store, "1")
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.keep_outcome(claim, "the secret")
    await store.memory.forget(await here(store))
    assert rows(path, "SELECT outcome FROM turns") == [(None,)]
    await store.turns.finish(claim, "answered", answer=Answer("a1", "B", "Parley", "your secret"))
    assert rows(path, "SELECT role, text, deleted FROM messages ORDER BY id") == [("user", "", 1), ("assistant", "", 1)]


async def test_what_was_being_read_of_the_thread_does_not_come_in_afterwards(store: Store, path: Path) -> None:
    await asked(store, "2", at=2)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None and not claim.complete
    await store.memory.forget(await here(store))
    await store.inbox.remember(claim.conversation_id, [says("1", "from before", at=1)], "B")
    assert rows(path, "SELECT platform_id FROM messages") == [("2",)]
    assert rows(path, "SELECT complete FROM conversations") == [(1,)]


async def test_a_wish_in_a_message_reaches_back_from_there_and_leaves_what_came_after_it(
    store: Store, path: Path
) -> None:
    await asked(store, "1", at=1)
    wish = says("2", "!forget all that", at=2)
    queued = await store.inbox.accept(wish, "100.1", rule=commands, complete=False)
    await asked(store, "3", at=3)
    assert queued.turn_id is not None
    assert await store.memory.cancel_before(queued.turn_id) == 1
    conversation = await store.memory.of_message(THREAD, "2")
    assert conversation is not None and conversation.turn_id == queued.turn_id
    assert await store.memory.forget(conversation) == 1
    assert rows(path, "SELECT platform_id, text, deleted FROM messages ORDER BY id") == [
        ("1", "", 1), ("2", "", 0), ("3", "secret 3", 0),
    ]  # fmt: skip
    assert rows(path, "SELECT state FROM turns ORDER BY id") == [("cancelled",), ("queued",), ("queued",)]


async def test_a_channel_is_forgotten_with_all_its_threads_and_no_other_channel(store: Store, path: Path) -> None:
    for number in range(3):
        await asked(store, str(number), thread=f"10{number}.1")
    elsewhere = Address("slack", "T1", "C2", "1.1")
    await store.inbox.accept(says("e", "stays", address=elsewhere), "1.1", rule=asks, complete=True)
    assert await store.memory.forget_channel(CHANNEL) == 3
    assert rows(path, "SELECT platform_id FROM messages WHERE text != ''") == [("e",)]
    assert rows(path, "SELECT state, count(*) FROM turns GROUP BY state") == [("cancelled", 3), ("queued", 1)]


async def test_more_messages_than_one_transaction_takes_are_all_forgotten(store: Store, path: Path) -> None:
    many = memory.AT_ONCE * 2 + 1
    await asked(store, "q", at=-1)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    # Some of one moment, so that a page ends in the middle of it.
    await store.inbox.remember(claim.conversation_id, [says(str(n), at=n // 7) for n in range(many - 1)], "B")
    assert await store.memory.forget(await here(store)) == many
    await store.inbox.accept(says("later", at=1_000), "100.1", rule=keeps, complete=True)
    assert await store.memory.forget_channel(CHANNEL) == 1
    assert rows(path, "SELECT count(*) FROM messages WHERE deleted") == [(many + 1,)]


async def test_somebody_has_spoken_where_they_said_something_and_not_where_they_only_gave_a_command(
    store: Store,
) -> None:
    await asked(store, "1")
    await store.inbox.accept(says("2", "!show", author="U2", at=1), "100.1", rule=commands, complete=True)
    conversation = await here(store)
    assert await store.memory.spoken_in(conversation, "U1")
    assert not await store.memory.spoken_in(conversation, "U2")


async def test_what_was_wiped_is_in_none_of_the_files(store: Store, path: Path) -> None:
    long = "unforgettable " * 2_000  # fills pages of its own
    await store.inbox.accept(says("1", long), "100.1", rule=asks, complete=True)
    await store.inbox.accept(says("2", "unforgettable", at=1), "100.1", rule=keeps, complete=True)
    await store.memory.forget(await here(store))
    assert b"unforgettable" not in b"".join(file.read_bytes() for file in path.parent.glob("parley.db*"))
