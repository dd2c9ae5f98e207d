"""What was read of a message's files lives as long as its words; a file of an answer is known before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import LeaseLost
from bot.messages import Address, Attachment, FileText
from storage import Store
from storage.erasure import Erasure
from storage.export import Export
from storage.records import Claim, StoredMessage, StoredUpload
from tests.storage.people import EPOCH, THREAD, asks, says
from tests.storage.test_inbox import rows

FILE = Attachment("plan.txt", "text/plain", 3, "https://files.example/plan.txt")
READ = (FileText("plan.txt", "the secret plan", cut="only the first 15 characters"),)
QUESTION = says("1", "read this", attachments=(FILE,))


async def running(store: Store) -> Claim:
    await store.inbox.accept(QUESTION, "100.1", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    return claim


def contains(path: Path, words: bytes) -> bool:
    return any(words in file.read_bytes() for file in path.parent.iterdir())


async def said(store: Store, claim: Claim) -> StoredMessage:
    [message] = await store.history.until(claim.turn_id, claim.conversation_id, 0)
    return message


async def test_what_was_read_is_there_at_every_later_turn(store: Store) -> None:
    claim = await running(store)
    message = await said(store, claim)
    assert message.files is None
    assert await store.files.keep_texts(message.id, message.attachments, READ)
    assert (await said(store, claim)).files == READ


async def test_it_stays_when_the_words_are_edited_and_goes_with_the_files_it_was_read_from(store: Store) -> None:
    claim = await running(store)
    message = await said(store, claim)
    await store.files.keep_texts(message.id, message.attachments, READ)
    await store.revisions.edit(replace(QUESTION, text="read that"))
    assert (await said(store, claim)).files == READ
    await store.revisions.edit(replace(QUESTION, attachments=()))
    assert (await said(store, claim)).files is None
    assert not await store.files.keep_texts(message.id, message.attachments, READ)


async def _deleted(store: Store) -> None:
    await store.revisions.delete(THREAD, "1")


async def _forgotten(store: Store) -> None:
    conversation = await store.memory.in_thread(THREAD)
    assert conversation is not None
    await store.memory.forget(conversation)


async def _channel_forgotten(store: Store) -> None:
    await store.memory.forget_channel(Address("slack", "T1", "C1"))


async def _too_old(store: Store) -> None:
    await store.retention.wipe_messages(round(EPOCH.timestamp() * 1e6) + 1)


async def _erased(store: Store) -> None:
    await Erasure(store.database).erase("slack", "U1")


@pytest.mark.parametrize("wipe", [_deleted, _forgotten, _channel_forgotten, _too_old, _erased])
async def test_it_goes_with_the_words_and_does_not_come_back(
    store: Store, path: Path, wipe: Callable[[Store], Awaitable[None]]
) -> None:
    claim = await running(store)
    message = await said(store, claim)
    await store.files.keep_texts(message.id, message.attachments, READ)
    await store.turns.finish(claim, "failed", failure="x")
    await wipe(store)
    assert not await store.files.keep_texts(message.id, message.attachments, READ)
    assert rows(path, "SELECT file_texts, deleted FROM messages") == [(None, 1)]
    await store.retention.scrub()
    assert not contains(path, b"secret plan")


async def test_it_is_part_of_the_export(store: Store) -> None:
    claim = await running(store)
    message = await said(store, claim)
    await store.files.keep_texts(message.id, message.attachments, READ)
    exported = [row async for kind, row in Export(store.database).of_person("slack", "U1") if kind == "message"]
    assert [row["files"] for row in exported] == [READ]


async def test_a_file_is_intended_by_the_one_who_holds_the_turn_and_goes_with_it(store: Store, path: Path) -> None:
    claim = await running(store)
    await store.files.intend_upload(claim, "answer-1.md")
    [intended] = await store.files.uploads(claim.turn_id)
    assert intended == StoredUpload("answer-1.md", "intended", intended.intended_at)
    with pytest.raises(LeaseLost):
        await store.files.intend_upload(replace(claim, attempt=7), "answer-1.md")
    await store.files.settle_upload(claim, "answer-1.md", "sent", "F1")
    [sent] = await store.files.uploads(claim.turn_id)
    assert sent == StoredUpload("answer-1.md", "sent", intended.intended_at, "F1")
    await store.files.settle_upload(claim, "answer-1.md", "taken_back")
    [gone] = await store.files.uploads(claim.turn_id)
    assert gone == StoredUpload("answer-1.md", "taken_back", intended.intended_at, None)
    await store.turns.finish(claim, "answered")
    await store.retention.remove_messages(round(EPOCH.timestamp() * 1e6) + 1)
    assert (await store.retention.remove_turns(2**62)).done == 1
    assert rows(path, "SELECT * FROM uploads") == []
