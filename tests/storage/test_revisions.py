"""Edits and deletions: what is stored of them, and that what answers an older wording is neither kept nor an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import LeaseLost, QuestionChanged
from bot.messages import Attachment, IncomingMessage
from storage import Store
from storage.new_turns import turn_for
from storage.records import Revised, Ruling, TurnState
from tests.storage.people import EPOCH, THREAD, asks, keeps, says
from tests.storage.test_inbox import rows
from tests.storage.test_turns import ANSWER, USED, ask, take

FILE = Attachment("a.txt", "text/plain", 3, "https://files.example/a?signed=1")


def edited(message_id: str, text: str, at: float = 10.0, files: tuple[Attachment, ...] = ()) -> IncomingMessage:
    """A message as it was worded `at` seconds after nine."""
    moment = EPOCH + timedelta(seconds=at)
    return replace(says(message_id, text, attachments=files), edited=True, edited_at=moment)


async def words(store: Store, turn_id: int) -> list[str]:
    return [message.text for message in await store.history.until(turn_id, 1, 0)]


async def test_an_edit_changes_the_wording_and_the_files(store: Store) -> None:
    turn_id = await ask(store, "1")
    assert await store.revisions.edit(edited("1", "the", files=(FILE,))) == Revised("changed", turn_id, revision=1)
    [message] = await store.history.until(turn_id, 1, 0)
    assert (message.text, message.attachments) == ("the", (FILE,))
    assert message.edited_at == int(EPOCH.timestamp() + 10) * 1_000_000


async def test_an_edit_of_an_unknown_message_or_of_an_answer_is_none(store: Store) -> None:
    assert await store.revisions.edit(edited("1", "hi")) == Revised("unknown")
    await ask(store, "2")
    await store.inbox.remember(1, [says("1", author="BOT")], "BOT")
    assert await store.revisions.edit(edited("1", "other words")) == Revised("unknown")


async def test_a_deleted_message_is_forgotten_and_an_edit_that_comes_after_does_not_bring_it_back(
    store: Store, path: Path
) -> None:
    turn_id = await ask(store, "1")
    assert await store.revisions.delete(THREAD, "1") == Revised("changed", turn_id, revision=1)
    assert await store.revisions.edit(edited("1", "a secret, edited")) == Revised("stale", turn_id)
    assert rows(path, "SELECT text, attachments, deleted FROM messages") == [("", "[]", 1)]
    assert await store.history.until(turn_id, 1, 0) == []
    again = await store.inbox.accept(says("1", "a secret"), "100.1", rule=asks, complete=True)
    assert (again.outcome, again.turn_id) == ("duplicate", turn_id)
    assert await store.revisions.delete(THREAD, "1") == Revised("same", turn_id)
    assert await store.revisions.delete(THREAD, "unknown") == Revised("unknown")


async def test_edits_hold_in_the_order_they_were_made_however_they_come(store: Store) -> None:
    turn_id = await ask(store, "1")
    assert (await store.revisions.edit(edited("1", "third", at=3))).revision == 1
    assert await store.revisions.edit(edited("1", "second", at=2)) == Revised("stale", turn_id)
    assert await store.revisions.edit(edited("1", "third", at=3)) == Revised("same", turn_id)
    assert (await store.revisions.edit(edited("1", "fourth", at=3))).revision == 2  # Slack counts whole seconds
    assert await words(store, turn_id) == ["fourth"]


async def test_an_edit_without_its_time_is_taken_for_the_newest(store: Store) -> None:
    turn_id = await ask(store, "1")
    await store.revisions.edit(edited("1", "first", at=3))
    assert (await store.revisions.edit(replace(edited("1", "second"), edited_at=None))).outcome == "changed"
    assert await words(store, turn_id) == ["second"]


async def test_files_whose_addresses_alone_are_new_are_the_same_files(store: Store) -> None:
    turn_id = await ask(store, "1")
    await store.revisions.edit(edited("1", "see", files=(FILE,)))
    renewed = replace(FILE, url="https://files.example/a?signed=2")
    assert await store.revisions.edit(edited("1", "see", files=(renewed,))) == Revised("same", turn_id)
    [message] = await store.history.until(turn_id, 1, 0)
    assert message.attachments == (renewed,)


async def test_what_answers_an_older_wording_is_neither_kept_nor_the_end_of_the_turn(store: Store, path: Path) -> None:
    await ask(store, "1")
    claim = await take(store)
    await store.turns.keep_outcome(claim, "{}")
    await store.revisions.edit(edited("1", "other words"))
    assert rows(path, "SELECT outcome FROM turns") == [(None,)]
    with pytest.raises(QuestionChanged):
        await store.turns.keep_outcome(claim, "{}")
    with pytest.raises(QuestionChanged):
        await store.turns.intend_part(claim, 1, "{}")
    with pytest.raises(QuestionChanged):
        await store.turns.finish(claim, "answered", answer=ANSWER)
    assert rows(path, "SELECT state, outcome FROM turns") == [("running", None)]
    assert rows(path, "SELECT count(*) FROM messages WHERE role = 'assistant'") == [(0,)]
    anew = replace(claim, revision=await store.turns.begin_again(claim, USED))
    await store.turns.finish(anew, "answered", answer=ANSWER, used=USED)
    assert rows(path, "SELECT state FROM turns") == [("answered",)]
    assert rows(path, "SELECT completion_tokens FROM usage") == [(20,), (20,)]


async def test_who_lost_its_lease_does_not_begin_again(store: Store) -> None:
    await ask(store, "1")
    claim = await take(store, lease=-1)
    await take(store, "another")
    await store.revisions.edit(edited("1", "other words"))
    with pytest.raises(LeaseLost):
        await store.turns.begin_again(claim, USED)
    with pytest.raises(LeaseLost):
        await store.turns.finish(claim, "answered", answer=ANSWER)


async def test_the_next_owner_of_a_turn_takes_it_as_it_is_asked_now(store: Store) -> None:
    turn_id = await ask(store, "1")
    first = await take(store, lease=-1)
    await store.turns.keep_outcome(first, "{}")
    await store.revisions.edit(edited("1", "other words"))
    second = await take(store)
    assert (second.revision, second.outcome) == (1, None)
    assert await store.turns.revisions([turn_id, 99]) == {turn_id: 1}


@pytest.mark.parametrize("state", ["answered", "failed"])
async def test_an_edit_after_the_end_changes_the_words_and_says_whose_end(store: Store, state: TurnState) -> None:
    turn_id = await ask(store, "1")
    await store.turns.finish(await take(store), state)
    assert await store.revisions.edit(edited("1", "other words")) == Revised("changed", turn_id, answered=True)
    assert "other words" in await words(store, turn_id)


async def test_a_question_turned_to_somebody_else_leaves_its_turn_and_stays_in_the_conversation(store: Store) -> None:
    first = await ask(store, "1")
    await ask(store, "2", at=1)
    revised = await store.revisions.edit(edited("1", "@Bob, what do you say?"), asks=False)
    assert revised == Revised("changed", first, revision=1)
    said = await store.history.until(first, 1, 0)
    assert [(m.platform_id, m.turn_id) for m in said] == [("1", None), ("2", first)]


async def test_one_that_was_answered_stays_answered_whomever_it_is_turned_to(store: Store, path: Path) -> None:
    turn_id = await ask(store, "1")
    await store.turns.finish(await take(store), "answered", answer=ANSWER)
    await store.revisions.edit(edited("1", "@Bob, what do you say?"), asks=False)
    assert rows(path, "SELECT turn_id FROM messages WHERE platform_id = '1'") == [(turn_id,)]


async def test_a_question_taken_back_by_an_edit_can_be_asked_again_by_another(store: Store, path: Path) -> None:
    first = await ask(store, "1")
    await store.revisions.edit(edited("1", "@Bob, what do you say?"), asks=False)
    await store.turns.finish(replace(await take(store), revision=1), "cancelled")
    back = edited("1", "what do you say?", at=20)
    await store.revisions.edit(back)
    accepted = await store.inbox.accept(back, "100.1", rule=asks, complete=True)
    assert accepted.outcome == "queued"
    assert accepted.turn_id != first
    assert await words(store, accepted.turn_id or 0) == ["what do you say?"]
    [(one,), (other,)] = rows(path, "SELECT key FROM turns")
    assert one != other


async def test_a_message_that_asks_again_and_again_by_edits_of_one_moment_has_a_turn_each_time(store: Store) -> None:
    await ask(store, "1")
    again, anew = edited("1", "what do you say?", at=20), Ruling("command", "{}")
    ids = [await store.database.write(turn_for, again, 1, 0, anew) for _ in range(3)]
    assert len({1, *(accepted.turn_id for accepted in ids)}) == 4
    assert {accepted.outcome for accepted in ids} == {"queued"}


async def test_a_message_kept_as_context_becomes_a_question_once_it_asks(store: Store) -> None:
    await store.inbox.accept(says("1", "morning"), "100.1", rule=keeps, complete=True)
    now_asks = edited("1", "what is new?")
    assert await store.revisions.edit(now_asks) == Revised("changed")
    for outcome in ("queued", "duplicate"):
        accepted = await store.inbox.accept(now_asks, "100.1", rule=asks, complete=True)
        assert accepted.outcome == outcome
    assert await words(store, accepted.turn_id or 0) == ["what is new?"]


async def test_a_command_is_carried_out_whatever_becomes_of_its_words(store: Store) -> None:
    command = Ruling("command", "{}", aside=True)
    await store.inbox.accept(says("1", "!show"), "100.1", rule=lambda: command, complete=True)
    claim = await take(store)
    assert await store.revisions.edit(edited("1", "!reset model")) == Revised("unknown")
    assert await store.revisions.delete(THREAD, "1") == Revised("changed", claim.turn_id)
    await store.turns.finish(claim, "answered")


async def test_a_word_why_not_goes_with_the_question_it_is_about(store: Store) -> None:
    notice = Ruling("notice", "That was a lot at once.")
    await store.inbox.accept(says("1"), "100.1", rule=lambda: notice, complete=True)
    claim = await take(store)
    assert (await store.revisions.edit(edited("1", "other words"))).revision is None
    assert (await store.revisions.delete(THREAD, "1")).revision == claim.revision + 1
