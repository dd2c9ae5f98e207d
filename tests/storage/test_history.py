"""What a turn reads, and in which order; and the settings that hold where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from storage import Store
from storage.records import Answer, Ruling, micros
from storage.scopes import Change, Scope
from tests.storage.people import THREAD, asks, keeps, says


async def ask(store: Store, text: str, at: float, *, rule: Callable[[], Ruling] = asks) -> int:
    accepted = await store.inbox.accept(says(text, text, at=at), "100.1", rule=rule, complete=True)
    return accepted.turn_id or 0


async def answer(store: Store, text: str) -> int:
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.finish(claim, "answered", answer=Answer(text, "B", "Parley", text))
    return claim.turn_id


async def read(store: Store, turn_id: int, start: float | None = None) -> list[str]:
    at = 0 if start is None else micros(says("", at=start).sent_at)
    return [message.text for message in await store.history.until(turn_id, 1, at)]


async def test_an_answer_stands_at_its_question_also_when_it_was_finished_after_the_next_question(store: Store) -> None:
    await ask(store, "Q1", 1)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    second = await ask(store, "Q2", 2)
    assert await read(store, claim.turn_id) == ["Q1"]
    await store.turns.finish(claim, "answered", answer=Answer("A1", "B", "Parley", "A1"))
    assert await read(store, second) == ["Q1", "A1", "Q2"]


async def test_an_answer_to_several_questions_stands_at_the_last_of_them(store: Store) -> None:
    for text, at in (("Q1", 1), ("Q2", 2)):
        await ask(store, text, at)
    await answer(store, "A12")
    assert await read(store, await ask(store, "Q3", 3)) == ["Q1", "Q2", "A12", "Q3"]


async def test_a_question_that_came_late_is_read_last_by_its_turn_and_stands_in_its_place_afterwards(
    store: Store,
) -> None:
    await ask(store, "Q5", 5)
    await answer(store, "A5")
    late = await ask(store, "Q3", 3)
    assert await read(store, late) == ["Q5", "A5", "Q3"]
    await answer(store, "A3")
    assert await read(store, await ask(store, "Q9", 9)) == ["Q3", "A3", "Q5", "A5", "Q9"]


async def test_talk_after_the_question_is_read_before_it_and_talk_between_two_stays_between(store: Store) -> None:
    await ask(store, "Q1", 1)
    await ask(store, "between", 2, rule=keeps)
    turn_id = await ask(store, "Q3", 3)
    await ask(store, "after", 4, rule=keeps)
    assert await read(store, turn_id) == ["after", "Q1", "between", "Q3"]


async def test_a_question_from_before_the_window_is_read_all_the_same(store: Store) -> None:
    await ask(store, "old", 4, rule=keeps)
    await ask(store, "Q5", 5)
    await answer(store, "A5")
    late = await ask(store, "Q3", 3)
    assert await read(store, late, start=5) == ["Q5", "A5", "Q3"]


async def test_messages_of_one_moment_are_read_in_the_order_they_came(store: Store) -> None:
    await ask(store, "Q1", 1)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    second = await ask(store, "Q2", 1)
    await store.turns.finish(claim, "answered", answer=Answer("A1", "B", "Parley", "A1"))
    assert await read(store, second) == ["Q1", "A1", "Q2"]


async def test_conversations_do_not_mix(store: Store) -> None:
    turn_id = await ask(store, "Q1", 1)
    elsewhere = says("2", "elsewhere", address=replace(THREAD, thread="200.1"))
    await store.inbox.accept(elsewhere, "200.1", rule=keeps, complete=True)
    assert await read(store, turn_id) == ["Q1"]


async def test_the_window_moves_forward_only(store: Store) -> None:
    await ask(store, "Q1", 1)
    for start in (0, 500, 200):
        await store.history.move_start(1, start)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert claim.context_start == 500


def change(scope: Scope, value: str | None, by: str = "U1") -> Change:
    return Change(scope, "reset" if value is None else "set", "model", value, by, f"name of {by}")


async def test_the_settings_of_a_workspace_are_read_from_the_widest_to_the_nearest(store: Store) -> None:
    workspace, channel, thread = (
        Scope("slack", "T1"),
        Scope("slack", "T1", "C1"),
        Scope("slack", "T1", "C1", "100.1"),
    )
    for scope, value in ((thread, "3"), (workspace, "1"), (channel, "2")):
        await store.controls.change(change(scope, value))
    for elsewhere in (Scope("slack", "T2"), Scope("discord", "T1")):
        await store.controls.change(change(elsewhere, "no"))
    found = await store.controls.of_workspace("slack", "T1")
    assert [(s.scope, s.value, s.set_by) for s in found] == [
        (workspace, "1", "U1"),
        (channel, "2", "U1"),
        (thread, "3", "U1"),
    ]


async def test_a_setting_is_replaced_and_taken_back_and_the_audit_tells_who_did(store: Store) -> None:
    scope = Scope("slack", "T1", "C1")
    await store.controls.change(change(scope, "old"))
    await store.controls.change(change(scope, "new", by="U2"))
    [setting] = await store.controls.of_workspace("slack", "T1")
    assert (setting.name, setting.value, setting.set_by) == ("model", "new", "U2")
    assert setting.set_at > 0
    await store.controls.change(change(scope, None, by="U3"))
    assert await store.controls.of_workspace("slack", "T1") == []
    lines = await store.controls.audit(0, 10)
    assert [(line.author_id, line.action, line.before, line.after) for line in lines] == [
        ("U3", "reset", "new", None),
        ("U2", "set", "old", "new"),
        ("U1", "set", None, "old"),
    ]
    assert lines[0].scope == scope and lines[0].author_name == "name of U3"
    assert await store.controls.audit(lines[0].at, 1) == [lines[0]]
