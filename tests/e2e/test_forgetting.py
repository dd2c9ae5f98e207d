"""`forget` on either platform: what was said is out of the next prompt and the file, and is not asked again."""

from __future__ import annotations

import asyncio

from emulators.openai import Reply
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import Said, Talk, idle
from tests.storage.test_inbox import rows

SECRET = "the vault's number is 80211"


def stored_bytes(stage: Stage) -> bytes:
    """Everything in the database's files, whatever a query would find."""
    return b"".join(path.read_bytes() for path in stage.folder.glob("parley.db*") if path.is_file())


async def redeliver(talk: Talk, message: Said) -> None:
    """The platform sends the event of a message once more."""
    if isinstance(message, SlackMessage):
        await talk.slack.redeliver(message)
    else:
        await talk.discord.redeliver(message)


async def test_what_was_said_before_is_in_no_later_prompt_and_not_asked_again(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.script("I'll keep it: 80211", "I know of none.", "Still none.")
    async with stage.worker() as worker:
        first = await talk.ask(SECRET)
        await talk.until("I'll keep it: 80211")
        await idle(worker)
        await talk.ask_on(first, "!forget")
        await talk.place.wait_for(lambda: len(talk.answers()) == 2)
        told = talk.answers()[1]
        assert told.startswith("I've forgotten 2 messages of this conversation, as "), told
        assert f"What stands in {talk.platform.title()} itself stays there" in told
        await idle(worker)
        assert b"80211" not in stored_bytes(stage)
        await talk.ask_on(first, "what is the number?")
        await talk.place.wait_for(lambda: "I know of none." in talk.answers())
        await redeliver(talk, first)
        await idle(worker)
    assert [text.partition(": ")[2] for text in user_texts(openai.calls[-1].body)] == ["what is the number?"]

    async with stage.worker() as worker:  # what is read back at the start is known, and nothing of the old comes back
        await talk.ask_on(first, "and now?")
        await talk.place.wait_for(lambda: "Still none." in talk.answers())
        await idle(worker)
    asked = [message["content"] for message in openai.calls[-1].body["messages"] if message["role"] != "system"]
    assert [text.rpartition(": ")[2] for text in asked] == ["what is the number?", "I know of none.", "and now?"]
    assert len(openai.calls) == 3
    assert b"80211" not in stored_bytes(stage)
    assert rows(stage.folder / "parley.db", "SELECT action, name, after FROM audit") == [
        ("forget", "conversation", "2 messages")
    ]


async def test_an_answer_under_way_ends_at_once_and_what_waits_behind_it_is_never_asked(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.script(Reply("on and on " * 400, by_words=True, chunk_delay=0.1))
    async with stage.worker() as worker:
        first = await talk.ask("tell me all of it")
        await talk.place.wait_for(lambda: bool(talk.answers()))
        await talk.ask_on(first, "and the rest")
        await asyncio.sleep(0.3)
        await talk.ask_on(first, "!forget")
        await talk.place.wait_for(lambda: any("I've forgotten" in text for text in talk.answers()))
        await idle(worker)
    assert len(openai.calls) == 1
    kept = rows(stage.folder / "parley.db", "SELECT text FROM messages WHERE text != '' OR NOT deleted")
    assert kept == [("",)]  # the wish itself


async def test_somebody_who_said_nothing_there_can_have_nothing_forgotten(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.script("noted", "milk")
    async with stage.worker() as worker:
        first = await talk.ask("buy milk")
        await talk.until("noted")
        await idle(worker)
        if isinstance(first, SlackMessage):
            eve = talk.slack.add_user("eve")
            await talk.slack.say(eve, talk.general, "!forget", mention=True, thread_ts=first.ts)
            await talk.slack.wait_for(lambda: talk.slack.ephemerals or len(talk.answers()) == 2)
            refusal = str(talk.slack.ephemerals) + str(talk.answers())
        else:
            stranger = talk.discord.add_user("eve")
            answer = talk.discord.bot_messages(talk.studio)[-1]
            await talk.discord.say(stranger, talk.studio, "!forget", mention=True, reply_to=answer)
            await talk.discord.wait_for(lambda: len(talk.answers()) == 2)
            refusal = talk.answers()[1]
        assert "I've forgotten nothing" in refusal
        await idle(worker)
    assert rows(stage.folder / "parley.db", "SELECT text FROM messages WHERE role = 'user'") == [("buy milk",)]
    assert rows(stage.folder / "parley.db", "SELECT * FROM audit") == []
