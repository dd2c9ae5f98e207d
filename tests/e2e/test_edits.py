"""Questions edited and deleted, over the wire on both platforms: while they are answered, before, and after."""

from __future__ import annotations

from emulators.openai.calls import Call
from emulators.openai.reply import Reply
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import user_texts
from tests.e2e.talk import POST, Said, Talk, idle

# A model that would speak for a minute.
LONG = Reply("half of an answer " * 150, by_words=True, chunk_delay=0.1)


async def edit(talk: Talk, question: Said, text: str, *, mention: bool = True) -> None:
    """Who asked words it anew."""
    if isinstance(question, SlackMessage):
        called = f"<@{talk.slack.bot.id}> {text}" if mention else text
        await talk.slack.edit(talk.ada, question, called)
    else:
        await talk.discord.edit(question, f"{talk.discord.bot.mention} {text}" if mention else text)


async def delete(talk: Talk, question: Said) -> None:
    """Who asked takes it back."""
    if isinstance(question, SlackMessage):
        await talk.slack.delete(question)
    else:
        await talk.discord.delete(question)


def asked(call: Call) -> str:
    """The question of a call, without the name before it."""
    return list(user_texts(call.body))[-1].partition(": ")[2]


async def speaking(talk: Talk, calls: int = 1) -> None:
    """Wait until the model speaks for the nth time and something of it is shown."""
    await talk.openai.wait_for(lambda: len(talk.openai.calls) >= calls and talk.openai.calls[-1].text)
    await talk.place.wait_for(lambda: any("half of" in shown for shown in talk.answers()))


async def left(talk: Talk, index: int = 0) -> None:
    """Wait until the client has hung up on a call."""
    await talk.openai.wait_for(lambda: talk.openai.calls[index].disconnected is not None, timeout=3)


async def test_a_question_edited_while_it_is_answered_gets_one_answer_to_its_new_wording(talk: Talk) -> None:
    talk.openai.script(LONG, "It is 4.")
    async with talk.stage.worker() as worker:
        question = await talk.ask("what is 1 + 1?")
        await speaking(talk)
        await edit(talk, question, "what is 2 + 2?")
        await left(talk)
        await talk.until("It is 4.")
        await idle(worker)
    assert [asked(call) for call in talk.openai.calls] == ["what is 1 + 1?", "what is 2 + 2?"]
    posts = [r for r in (*talk.slack.requests, *talk.discord.requests) if POST[talk.platform].split(" ")[0] in r.path]
    assert posts is not None
    assert len(talk.answers()) == 1
