"""`PARLEY_RETENTION_DAYS` beside answers being given: what is old goes, and is neither read nor asked again."""

from __future__ import annotations

import asyncio

import pytest

from bot import retention
from emulators.slack.model import Message as SlackMessage
from storage import Store
from storage.records import micros_of, now
from tests.e2e.stage import user_texts
from tests.e2e.talk import Talk, idle
from tests.storage.test_inbox import rows

SECONDS = 2.0


async def test_what_is_old_is_gone_from_the_next_prompt_and_its_question_is_not_answered_again(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.2)
    stage, openai = talk.stage, talk.openai
    stage.extra["PARLEY_RETENTION_DAYS"] = str(SECONDS / 86_400)
    openai.script("noted", "never heard of it")
    database = stage.folder / "parley.db"
    async with stage.worker() as worker:
        first = await talk.ask("the password is swordfish")
        await talk.until("noted")
        await idle(worker)
        async with asyncio.timeout(60):
            while rows(database, "SELECT text FROM messages WHERE text != '' OR author_name != ''"):
                await asyncio.sleep(0.1)
        if isinstance(first, SlackMessage):
            await talk.slack.redeliver(first)
        else:
            await talk.discord.redeliver(first)
        await talk.ask_on(first, "what is it?")
        await talk.until("noted", "never heard of it")
        await idle(worker)
    assert [text.partition(": ")[2] for text in user_texts(openai.calls[-1].body)] == ["what is it?"]
    assert len(openai.calls) == 2
    assert rows(database, "SELECT count(*) FROM usage") == [(2,)]


async def test_what_is_older_than_what_was_removed_is_not_read_back(talk: Talk) -> None:
    stage = talk.stage
    async with stage.worker():
        pass
    stage.slack.socket.drop_unconnected = True
    await talk.ask("was this answered once?")
    store = await Store.open(stage.environment["DATABASE_URL"])
    await store.marks.put(retention.REMOVED_MARK, now() + micros_of(60))
    await store.close()
    async with stage.worker() as worker:
        async with asyncio.timeout(60):
            while not worker.desk.catch_ups[talk.platform].passes:
                await asyncio.sleep(0.05)
        await idle(worker)
    assert talk.openai.calls == []
