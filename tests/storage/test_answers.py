"""What is stored when somebody presses a button: found by any message, done once, and in the conversation's order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Address, Author
from storage import Store
from storage.answers import ONE_PRESS_SECONDS, stands_below
from storage.records import Answer, Claim, SentPart, Summary, micros_of
from tests.storage.people import THREAD, asks, says
from tests.storage.test_inbox import rows
from tests.storage.test_turns import take

ADA = Author("U1", "Ada")
LATER = micros_of(ONE_PRESS_SECONDS)


async def answered(store: Store, message_id: str = "q", *parts: str, text: str = "the answer") -> Claim:
    """A question that was asked, and its answer in as many messages."""
    await store.inbox.accept(says(message_id), "100.1", rule=asks, complete=True)
    claim = await take(store)
    await shown(store, claim, *(parts or (f"{message_id}-1",)), text=text)
    return claim


async def shown(store: Store, claim: Claim, *parts: str, text: str = "the answer") -> None:
    for number, part in enumerate(parts, 1):
        await store.turns.intend_part(claim, number)
        await store.turns.confirm_part(claim, SentPart(number, part))
    await store.turns.finish(claim, "answered", answer=Answer(parts[0], "B", "Parley", text))


async def said(store: Store, claim: Claim) -> list[str]:
    return [m.text for m in await store.history.until(claim.turn_id + 9, claim.conversation_id, 0)]


def some_time_ago(path: Path) -> None:
    """Let the last press be older than what counts as the same moment."""
    rows(path, f"UPDATE turns SET not_before = not_before - {LATER:d}")  # noqa: S608 - a number


async def test_an_answer_is_found_by_any_of_its_messages_in_its_channel_alone(store: Store) -> None:
    claim = await answered(store, "q", "a1", "a2")
    for part in ("a1", "a2"):
        found = await store.answers.of_message(THREAD, part)
        assert found is not None
        assert (found.turn_id, found.address, found.askers, found.last_id) == (claim.turn_id, THREAD, ("U1",), "a2")
        assert (found.state, found.kind) == ("answered", "answer")
    assert await store.answers.of_message(Address("slack", "T1", "C2"), "a1") is None
    assert await store.answers.of_message(THREAD, "nobody's") is None
    assert await store.answers.of_turn(claim.turn_id + 1) is None


async def test_the_old_answer_is_remembered_until_the_new_one_is_there(store: Store, path: Path) -> None:
    claim = await answered(store, "q", "a1", "a2", text="old")
    await store.ratings.toggle(claim.turn_id, "slack", "U2", 1)
    assert await store.answers.again(claim.turn_id, "p1") == "queued"
    assert await said(store, claim) == ["hello", "old"]
    again = await take(store)
    assert await store.answers.remembered(again.turn_id) == "old"
    # The model that is asked anew does not read it.
    assert [m.text for m in await store.history.until(again.turn_id, again.conversation_id, 0)] == ["hello"]
    assert [m.text for m in await store.history.until(again.turn_id, again.conversation_id, LATER**2)] == ["hello"]
    assert rows(path, "SELECT count(*) FROM ratings") == [(1,)]
    assert (again.turn_id, again.key, again.pressed) == (claim.turn_id, claim.key, "p1")
    assert again.attempt == claim.attempt + 1
    assert [part.platform_id for part in await store.turns.parts(again.turn_id)] == ["a1", "a2"]
    await shown(store, again, "a1", text="new")
    assert await said(store, claim) == ["hello", "new"]
    assert rows(path, "SELECT count(*) FROM ratings") == [(0,)]


async def test_an_answer_stays_remembered_where_none_came_in_its_place(store: Store, path: Path) -> None:
    claim = await answered(store, "q", "a1", text="old")
    await store.ratings.toggle(claim.turn_id, "slack", "U2", 1)
    await store.answers.again(claim.turn_id, "p1")
    await store.turns.finish(await take(store), "failed", failure="ModelUnavailable")
    assert await said(store, claim) == ["hello", "old"]
    assert rows(path, "SELECT count(*) FROM ratings") == [(1,)]


async def test_one_press_told_twice_and_two_of_one_moment_are_one(store: Store, path: Path) -> None:
    claim = await answered(store)
    came = await asyncio.gather(*(store.answers.again(claim.turn_id, press) for press in ("p1", "p1", "p2")))
    assert came.count("queued") == 1
    await shown(store, await take(store), "q-1")
    assert await store.answers.again(claim.turn_id, "p3") == "repeated"
    some_time_ago(path)
    assert await store.answers.again(claim.turn_id, "p1") == "repeated"
    assert await store.answers.again(claim.turn_id, "p4") == "queued"


async def test_an_answer_under_way_is_not_asked_for_again_and_one_without_a_question_never(store: Store) -> None:
    await store.inbox.accept(says("q"), "100.1", rule=asks, complete=True)
    claim = await take(store)
    assert await store.answers.again(claim.turn_id, "p1") == "busy"
    assert await store.answers.go_on(claim.turn_id, ADA, "Go on.") == "unasked"
    await shown(store, claim, "a1")
    await store.revisions.delete(THREAD, "q")
    assert await store.answers.again(claim.turn_id, "p1") == "unasked"
    assert await store.answers.go_on(claim.turn_id, ADA, "Go on.") == "unasked"
    assert await store.answers.again(99, "p1") == "unasked"


async def test_an_answer_that_is_asked_for_again_waits_for_a_later_one_that_runs(store: Store) -> None:
    first = await answered(store, "q1")
    await store.inbox.accept(says("q2", at=1), "100.1", rule=asks, complete=True)
    later = await take(store)
    assert await store.answers.again(first.turn_id, "p1") == "queued"
    assert await store.turns.claim("w", 60, ["slack"]) is None
    await shown(store, later, "q2-1")
    assert (await take(store)).turn_id == first.turn_id


async def test_it_waits_since_it_was_pressed_not_since_it_was_asked(store: Store, path: Path) -> None:
    claim = await answered(store)
    rows(path, "UPDATE turns SET created_at = 1")
    await store.answers.again(claim.turn_id, "p1")
    waiting = (await store.turns.backlog()).waiting_since
    assert waiting is not None and waiting > 1


async def test_an_answer_is_gone_on_with_once_below_its_last_message(store: Store) -> None:
    claim = await answered(store, "q", "a1", "a2")
    came = await asyncio.gather(*(store.answers.go_on(claim.turn_id, ADA, "Go on.") for _ in range(3)))
    assert sorted(came) == ["queued", "repeated", "repeated"]
    going_on = await take(store)
    assert going_on.turn_id > claim.turn_id
    assert (going_on.conversation_id, going_on.address) == (claim.conversation_id, claim.address)
    [asked] = await store.history.asked(going_on.turn_id)
    assert (asked.author_id, asked.author_name, asked.text) == ("U1", "Ada", "Go on.")
    assert stands_below(asked.platform_id) == "a2"
    assert await said(store, claim) == ["hello", "the answer", "Go on."]


async def test_a_new_wording_can_be_gone_on_with_once_more(store: Store, path: Path) -> None:
    claim = await answered(store)
    assert await store.answers.go_on(claim.turn_id, ADA, "Go on.") == "queued"
    await store.turns.finish(await take(store), "answered")
    await store.answers.again(claim.turn_id, "p1")
    await shown(store, await take(store), "q-1", text="cut again")
    assert await store.answers.go_on(claim.turn_id, ADA, "Go on.") == "queued"
    assert len(rows(path, "SELECT 1 FROM messages WHERE text = 'Go on.'")) == 2


async def test_a_wish_to_stop_outlives_the_process_that_took_it_in(store: Store) -> None:
    await store.inbox.accept(says("q"), "100.1", rule=asks, complete=True)
    claim = await take(store, lease=-1.0)
    assert await store.answers.stop(claim.turn_id, "Ada")
    assert await store.turns.renew("w", [claim.turn_id], -1.0) == {claim.turn_id: "Ada"}
    taken_over = await take(store, "other")
    assert taken_over.stopped_by == "Ada"
    await shown(store, taken_over, "a1")
    assert not await store.answers.stop(claim.turn_id, "Ada")
    await store.answers.again(claim.turn_id, "p1")
    assert (await take(store)).stopped_by is None


@pytest.mark.parametrize("value", [1, -1])
async def test_an_opinion_is_one_of_each_person_changed_and_taken_back(store: Store, path: Path, value: int) -> None:
    claim = await answered(store)
    turn_id, other = claim.turn_id, -value
    for user_id in ("U1", "U2"):
        assert await store.ratings.toggle(turn_id, "slack", user_id, value)  # type: ignore[arg-type]
    assert await store.ratings.toggle(turn_id, "slack", "U1", other)  # type: ignore[arg-type]
    assert not await store.ratings.toggle(turn_id, "slack", "U2", value)  # type: ignore[arg-type]
    assert rows(path, "SELECT user_id, value, platform FROM ratings") == [("U1", other, "slack")]


async def test_a_reaction_is_an_opinion_and_its_end_takes_back_no_other(store: Store, path: Path) -> None:
    await answered(store, "q", "a1", "a2")
    assert await store.ratings.put(THREAD, "a2", "U2", 1)
    assert await store.ratings.put(THREAD, "a1", "U2", -1)
    assert not await store.ratings.take_back(THREAD, "a1", "U2", 1)
    assert rows(path, "SELECT value FROM ratings") == [(-1,)]
    assert await store.ratings.take_back(THREAD, "a1", "U2", -1)
    assert not await store.ratings.put(THREAD, "q", "U2", 1)  # a question is no answer
    assert not await store.ratings.take_back(THREAD, "nobody's", "U2", 1)
    assert rows(path, "SELECT count(*) FROM ratings") == [(0,)]


async def test_opinions_go_with_the_words_they_are_about(store: Store, path: Path) -> None:
    for number in range(3):
        claim = await answered(store, f"q{number}")
        await store.ratings.toggle(claim.turn_id, "slack", "U2", 1)
    conversation = await store.memory.in_thread(THREAD)
    assert conversation is not None
    await store.retention.wipe_messages(2**62)
    assert rows(path, "SELECT count(*) FROM ratings") == [(0,)]
    rows(path, "UPDATE messages SET deleted = 0")
    await store.ratings.toggle(1, "slack", "U2", 1)
    await store.memory.forget(conversation)
    assert rows(path, "SELECT count(*) FROM ratings") == [(0,)]
    await store.ratings.toggle(1, "slack", "U2", 1)
    await store.retention.remove_messages(2**62)
    assert (await store.retention.remove_turns(2**62)).done == 3
    assert rows(path, "SELECT count(*) FROM ratings") == [(0,)]


async def test_an_answer_that_is_asked_for_anew_is_told_by_no_summary(store: Store) -> None:
    claim = await answered(store)
    material = await store.summaries.material(claim.conversation_id)
    until = material.since[-1].position + 1
    assert await store.summaries.add(claim.conversation_id, Summary(until, "so far"), material, model="m", tokens=1)
    assert await store.answers.again(claim.turn_id, "press") == "queued"
    assert (await store.summaries.material(claim.conversation_id)).latest is None


async def test_an_edit_of_the_question_takes_a_stop_back(store: Store) -> None:
    await store.inbox.accept(says("q"), "100.1", rule=asks, complete=True)
    claim = await take(store)
    assert await store.answers.stop(claim.turn_id, "Ada")
    await store.revisions.edit(replace(says("q", "in other words"), edited=True))
    assert await store.turns.renew("w", [claim.turn_id], 60) == {claim.turn_id: None}


async def test_who_presses_continue_is_not_taken_for_somebody_who_speaks(store: Store) -> None:
    claim = await answered(store)
    assert await store.answers.go_on(claim.turn_id, Author("U9", "Lead"), "Go on.") == "queued"
    spoken = (await store.inbox.standing(THREAD, "100.1", "next")).spoken
    assert {each.author_id for each in spoken if each.role == "user"} == {"U1"}
