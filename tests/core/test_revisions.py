"""What becomes of edits and deletions on their way in, and how a running turn hears of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import revisions
from bot.errors import QuestionChanged
from bot.intake import Intake
from bot.lease import Lease
from bot.messages import Address, Author, IncomingMessage, MessageDeleted, MessageEdited
from bot.retention import REMOVED_MARK
from storage import Store
from storage.records import Answer, micros
from tests.intake import intake

CHANNEL = Address("discord", "G1", "C1")
ADA = Author("1", "Ada")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


def says(text: str, *, mention: bool = True, ago: float = 0.0) -> IncomingMessage:
    """What Ada says in the channel; `ago` in seconds."""
    return IncomingMessage(
        CHANNEL, "100", ADA, text, mentions_bot=mention, sent_at=datetime.now(UTC) - timedelta(seconds=ago)
    )


def edited(message: IncomingMessage, text: str, *, mention: bool = True, ago: float = 0.0) -> MessageEdited:
    """The event of another wording."""
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    return MessageEdited(replace(message, text=text, mentions_bot=mention, edited=True, edited_at=moment))


async def lease_of(store: Store) -> Lease:
    """The one turn there is, running."""
    claim = await store.turns.claim("w", 60, ["discord"])
    assert claim is not None
    return Lease(claim, store.turns, 60)


def hearing(door: Intake, *leases: Lease) -> Intake:
    """The same intake in a process where these turns run."""
    return replace(door, revising=replace(door.revising, leases=lambda: leases))


async def test_a_running_turn_hears_at_once_that_its_question_was_edited_or_deleted(store: Store) -> None:
    door, message = intake(store), says("teh question")
    await door.receive(message)
    lease = await lease_of(store)
    door = hearing(door, lease)
    await door.receive(edited(message, "the question"))
    assert lease.changed.is_set()
    await revisions.begin_again(store.turns, lease)
    assert (lease.claim.revision, lease.changed.is_set()) == (1, False)
    await door.receive(MessageDeleted(CHANNEL, "100"))
    assert lease.changed.is_set()


async def test_what_tells_of_no_other_words_disturbs_nobody(store: Store) -> None:
    door, message = intake(store), says("a question")
    await door.receive(message)
    lease = await lease_of(store)
    door = hearing(door, lease)
    change = edited(message, "another question")
    await door.receive(edited(message, "a question", ago=1))
    assert not lease.changed.is_set()
    await door.receive(change)
    await revisions.begin_again(store.turns, lease)
    await door.receive(change)
    await door.receive(edited(message, "the one between", ago=0.5))
    assert not lease.changed.is_set()


async def test_a_turn_finds_by_itself_what_another_process_took_in(store: Store) -> None:
    door, message = intake(store), says("a question")
    await door.receive(message)
    lease = await lease_of(store)
    watching = asyncio.create_task(revisions.watch(store.turns, lambda: [lease]))
    await door.receive(edited(message, "another question"))
    async with asyncio.timeout(3):
        await lease.changed.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_who_stopped_an_answer_and_then_edits_the_question_wants_one_again(store: Store) -> None:
    door, message = intake(store), says("a question")
    await door.receive(message)
    lease = await lease_of(store)
    lease.stop("Ada")
    await hearing(door, lease).receive(edited(message, "another question"))
    assert not lease.stopped.is_set()
    lease.stop("Ada")
    lease.change(1)  # the look at the rows finds what is known already
    assert lease.stopped.is_set()


async def test_work_goes_on_to_its_end_unless_its_question_changes(store: Store) -> None:
    await intake(store).receive(says("a question"))
    lease = await lease_of(store)
    assert await revisions.unless_changed(lease, asyncio.sleep(0, "done")) == "done"
    ended = asyncio.Event()

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    working = asyncio.create_task(revisions.unless_changed(lease, works()))
    await asyncio.sleep(0)
    lease.change(1)
    with pytest.raises(QuestionChanged):
        await working
    assert ended.is_set()


async def test_who_answered_is_told_of_an_edit_after_the_answer_once(store: Store) -> None:
    told: list[int] = []
    door, message = intake(store), says("a question")
    door = replace(door, revising=replace(door.revising, on_edited=told.append))
    await door.receive(message)
    lease = await lease_of(store)
    await door.receive(edited(message, "while it is answered", ago=1))
    assert told == []
    await revisions.begin_again(store.turns, lease)
    await store.turns.finish(lease.claim, "answered", answer=Answer("101", "B", "Parley", "hi"))
    after = edited(message, "after it was answered")
    await door.receive(after)
    await door.receive(after)
    await door.receive(MessageDeleted(CHANNEL, "100"))
    assert told == [lease.claim.turn_id]


async def test_a_message_becomes_a_question_by_an_edit_that_calls_the_bot(store: Store) -> None:
    door, message = intake(store), says("what is new?", mention=False)
    await door.receive(message)
    assert await store.turns.open_count() == 0
    await door.receive(edited(message, "what is new?", mention=False))
    assert await store.turns.open_count() == 0
    for _ in range(2):
        await door.receive(edited(message, "what is new?"))
    assert await store.turns.open_count() == 1
    await door.receive(message)  # its own event comes late
    lease = await lease_of(store)
    assert [m.text for m in await store.history.asked(lease.claim.turn_id)] == ["what is new?"]


async def test_an_old_edit_that_a_pin_or_a_preview_brings_back_asks_nothing(store: Store) -> None:
    await store.marks.put(REMOVED_MARK, 0)
    door = intake(store)
    await door.receive(edited(says("what is new?"), "what is new?", ago=revisions.FRESH_EDIT_SECONDS + 60))
    assert await store.turns.open_count() == 0


async def test_what_may_have_been_answered_once_is_not_by_an_edit(store: Store) -> None:
    door = intake(store)
    before_the_database = says("what is new?", ago=3_600)
    await door.receive(edited(before_the_database, "what was new?"))
    removed = says("what is new?")
    await store.marks.put(REMOVED_MARK, micros(removed.sent_at) + 1)
    await door.receive(edited(removed, "what was new?"))
    assert await store.turns.open_count() == 0


async def test_questions_by_edits_count_towards_the_limit_when_they_are_asked(store: Store) -> None:
    door = intake(store)
    door = replace(door, admission=replace(door.admission, limits=replace(door.admission.limits, user=1)))
    for number in range(2):
        said = replace(says("hm", mention=False), id=str(number))
        await door.receive(edited(said, "what is new?"))
    kinds = [await store.turns.claim("w", 60, ["discord"]) for _ in range(2)]
    assert [claim and claim.kind for claim in kinds] == ["answer", "notice"]


async def test_edits_that_were_missed_are_taken_from_history(store: Store) -> None:
    door, message = intake(store), says("teh question")
    await door.receive(message)
    known = await door.receive_missed(edited(message, "the question").message, message.address)
    assert known is not None
    assert known.outcome == "duplicate"
    lease = await lease_of(store)
    assert [m.text for m in await store.history.asked(lease.claim.turn_id)] == ["the question"]


def test_the_first_change_is_followed_at_once_and_each_further_one_later() -> None:
    assert [revisions.pause(times) for times in range(8)] == [0, 0, 0.5, 1, 2, 4, 8, 8]
