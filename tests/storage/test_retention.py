"""The sweep of what was said long ago: words, then rows, never what is open, and the accounts stay."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.retention import MARGIN_SECONDS, REMOVED_MARK, Sweep
from bot.settings import Settings
from storage import Store, retention
from storage.dead_letters import DeadLetters
from storage.money import UsageRow
from storage.records import Answer, SentPart, micros, micros_of, now
from storage.scopes import Change, Scope
from tests.storage.people import EPOCH, asks, keeps, says
from tests.storage.test_inbox import rows

DAY = 86_400.0
USED = UsageRow("U1", "m", "k", 1, 10, 0, 5, 0, estimated=False, cost_micros=7)


def days_ago(days: float) -> float:
    """The `at` of a message that was sent so many days ago."""
    return (datetime.now(UTC) - EPOCH).total_seconds() - days * DAY


def sweep(store: Store, days: float, catch_up_hours: float = 24) -> Sweep:
    settings = Settings(parley_retention_days=days, parley_catch_up_hours=catch_up_hours, _env_file=None)  # type: ignore[call-arg]
    return Sweep(store.retention, store.marks, settings)


async def answered(store: Store, message_id: str, days: float) -> None:
    """A question of so many days ago, answered, with what that took."""
    question = says(message_id, f"asked {message_id}", at=days_ago(days))
    await store.inbox.accept(question, "100.1", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.intend_part(claim, 1)
    await store.turns.confirm_part(claim, SentPart(1, f"a{message_id}"))
    answer = Answer(f"a{message_id}", "B", "Parley", f"answered {message_id}")
    await store.turns.finish(claim, "answered", answer=answer, used=USED)


def age(path: Path, days: float) -> None:
    """Let all that was done look as if it had been so many days ago."""
    with sqlite3.connect(path) as connection:
        for change in (
            "UPDATE turns SET created_at = created_at - :by, finished_at = finished_at - :by",
            "UPDATE messages SET sent_at = sent_at - :by, position = position - :by",
            "UPDATE audit SET at = at - :by",
        ):
            connection.execute(change, {"by": micros_of(days * DAY)})
    connection.close()


@pytest.fixture
async def aged(store: Store, path: Path) -> AsyncIterator[Store]:
    """A question and its answer of 40 days ago."""
    await answered(store, "1", days=0)
    age(path, 40)
    yield store


async def test_what_is_older_goes_with_its_turn_and_what_it_took_stays_counted(aged: Store, path: Path) -> None:
    await answered(aged, "2", days=1)
    await sweep(aged, days=30).once()
    assert rows(path, "SELECT platform_id, text FROM messages ORDER BY id") == [
        ("2", "asked 2"), ("a2", "answered 2"),
    ]  # fmt: skip
    assert rows(path, "SELECT count(*) FROM turns") == [(1,)]
    assert rows(path, "SELECT count(*) FROM reply_parts") == [(1,)]
    assert rows(path, "SELECT user_id, cost_micros, turn_id IS NULL FROM usage ORDER BY id") == [
        ("U1", 7, 1), ("U1", 7, 0),
    ]  # fmt: skip
    assert b"asked 1" not in b"".join(file.read_bytes() for file in path.parent.glob("parley.db*"))


async def test_a_message_that_may_be_read_back_stays_known_without_words_and_names(store: Store, path: Path) -> None:
    await answered(store, "1", days=0)
    age(path, 2)
    await sweep(store, days=1, catch_up_hours=72).once()
    assert rows(path, "SELECT platform_id, text, author_name, deleted FROM messages") == [
        ("1", "", "", 1), ("a1", "", "", 1),
    ]  # fmt: skip
    again = await store.inbox.accept(says("1", "asked 1"), "100.1", rule=asks, complete=True)
    assert again.outcome == "duplicate"
    assert await store.turns.open_count() == 0


async def test_what_was_removed_is_said_before_catching_up_could_read_it_again(aged: Store) -> None:
    await sweep(aged, days=30, catch_up_hours=1).once()
    removed = await aged.marks.at(REMOVED_MARK)
    assert removed is not None
    assert abs(removed - (now() - micros_of(30 * DAY))) < micros_of(600)
    await sweep(aged, days=0.01, catch_up_hours=1).once()
    removed = await aged.marks.at(REMOVED_MARK)
    assert removed is not None
    assert abs(removed - (now() - micros_of(3_600 + MARGIN_SECONDS))) < micros_of(600)


async def test_an_open_question_keeps_its_words_however_old_it_is(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1", "waiting", at=days_ago(40)), "100.1", rule=asks, complete=True)
    await store.inbox.accept(says("2", "talk", at=days_ago(40)), "100.1", rule=keeps, complete=True)
    await sweep(store, days=30).once()
    assert rows(path, "SELECT platform_id, text FROM messages") == [("1", "waiting")]
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await sweep(store, days=30).once()
    assert [message.text for message in await store.history.asked(claim.turn_id)] == ["waiting"]


async def test_a_failed_question_whose_words_are_gone_is_not_tried_again(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1", "waiting", at=days_ago(40)), "100.1", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.finish(claim, "failed", failure="StreamCut")
    await store.retention.wipe_messages(now())
    letters = DeadLetters(store.database)
    assert [decision.outcome async for decision in letters.retry([claim.turn_id])] == ["unasked"]


async def test_the_audit_keeps_who_and_when_and_loses_the_system_messages(store: Store, path: Path) -> None:
    scope = Scope("slack", "T1", "C1")
    await store.controls.change(Change(scope, "set", "system", "be a pirate", "U1", "Ada"))
    await store.controls.change(Change(scope, "set", "model", "m", "U1", "Ada"))
    age(path, 40)
    await store.controls.change(Change(scope, "set", "system", "be kind", "U1", "Ada"))
    await sweep(store, days=30).once()
    lines = [(line.name, line.author_name, line.before, line.after) for line in await store.controls.audit(0, 10)]
    assert lines == [
        ("system", "Ada", "be a pirate", "be kind"), ("model", "Ada", None, "m"), ("system", "Ada", None, None),
    ]  # fmt: skip


async def test_many_rows_go_portion_by_portion(store: Store, path: Path) -> None:
    await answered(store, "q", days=0)
    many = [says(f"m{number}", at=-(number // 7) - 1) for number in range(2 * retention.AT_ONCE + 3)]
    rows(path, "UPDATE conversations SET complete = 0")
    await store.inbox.remember(1, many, "B")
    first = await store.retention.wipe_messages(micros(EPOCH))
    assert first.done == retention.AT_ONCE and first.last is not None
    await sweep(store, days=1).once()
    assert rows(path, "SELECT count(*) FROM messages") == [(2,)]


async def test_nothing_is_swept_where_everything_is_kept(aged: Store, path: Path) -> None:
    await sweep(aged, days=0).run()
    assert rows(path, "SELECT count(*) FROM messages WHERE text != ''") == [(2,)]
