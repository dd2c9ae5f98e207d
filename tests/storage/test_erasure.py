"""A person's part of what is kept: given to them whole, and removed from it, with nothing of others in either."""

from __future__ import annotations

from pathlib import Path

from bot.messages import Attachment
from storage import Store, erasure, export
from storage.erasure import Erasure
from storage.export import Export
from storage.money import Spender, UsageRow
from storage.records import Answer, Erased
from storage.scopes import Change, Scope
from tests.storage.people import THREAD, asks, keeps, says
from tests.storage.test_inbox import rows

FILE = Attachment("plan.pdf", "application/pdf", 3, "https://files.example/plan.pdf")
NEWCOMER = THREAD.__class__("slack", "T1", "D1")


TABLES = [
    "SELECT * FROM messages",
    "SELECT * FROM usage",
    "SELECT * FROM spending",
    "SELECT * FROM audit",
    "SELECT * FROM reservations",
    "SELECT * FROM turns",
]


def used(user_id: str) -> UsageRow:
    return UsageRow(user_id, "m", "k", 1, 10, 0, 5, 0, estimated=False, cost_micros=7)


async def answered(store: Store, *message_ids: str, by: str = "U1", others: str = "") -> None:
    """Messages of somebody, and perhaps one of others, answered together."""
    root = message_ids[0]
    place = THREAD.__class__("slack", "T1", "C1", root)
    for number, message_id in enumerate(message_ids):
        question = says(message_id, f"{by} asks {message_id}", at=number, address=place, author=by, attachments=(FILE,))
        await store.inbox.accept(question, root, rule=asks, complete=True)
    if others:
        await store.inbox.accept(
            says(others, f"others ask {others}", at=9, address=place, author="U2"), root, rule=asks, complete=True
        )
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    answer = Answer(f"a{root}", "B", "Parley", f"answer to {root}")
    await store.turns.finish(claim, "answered", answer=answer, used=used(by))


async def people(store: Store) -> None:
    """Two of them: each asked alone, and once both together; the first changed settings."""
    await answered(store, "1", "2")
    await answered(store, "3", others="4")
    await answered(store, "5", by="U2")
    await store.inbox.accept(says("6", "U1 talks", author="U1"), "100.1", rule=keeps, complete=True)
    await store.controls.change(Change(Scope("slack", "T1"), "set", "allow_users", "U1, U2", "U1", "name of U1"))
    await store.controls.change(Change(Scope("slack", "T1"), "set", "model", "m", "U2", "name of U2"))


async def exported(store: Store, user_id: str) -> list[tuple[str, str]]:
    """(kind, what is told of it) of a person's part."""
    told = {"message": "text", "turn": "key", "setting": "name", "usage": "user_id", "audit": "author_id"}
    of_person = Export(store.database).of_person("slack", user_id)
    return [(kind, str(row[told[kind]])) async for kind, row in of_person if kind != "turn"]


async def test_a_rating_is_given_to_who_gave_it_and_goes_with_them(store: Store, path: Path) -> None:
    await people(store)
    for user_id in ("U1", "U2"):
        await store.ratings.toggle(1, "slack", user_id, -1)
    given = [row async for kind, row in Export(store.database).of_person("slack", "U1") if kind == "rating"]
    assert [(row["turn_id"], row["user_id"], row["value"]) for row in given] == [(1, "U1", -1)]
    of_workspace = Export(store.database).of_workspace("slack", "T1")
    assert {row["user_id"] async for kind, row in of_workspace if kind == "rating"} == {"U1", "U2"}
    assert (await Erasure(store.database).erase("slack", "U1")).ratings == 1
    assert rows(path, "SELECT user_id FROM ratings") == [("U2",)]


async def test_a_person_gets_their_words_the_answers_their_usage_and_their_changes_and_nothing_of_others(
    store: Store,
) -> None:
    await people(store)
    assert sorted(await exported(store, "U1")) == [
        ("audit", "U1"),
        ("message", "U1 asks 1"), ("message", "U1 asks 2"), ("message", "U1 asks 3"), ("message", "U1 talks"),
        ("message", "answer to 1"), ("message", "answer to 3"),
        ("setting", "allow_users"), ("usage", "U1"), ("usage", "U1"),
    ]  # fmt: skip


async def test_a_workspace_is_given_whole_page_by_page_and_none_of_another(store: Store) -> None:
    await people(store)
    many = [says(f"e{number:05}", at=-number) for number in range(2 * export.AT_ONCE + 1)]
    rows(store.database.path, "UPDATE conversations SET complete = 0")
    await store.inbox.remember(1, many, "B")
    other = THREAD.__class__("slack", "T2", "C1", "1")
    await store.inbox.accept(says("x", address=other), "1", rule=asks, complete=True)
    given = [(kind, row) async for kind, row in Export(store.database).of_workspace("slack", "T1")]
    kinds = {kind: sum(each == kind for each, _ in given) for kind, _ in given}
    assert kinds == {"setting": 2, "message": 9 + len(many), "turn": 3, "usage": 3, "audit": 2}
    ids = [row["message_id"] for kind, row in given if kind == "message"]
    assert len(set(ids)) == len(ids) and "x" not in ids


async def test_an_erased_person_is_in_no_table_and_what_others_said_stands(store: Store, path: Path) -> None:
    await people(store)
    erased = await Erasure(store.database).erase("slack", "U1")
    assert erased == Erased(messages=4, answers=1, usage=2, spending=1, audit=1, settings=1)
    # In the value of a list they stay: it must go on doing what it does.
    dump = [row for query in TABLES for row in rows(path, query)]
    told = [str(cell) for row in dump for cell in row if cell not in ("U1, U2",)]
    assert not [cell for cell in told if "U1" in cell or "name of U1" in cell]
    assert rows(path, "SELECT name, value, set_by FROM settings ORDER BY name") == [
        ("allow_users", "U1, U2", "erased"), ("model", "m", "U2"),
    ]  # fmt: skip
    assert rows(path, "SELECT text FROM messages WHERE text != '' ORDER BY text") == [
        ("U2 asks 5",), ("answer to 3",), ("answer to 5",), ("others ask 4",),
    ]  # fmt: skip
    assert rows(path, "SELECT user_id, sum(micros) FROM spending GROUP BY 1") == [("U2", 7), ("erased", 14)]
    assert await Erasure(store.database).erase("slack", "U1") == Erased()
    assert await exported(store, "U1") == []
    assert await Erasure(store.database).erase("slack", erasure.NOBODY) == Erased()


async def test_the_spending_of_several_who_were_erased_adds_up(store: Store, path: Path) -> None:
    for user_id in ("U1", "U2"):
        await store.usage.add(Spender("slack", "T1", "C1", user_id), "try", used(user_id))
        assert (await Erasure(store.database).erase("slack", user_id)).spending == 1
    assert rows(path, "SELECT user_id, micros FROM spending") == [("erased", 14)]
    assert rows(path, "SELECT user_id FROM usage") == [("erased",), ("erased",)]


async def test_a_question_that_waits_is_not_answered_and_not_asked_again(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1", "mine"), "100.1", rule=asks, complete=True)
    erased = await Erasure(store.database).erase("slack", "U1")
    assert (erased.messages, erased.open_turns) == (1, 1)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    assert await store.history.asked(claim.turn_id) == []
    assert (await store.inbox.accept(says("1", "mine"), "100.1", rule=asks, complete=True)).outcome == "duplicate"


async def test_all_that_was_said_in_their_own_conversation_with_the_bot_goes(store: Store, path: Path) -> None:
    await store.inbox.accept(says("2", "hi", address=NEWCOMER, direct=True), "", rule=asks, complete=False)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    earlier = says("1", "I told you so", address=NEWCOMER, author="B", at=-1)
    await store.inbox.remember(claim.conversation_id, [earlier], "B")
    assert (await Erasure(store.database).erase("slack", "U1")).answers == 1
    assert rows(path, "SELECT text FROM messages") == [("",), ("",)]


async def test_more_than_one_transaction_takes_is_erased(store: Store, path: Path) -> None:
    await answered(store, "q")
    rows(path, "UPDATE conversations SET complete = 0")
    many = [says(f"m{number}", at=-number) for number in range(erasure.AT_ONCE + 1)]
    await store.inbox.remember(1, many, "B")
    assert (await Erasure(store.database).erase("slack", "U1")).messages == len(many) + 1
    assert rows(path, "SELECT count(*) FROM messages WHERE text != ''") == [(0,)]
