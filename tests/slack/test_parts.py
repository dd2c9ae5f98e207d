"""A message of an answer that is prepared while its intent is committed: over the real adapter, store and threads."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import fencing
from bot.errors import DeliveryDelayed, DeliveryRefused, QuestionChanged, StorageFailed
from bot.lease import Lease
from bot.messages import Author, IncomingMessage
from bot.outcome import Outcome, to_row
from bot.parts import Parts
from emulators.slack import Message, SlackWorkspace
from storage import Store, dialect
from tests.slack.stage import RecordingSink, calls, running, thread_of
from tests.storage.people import asks
from tests.storage.test_inbox import rows

SAID = to_row(Outcome("hello", "hello"))
INTENDED = "SELECT number, state FROM reply_parts"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


@asynccontextmanager
async def answering(slack: SlackWorkspace, sink: RecordingSink, store: Store) -> AsyncIterator[Parts]:
    """The messages of an answer to a question that is stored, with what the model said kept for the first of them."""
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "why?", mention=True)
        address = thread_of(slack, asked)
        sent = datetime.fromtimestamp(float(asked.ts), UTC)
        question = IncomingMessage(address, asked.ts, Author(ada.id, "ada"), "why?", mentions_bot=True, sent_at=sent)
        await store.inbox.accept(question, asked.ts, rule=asks, complete=True)
        claim = await store.turns.claim("me", 60, ["slack"])
        assert claim is not None
        lease = Lease(claim, store.turns, 60)
        parts = Parts(adapter, store.turns, lease, reply_to=asked.ts, mentions={}, already=(), before_first=None)
        await parts.keep(SAID)
        yield parts


def posted(slack: SlackWorkspace) -> list[str]:
    [general] = [channel for channel in slack.channels.values() if channel.name == "general"]
    answers: list[Message] = slack.bot_messages(general)
    return [slack.visible_text(message) for message in answers]


def commit_in(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every commit from now on take so long."""
    commit = dialect.commit

    def slowly(driver: sqlite3.Connection) -> None:
        time.sleep(seconds)
        commit(driver)

    monkeypatch.setattr(dialect, "commit", slowly)


async def test_what_the_adapter_refuses_before_it_asks_slack_is_no_part_of_the_answer(
    slack: SlackWorkspace, sink: RecordingSink, store: Store, tmp_path: Path
) -> None:
    async with answering(slack, sink, store) as parts:
        with pytest.raises(DeliveryRefused):
            await parts.show(0, " ", last=True)
        assert rows(tmp_path / "p.db", INTENDED) == []
        await parts.show(0, "hello", last=True)
    assert posted(slack) == ["hello"]


async def test_a_post_that_waits_long_for_its_intent_is_begun_anew_and_looked_for_nowhere(
    slack: SlackWorkspace, sink: RecordingSink, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(slack, sink, store) as parts:
        monkeypatch.setattr(fencing, "STORED_WITHIN_SECONDS", 0.05)
        commit_in(1.0, monkeypatch)
        with pytest.raises(DeliveryDelayed):
            await parts.show(0, "hello", last=True)
        assert posted(slack) == []
        await parts.show(0, "hello", last=True)
    assert posted(slack) == ["hello"]
    assert calls(slack, "conversations.replies") == 0


async def test_nothing_is_posted_whose_intent_is_refused(
    slack: SlackWorkspace, sink: RecordingSink, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = dialect.commit

    def refused(driver: sqlite3.Connection) -> None:
        monkeypatch.setattr(dialect, "commit", commit)
        time.sleep(0.1)
        raise sqlite3.DatabaseError("database disk image is malformed")

    async with answering(slack, sink, store) as parts:
        monkeypatch.setattr(dialect, "commit", refused)
        with pytest.raises(StorageFailed):
            await parts.show(0, "hello", last=True)
        assert (posted(slack), len(parts)) == ([], 0)
        with sqlite3.connect(tmp_path / "p.db") as other:
            other.execute("UPDATE turns SET revision = 1")
        other.close()
        with pytest.raises(QuestionChanged):
            await parts.show(0, "hello", last=True)
        assert (posted(slack), len(parts)) == ([], 0)
    assert calls(slack, "chat.postMessage") == 0


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.25])
async def test_a_post_that_is_cancelled_leaves_no_task_and_is_not_made_twice(
    slack: SlackWorkspace, sink: RecordingSink, store: Store, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async with answering(slack, sink, store) as parts:
        commit_in(0.1, monkeypatch)
        showing = asyncio.create_task(parts.show(0, "hello", last=True))
        await asyncio.sleep(seconds)
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "intent"]
        await parts.show(0, "hello", last=True)
        assert posted(slack) == ["hello"]
