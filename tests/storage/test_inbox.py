"""Intake: what is stored, what becomes a turn, what is a duplicate."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Address, Attachment
from storage import Store
from storage.new_turns import turn_key
from storage.records import Answer, SentPart
from tests.storage.people import EPOCH, THREAD, asks, keeps, says

CHANNEL = Address("discord", "G1", "C9")


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a look into the file from outside finds."""
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


async def accept(store: Store, *args: object, **kwargs: object) -> tuple[str, int | None]:
    message = says(*args, **kwargs)  # type: ignore[arg-type]
    accepted = await store.inbox.accept(message, message.address.thread or message.id, rule=asks, complete=False)
    return accepted.outcome, accepted.turn_id


async def test_an_addressed_message_is_stored_with_the_turn_that_will_answer_it(store: Store, path: Path) -> None:
    outcome, turn_id = await accept(store, "1")
    assert outcome == "queued"
    assert rows(path, "SELECT platform_id, turn_id, role FROM messages") == [("1", turn_id, "user")]
    assert rows(path, "SELECT id, state, key, thread FROM turns") == [(turn_id, "queued", turn_key(says("1")), "100.1")]


async def test_the_same_message_again_is_a_duplicate_and_changes_nothing(store: Store, path: Path) -> None:
    _, turn_id = await accept(store, "1", "first wording")
    assert await accept(store, "1", "second wording") == ("duplicate", turn_id)
    assert rows(path, "SELECT text FROM messages") == [("first wording",)]
    assert rows(path, "SELECT count(*) FROM turns") == [(1,)]


async def test_the_turns_of_a_channels_messages_are_told_at_once(store: Store) -> None:
    _, first = await accept(store, "1")
    _, joined = await accept(store, "2")
    await store.inbox.accept(says("3"), "3", rule=keeps, complete=False)
    elsewhere = says("1", address=Address("slack", "T1", "elsewhere", "1"))
    await store.inbox.accept(elsewhere, "1", rule=asks, complete=False)
    place = replace(says("1").address, thread=None)
    assert await store.inbox.turns_of(place, ["1", "2", "3", "4"]) == {"1": first, "2": joined}
    assert await store.inbox.turns_of(place, []) == {}


async def test_the_event_that_comes_second_brings_the_files_the_first_lacked(store: Store, path: Path) -> None:
    file = Attachment("plan.pdf", "application/pdf", 9, "https://files/plan.pdf")
    await accept(store, "1", "read this")
    await store.inbox.accept(replace(says("1"), attachments=(file,)), "100.1", rule=asks, complete=False)
    [(files,)] = rows(path, "SELECT attachments FROM messages")
    assert "plan.pdf" in str(files)
    assert rows(path, "SELECT revision FROM turns") == [(1,)]
    other = replace(file, name="other.pdf")
    await store.inbox.accept(replace(says("1"), attachments=(other,)), "100.1", rule=asks, complete=False)
    assert rows(path, "SELECT attachments FROM messages") == [(files,)]


async def test_files_that_an_edit_took_away_do_not_come_back_with_a_redelivery(store: Store, path: Path) -> None:
    file = Attachment("plan.pdf", "application/pdf", 9, "https://files/plan.pdf")
    told = replace(says("1"), attachments=(file,))
    await store.inbox.accept(told, "100.1", rule=asks, complete=False)
    await store.revisions.edit(replace(told, attachments=(), edited=True))
    await store.inbox.accept(told, "100.1", rule=asks, complete=False)
    assert rows(path, "SELECT attachments, revision FROM messages JOIN turns ON turns.id = turn_id") == [("[]", 1)]


async def test_the_same_id_in_another_channel_is_another_message(store: Store) -> None:
    await accept(store, "1")
    assert (await accept(store, "1", address=replace(THREAD, channel="C2")))[0] == "queued"


async def test_a_message_that_wants_no_answer_is_kept_without_a_turn(store: Store, path: Path) -> None:
    accepted = await store.inbox.accept(says("1"), "100.1", rule=keeps, complete=False)
    assert (accepted.outcome, accepted.turn_id) == ("stored", None)
    assert rows(path, "SELECT count(*) FROM turns") == [(0,)]
    again = await store.inbox.accept(says("1"), "100.1", rule=keeps, complete=False)
    assert again.outcome == "duplicate"


async def test_a_message_known_as_context_gets_its_turn_when_it_wants_an_answer(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=keeps, complete=False)
    outcome, turn_id = await accept(store, "1")
    assert outcome == "queued"
    assert rows(path, "SELECT turn_id FROM messages") == [(turn_id,)]
    assert await accept(store, "1") == ("duplicate", turn_id)


async def test_a_deleted_context_message_gets_no_turn_any_more(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=keeps, complete=False)
    await store.revisions.delete(THREAD, "1")
    assert await accept(store, "1") == ("duplicate", None)
    assert rows(path, "SELECT count(*) FROM turns") == [(0,)]


async def test_questions_before_the_turn_begins_join_it_and_later_ones_form_the_next(store: Store) -> None:
    _, first = await accept(store, "1", at=1)
    assert await accept(store, "2", at=2) == ("joined", first)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    outcome, second = await accept(store, "3", at=3)
    assert outcome == "queued"
    assert await accept(store, "4", at=4) == ("joined", second)


async def test_a_turn_that_was_handed_back_is_not_joined(store: Store) -> None:
    """Part of its answer may be visible: a question it never saw must get an answer of its own."""
    _, first = await accept(store, "1")
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.release(claim)
    outcome, second = await accept(store, "2", at=1)
    assert outcome == "queued"
    assert second != first


async def test_the_answer_goes_to_the_thread_of_the_latest_question(store: Store) -> None:
    channel = Address("discord", "G1", "C9")
    await store.inbox.accept(says("7", at=1, address=channel), "7", rule=asks, complete=True)
    in_thread = says("8", at=2, address=replace(channel, thread="7"))
    assert (await store.inbox.accept(in_thread, "7", rule=asks, complete=False)).outcome == "joined"
    # A question that was asked earlier and came later does not move it back.
    late = says("6", at=0, address=channel)
    assert (await store.inbox.accept(late, "7", rule=asks, complete=False)).outcome == "joined"
    claim = await store.turns.claim("w", 60, ["discord"])
    assert claim is not None
    assert claim.address == replace(channel, thread="7")


async def test_a_conversation_says_whether_it_is_direct_and_complete(store: Store) -> None:
    dm = Address("slack", "T1", "D1")
    await store.inbox.accept(says("1", address=dm, direct=True), "", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert (claim.direct, claim.complete, claim.root, claim.address) == (True, True, "", dm)


async def test_a_conversation_is_known_once_something_was_accepted_in_it(store: Store) -> None:
    assert (await store.inbox.standing(THREAD, "100.1", "2")).began is None
    await accept(store, "1")
    assert (await store.inbox.standing(THREAD, "100.1", "2")).began == int(EPOCH.timestamp()) * 1_000_000
    assert (await store.inbox.standing(replace(THREAD, workspace="T2"), "100.1", "2")).began is None


async def test_who_spoke_lately_is_told_the_latest_first_without_the_message_that_comes_in(store: Store) -> None:
    await accept(store, "1")
    await accept(store, "2")
    spoken = (await store.inbox.standing(THREAD, "100.1", "2")).spoken
    assert [(each.role, each.author_id, each.turn_id is not None) for each in spoken] == [("user", "U1", True)]


async def test_the_root_is_found_by_a_question_by_an_answer_and_by_any_part_of_one(store: Store) -> None:
    await store.inbox.accept(says("q", address=CHANNEL), "q", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["discord"])
    assert claim is not None
    for number, platform_id in ((1, "a1"), (2, "a2")):
        await store.turns.intend_part(claim, number)
        await store.turns.confirm_part(claim, SentPart(number, platform_id))
    assert await store.inbox.root_of(CHANNEL, "a2") == "q"
    await store.turns.finish(claim, "answered", answer=Answer("a1", "B", "Parley", "hi"))
    assert [await store.inbox.root_of(CHANNEL, i) for i in ("q", "a1", "a2", "other")] == ["q", "q", "q", None]
    assert await store.inbox.root_of(replace(CHANNEL, channel="C8"), "a2") is None


async def test_what_was_said_before_is_remembered_once_with_its_roles(store: Store, path: Path) -> None:
    await accept(store, "3", at=3)
    earlier = [says("1", "morning", at=1), says("2", "mine", at=2, author="BOT"), says("3", "changed", at=3)]
    for _ in range(2):
        await store.inbox.remember(1, earlier, "BOT")
    assert rows(path, "SELECT platform_id, role, text, turn_id FROM messages ORDER BY position") == [
        ("1", "user", "morning", None),
        ("2", "assistant", "mine", None),
        ("3", "user", "hello", 1),
    ]
    assert rows(path, "SELECT complete FROM conversations") == [(1,)]


async def test_remembering_nothing_still_completes_the_conversation(store: Store) -> None:
    await accept(store, "1")
    await store.inbox.remember(1, [], "BOT")
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert claim.complete


async def test_an_answer_of_ours_that_is_known_as_context_never_becomes_a_question(store: Store) -> None:
    await accept(store, "2", at=2)
    await store.inbox.remember(1, [says("1", at=1, author="BOT")], "BOT")
    assert await accept(store, "1", at=1) == ("duplicate", None)


async def test_the_cursor_of_each_thread_is_its_newest_message_in_whatever_order_they_come(
    store: Store, path: Path
) -> None:
    for message_id, at in (("2", 2.0), ("3", 3.0), ("1", 1.0)):
        await accept(store, message_id, at=at)
    await store.inbox.accept(says("9", address=CHANNEL, at=9), "9", rule=asks, complete=True)
    micros = int(EPOCH.timestamp()) * 1_000_000
    assert rows(path, "SELECT platform, channel, thread, platform_id, position FROM cursors ORDER BY platform") == [
        ("discord", "C9", "", "9", micros + 9_000_000),
        ("slack", "C1", "100.1", "3", micros + 3_000_000),
    ]


@pytest.mark.parametrize("bad", ["half \ud83d", "null \0 byte"])
async def test_what_no_database_takes_in_a_text_is_replaced_and_found_again(store: Store, bad: str) -> None:
    file = Attachment(bad, "text/plain", 3, "https://files.example/a")
    message = replace(says(bad, bad, attachments=(file,)), address=replace(THREAD, thread=bad))
    accepted = await store.inbox.accept(message, bad, rule=asks, complete=True)
    again = await store.inbox.accept(message, bad, rule=asks, complete=True)
    assert (accepted.outcome, again.outcome) == ("queued", "duplicate")
    assert await store.inbox.root_of(message.address, bad) is not None
    [stored] = await store.history.until(accepted.turn_id or 0, 1, 0)
    stored.text.encode()
    assert stored.text == bad.replace("\ud83d", "\ufffd").replace("\0", "\ufffd")
    stored.attachments[0].name.encode()


def test_a_turns_key_depends_on_the_messages_identity_alone() -> None:
    key = turn_key(says("1", "a", at=1, author="U1"))
    assert key == turn_key(replace(says("1", "b", at=2, author="U2"), address=replace(THREAD, thread=None)))
    assert key != turn_key(says("1"), again="7")
    assert len(key) == 20
    assert len({key, turn_key(says("2")), turn_key(says("1", address=replace(THREAD, channel="C2")))}) == 3
