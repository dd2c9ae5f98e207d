"""Summaries and what was overheard: kept for one conversation, dropped or wiped with what they tell of."""

from __future__ import annotations

import pytest

from bot.messages import Address
from storage import Store
from storage.erasure import Erasure
from storage.export import Export
from storage.memory import Memory
from storage.records import Answer, Claim, Summary, micros
from storage.summaries import Material
from tests.storage.people import THREAD, asks, says

CHANNEL = Address("slack", "T1", "C1")


def at(seconds: float) -> int:
    """The position of what is said then."""
    return micros(says("", at=seconds).sent_at)


async def talk(store: Store, count: int = 4, author: str = "U1") -> Claim:
    """A thread of so many questions, each answered: q0, q1, …; returns the last one's claim."""
    claim: Claim | None = None
    for number in range(count):
        question = says(f"q{number}", f"question {number}", at=number, author=author)
        await store.inbox.accept(question, "100.1", rule=asks, complete=True)
        claim = await store.turns.claim("w", 60, ["slack"])
        assert claim is not None
        await store.turns.finish(claim, "answered", answer=Answer(f"a{number}", "B", "Parley", f"answer {number}"))
    assert claim is not None
    return claim


async def sum_up(store: Store, conversation_id: int, until: float, made_of: Material | None = None) -> bool:
    """Keep a summary of what was said before a second."""
    made_of = made_of or await store.summaries.material(conversation_id)
    return await store.summaries.add(
        conversation_id, Summary(at(until), f"until {until:g}"), made_of, model="m", tokens=3
    )


async def told(store: Store, claim: Claim) -> list[str]:
    """The summaries that the next turn would read."""
    return [each.text for each in (await store.history.window(claim.turn_id, claim.conversation_id, 0)).summaries]


async def test_the_next_summary_is_made_of_the_last_one_and_of_all_since(store: Store) -> None:
    claim = await talk(store)
    assert await sum_up(store, claim.conversation_id, 2)
    material = await store.summaries.material(claim.conversation_id)
    assert material.latest == Summary(at(2), "until 2")
    assert [said.text for said in material.since] == ["question 2", "answer 2", "question 3", "answer 3"]


@pytest.mark.parametrize("change", ["edit", "delete", "forget"])
async def test_a_summary_is_not_kept_where_what_it_was_made_of_changed_meanwhile(store: Store, change: str) -> None:
    claim = await talk(store)
    material = await store.summaries.material(claim.conversation_id)
    if change == "edit":
        await store.revisions.edit(says("q1", "another wording", at=1))
    elif change == "delete":
        await store.revisions.delete(THREAD, "q1")
    else:
        conversation = await Memory(store.database).in_thread(Address("slack", "T1", "C1", "100.1"))
        assert conversation is not None
        await store.memory.forget(conversation)
    assert not await sum_up(store, claim.conversation_id, 2, material)
    assert await told(store, claim) == []


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_change_drops_the_summaries_that_tell_of_it_and_leaves_earlier_ones(store: Store, change: str) -> None:
    claim = await talk(store)
    for until in (1, 3):
        assert await sum_up(store, claim.conversation_id, until)
    await store.revisions.edit(says("q3", "told by none", at=3))
    assert await told(store, claim) == ["until 1", "until 3"]
    await (store.revisions.edit(says("q2", "x", at=2)) if change == "edit" else store.revisions.delete(THREAD, "q2"))
    assert await told(store, claim) == ["until 1"]


async def test_forgetting_a_channel_forgets_its_summaries_and_what_was_overheard(store: Store) -> None:
    claim = await talk(store)
    await store.overheard.take_along(
        claim.turn_id, claim.conversation_id, 0, [says("h", "heard", at=-1, address=CHANNEL)], "B"
    )
    assert await sum_up(store, claim.conversation_id, 2)
    await store.memory.forget_channel(CHANNEL)
    window = await store.history.window(claim.turn_id, claim.conversation_id, 0)
    assert (window.messages, window.summaries) == ([], [])
    again = await store.overheard.take_along(
        claim.turn_id, claim.conversation_id, 0, [says("h", "heard", at=-1, address=CHANNEL)], "B"
    )
    assert again is None, "what was forgotten is not taken along again"


async def test_a_summary_goes_when_something_it_tells_of_is_too_old(store: Store) -> None:
    claim = await talk(store)
    assert await sum_up(store, claim.conversation_id, 2)
    await store.retention.wipe_messages(at(0.5))
    assert await told(store, claim) == []
    await store.overheard.take_along(
        claim.turn_id, claim.conversation_id, 0, [says("h", "heard", at=-1, address=CHANNEL)], "B"
    )
    assert await sum_up(store, claim.conversation_id, 2)
    assert (await store.retention.remove_overheard(at(0))).done == 1
    assert await told(store, claim) == []


async def test_who_is_erased_is_in_no_summary_and_overheard_nowhere(store: Store) -> None:
    claim = await talk(store)
    heard = [says("h", "heard", at=-1, address=CHANNEL, author="U7")]
    await store.overheard.take_along(claim.turn_id, claim.conversation_id, 0, heard, "B")
    assert await sum_up(store, claim.conversation_id, 2)
    assert (await Erasure(store.database).erase("slack", "U7")).messages == 1
    assert await told(store, claim) == []
    assert await sum_up(store, claim.conversation_id, 2)
    await Erasure(store.database).erase("slack", "U1")
    assert await told(store, claim) == []


async def test_a_persons_export_holds_what_was_overheard_of_them_and_no_summary_of_talk_with_others(
    store: Store,
) -> None:
    claim = await talk(store)
    heard = [says("h", "heard", at=-1, address=CHANNEL, author="U7")]
    await store.overheard.take_along(claim.turn_id, claim.conversation_id, 0, heard, "B")
    assert await sum_up(store, claim.conversation_id, 2)
    theirs = [(kind, row["text"]) async for kind, row in Export(store.database).of_person("slack", "U7")]
    assert theirs == [("overheard", "heard")]
    assert "summary" not in {kind async for kind, _ in Export(store.database).of_person("slack", "U1")}


async def test_what_was_overheard_stands_first_and_is_edited_and_deleted_in_every_conversation(store: Store) -> None:
    claim = await talk(store, 1)
    other = says("o", "elsewhere", at=5, address=Address("slack", "T1", "C1", "100.9"))
    await store.inbox.accept(other, "100.9", rule=asks, complete=True)
    second = await store.turns.claim("w", 60, ["slack"])
    assert second is not None
    heard = says("h", "heard", at=-1, address=CHANNEL)
    for conversation_id in (claim.conversation_id, second.conversation_id):
        assert await store.overheard.take_along(0, conversation_id, 0, [heard], "B") is not None
    await store.revisions.edit(says("h", "better", at=-1, address=CHANNEL))
    for each, first in ((claim, "question 0"), (second, "elsewhere")):
        said = await store.history.until(each.turn_id, each.conversation_id, 0)
        assert [(message.role, message.text) for message in said][:2] == [("overheard", "better"), ("user", first)]
    await store.revisions.delete(CHANNEL, "h")
    said = await store.history.until(second.turn_id, second.conversation_id, 0)
    assert [message.text for message in said] == ["elsewhere"]
