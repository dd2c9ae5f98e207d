"""Questions edited and deleted, over the wire on both platforms: while they are answered, before, and after."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime

import pytest

from bot.messages import Author, IncomingMessage
from bot.revisions import Revising
from emulators.discord.payloads import message_payload
from emulators.faults import Fault
from emulators.openai.calls import Call
from emulators.openai.reply import ChatRequest, Reply
from emulators.slack.model import Message as SlackMessage
from storage import Store
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import POST, Said, Talk, idle

# A model that would speak for half a minute.
LONG = Reply("half of an answer " * 100, by_words=True, chunk_delay=0.1)
# In seconds: so long the call of a deleted question may still be paid for.
AT_ONCE = 3.0


async def edit(talk: Talk, question: Said, text: str, *, mention: bool = True) -> None:
    """Who asked words it anew."""
    if isinstance(question, SlackMessage):
        await talk.slack.edit(talk.ada, question, f"<@{talk.slack.bot.id}> {text}" if mention else text)
    else:
        await talk.discord.edit(question, f"{talk.discord.bot.mention} {text}" if mention else text)


async def delete(talk: Talk, question: Said) -> None:
    """Who asked takes it back."""
    if isinstance(question, SlackMessage):
        await talk.slack.delete(question)
    else:
        await talk.discord.delete(question)


async def say(talk: Talk, text: str) -> Said:
    """A message in the channel that calls nobody."""
    if talk.platform == "slack":
        return await talk.slack.say(talk.ada, talk.general, text)
    return await talk.discord.say(talk.bob, talk.studio, text)


async def follow_up(talk: Talk, first: Said, text: str) -> Said:
    """A question in the conversation that `first` began, whose answer does not stand yet."""
    if isinstance(first, SlackMessage):
        return await talk.slack.say(talk.ada, talk.general, text, thread_ts=first.ts)
    return await talk.discord.say(talk.bob, talk.studio, text, reply_to=first, mention=True)


def asked(call: Call) -> str:
    """The question of a call, without the name before it."""
    return list(user_texts(call.body))[-1].partition(": ")[2]


def questions(talk: Talk) -> list[str]:
    """The question of each call."""
    return [asked(call) for call in talk.openai.calls]


def posted(talk: Talk) -> int:
    """How many messages the bot has posted, those included that it has taken back."""
    sent = [r for r in (*talk.slack.requests, *talk.discord.requests) if r.method == "POST"]
    return sum(r.path.endswith(("chat.postMessage", "/messages")) for r in sent)


def answering(talk: Talk, answers: dict[str, str | Reply]) -> None:
    """The model answers each of these questions so, and speaks long where it is asked another."""

    def answer(request: ChatRequest) -> str | Reply:
        return answers.get(request.last.partition(": ")[2], LONG)

    talk.openai.responder = answer


async def speaking(talk: Talk) -> None:
    """Wait until the model speaks and something of that is shown."""
    await talk.openai.wait_for(lambda: talk.openai.open_streams)
    await talk.place.wait_for(lambda: any("half of" in shown for shown in talk.answers()))


async def hung_up(talk: Talk, index: int = 0) -> None:
    """Wait until the client has left a call, and fail where it does not at once."""
    await talk.openai.wait_for(lambda: talk.openai.calls[index].disconnected is not None, timeout=AT_ONCE)


def rows(stage: Stage, query: str) -> list[tuple[object, ...]]:
    """What a look into the database finds."""
    with sqlite3.connect(stage.folder / "parley.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


async def test_a_question_edited_while_it_is_answered_gets_one_answer_to_its_new_wording(talk: Talk) -> None:
    talk.openai.script(LONG, "It is 4.")
    async with talk.stage.worker() as worker:
        question = await talk.ask("what is 1 + 1?")
        await speaking(talk)
        await edit(talk, question, "what is 2 + 2?")
        await hung_up(talk)
        await talk.until("It is 4.")
        await idle(worker)
    assert questions(talk) == ["what is 1 + 1?", "what is 2 + 2?"]
    assert posted(talk) == 1
    [half, whole] = rows(talk.stage, "SELECT estimated, completion_tokens FROM usage ORDER BY id")
    assert half[0] and int(str(half[1])) > 0
    assert not whole[0]


async def test_the_messages_that_the_new_answer_does_not_need_are_taken_back(talk: Talk) -> None:
    talk.stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    long = "\n\n".join(f"Paragraph {n}. " + "lorem ipsum dolor " * 30 for n in range(28))
    talk.openai.script(Reply(long, chunk_chars=300, chunk_delay=0.02, stall_after=14_000), "Short after all.")
    async with talk.stage.worker() as worker:
        question = await talk.ask("tell me all")
        await talk.place.wait_for(lambda: len(talk.answers()) >= 2)
        await edit(talk, question, "tell me in short")
        await talk.until("Short after all.")
        await idle(worker)
    assert len(talk.openai.calls) == 2


async def test_of_several_edits_in_a_row_the_last_is_answered_in_the_one_message(talk: Talk) -> None:
    answering(talk, {"fifth": "To the fifth."})
    async with talk.stage.worker() as worker:
        question = await talk.ask("first")
        await speaking(talk)
        for text in ("second", "third", "fourth", "fifth"):
            await edit(talk, question, text)
        await talk.until("To the fifth.")
        await idle(worker)
    assert questions(talk)[-1] == "fifth"
    assert questions(talk).count("fifth") == 1
    assert posted(talk) == 1
    assert not talk.openai.open_streams


async def test_an_edit_while_the_last_words_are_on_their_way_is_answered_too(talk: Talk) -> None:
    answering(talk, {"what is 1 + 1?": "It is 2.", "what is 2 + 2?": "It is 4."})
    talk.fail(POST, Fault(status=429, headers={"Retry-After": "2"}, body={"retry_after": 2.0, "message": "slow down"}))
    async with talk.stage.worker() as worker:
        question = await talk.ask("what is 1 + 1?")
        await talk.place.wait_for(lambda: not talk.place.faults.pending)
        await edit(talk, question, "what is 2 + 2?")
        await talk.until("It is 4.")
        await idle(worker)
    assert questions(talk) == ["what is 1 + 1?", "what is 2 + 2?"]
    assert rows(talk.stage, "SELECT text FROM messages WHERE role = 'assistant'") == [("It is 4.",)]


async def test_a_question_edited_while_it_waits_is_asked_once_as_it_is_then(talk: Talk) -> None:
    answering(talk, {"go": Reply("step " * 20, by_words=True, chunk_delay=0.1), "well put": "To the well put."})
    async with talk.stage.worker() as worker:
        first = await talk.ask("go")
        await talk.openai.wait_for(lambda: talk.openai.open_streams)
        waiting = await follow_up(talk, first, "badly put")
        await edit(talk, waiting, "well put", mention=talk.platform == "discord")
        await talk.place.wait_for(lambda: "To the well put." in talk.answers())
        await idle(worker)
    assert questions(talk) == ["go", "well put"]


async def test_a_question_whose_mention_is_taken_out_is_one_still(talk: Talk) -> None:
    answering(talk, {"what is 2 + 2?": "It is 4."})
    async with talk.stage.worker() as worker:
        question = await talk.ask("what is 1 + 1?")
        await speaking(talk)
        await edit(talk, question, "what is 2 + 2?", mention=False)
        await talk.until("It is 4.")
        await idle(worker)


async def test_a_question_turned_to_somebody_else_is_taken_back_and_can_be_turned_back(talk: Talk) -> None:
    answering(talk, {"what is 2 + 2?": "It is 4."})
    eve = talk.slack.add_user("eve") if talk.platform == "slack" else talk.discord.add_user("eve")
    async with talk.stage.worker() as worker:
        question = await talk.ask("what is 1 + 1?")
        await speaking(talk)
        await edit(talk, question, f"<@{eve.id}> what is 1 + 1?", mention=False)
        await hung_up(talk)
        await talk.until()
        await idle(worker)
        await edit(talk, question, "what is 2 + 2?")
        await talk.until("It is 4.")
        await idle(worker)
    assert rows(talk.stage, "SELECT state FROM turns ORDER BY id") == [("cancelled",), ("answered",)]


async def test_a_mention_that_an_edit_brings_makes_a_message_a_question_once(talk: Talk) -> None:
    answering(talk, {"what is 2 + 2?": "It is 4."})
    async with talk.stage.worker() as worker:
        said = await say(talk, "what is 2 + 2?")
        await edit(talk, said, "what is 2 + 2?")
        await talk.until("It is 4.")
        if isinstance(said, SlackMessage):
            delivery = next(d for d in reversed(talk.slack.socket.deliveries) if "previous_message" in d.event)
            talk.slack.socket.dispatch("events_api", delivery.payload)
        else:
            await talk.discord.dispatch_raw("MESSAGE_UPDATE", message_payload(said, talk.discord.bot, event=True))
        await talk.ask("what is 2 + 2?")  # comes after it: each channel's events are taken in order
        await talk.until("It is 4.", "It is 4.")
        await idle(worker)
    assert len(talk.openai.calls) == 2


async def test_what_a_platform_tells_of_a_message_without_new_words_begins_nothing_anew(talk: Talk) -> None:
    answering(talk, {"see https://example.com/a": Reply("word " * 20, by_words=True, chunk_delay=0.05)})
    async with talk.stage.worker() as worker:
        question = await talk.ask("see https://example.com/")
        await speaking(talk)
        await edit(talk, question, "see https://example.com/a")
        await talk.openai.wait_for(lambda: len(talk.openai.calls) == 2 and talk.openai.open_streams)
        if isinstance(question, SlackMessage):
            await talk.slack.unfurl(question, "https://example.com/a")
        else:
            await talk.discord.unfurl(question)
        await talk.until(("word " * 20).strip())
        await idle(worker)
    assert len(talk.openai.calls) == 2


async def test_a_deleted_question_is_paid_for_no_longer_and_its_half_answer_goes(talk: Talk) -> None:
    talk.stage.extra["PARLEY_MONTHLY_BUDGET_USD"] = "5"
    answering(talk, {})
    async with talk.stage.worker() as worker:
        question = await talk.ask("a slip of the tongue")
        await speaking(talk)
        await delete(talk, question)
        await hung_up(talk)
        await talk.until()
        await idle(worker)
        assert talk.status(question) == ""
    assert len(talk.openai.calls) == 1
    assert rows(talk.stage, "SELECT state FROM turns") == [("cancelled",)]
    [used] = rows(talk.stage, "SELECT estimated, completion_tokens > 0 FROM usage")
    assert used == (1, 1)
    assert rows(talk.stage, "SELECT count(*) FROM reservations") == [(0,)]
    assert rows(talk.stage, "SELECT text, deleted FROM messages") == [("", 1)]


async def test_a_question_deleted_before_the_model_has_said_a_word_leaves_nothing_behind(talk: Talk) -> None:
    talk.openai.script(Reply("too late", first_token_delay=60))
    async with talk.stage.worker() as worker:
        question = await talk.ask("a slip of the tongue")
        await talk.openai.wait_for(lambda: talk.openai.calls)
        await asyncio.sleep(0.5)  # the sign of life is shown after 0.3 s
        await delete(talk, question)
        await hung_up(talk)
        await idle(worker)
        assert talk.status(question) == ""
    assert posted(talk) == 0
    assert rows(talk.stage, "SELECT count(*) FROM usage") == [(0,)]


async def test_of_two_questions_in_one_turn_only_the_deleted_one_falls_away(talk: Talk) -> None:
    answering(talk, {"go": Reply("step " * 20, by_words=True, chunk_delay=0.1)})
    async with talk.stage.worker() as worker:
        first = await talk.ask("go")
        await talk.openai.wait_for(lambda: talk.openai.open_streams)
        await follow_up(talk, first, "this stays")
        goes = await follow_up(talk, first, "this goes")
        await talk.openai.wait_for(lambda: len(talk.openai.calls) == 2)
        assert "this stays" in "".join(user_texts(talk.openai.calls[1].body))
        answering(talk, {"this stays": "To what stays."})
        await delete(talk, goes)
        await hung_up(talk, 1)
        await talk.place.wait_for(lambda: "To what stays." in talk.answers())
        await idle(worker)
    assert questions(talk) == ["go", "this goes", "this stays"]
    assert "this goes" not in "".join(user_texts(talk.openai.calls[-1].body))


async def test_a_question_deleted_while_it_waits_is_never_asked(talk: Talk) -> None:
    answering(talk, {"go": Reply("step " * 20, by_words=True, chunk_delay=0.1)})
    async with talk.stage.worker() as worker:
        first = await talk.ask("go")
        await talk.openai.wait_for(lambda: talk.openai.open_streams)
        await delete(talk, await follow_up(talk, first, "never mind"))
        await talk.until(("step " * 20).strip())
        await idle(worker)
    assert questions(talk) == ["go"]


async def test_later_context_goes_by_what_was_edited_and_without_what_was_deleted(talk: Talk) -> None:
    answers = {"my cat is called Turing": "Noted.", "my key is 1234": "I see.", "what do you know?": "This and that."}
    answering(talk, dict(answers))
    async with talk.stage.worker() as worker:
        first = await talk.ask("my cat is called Turing")
        await talk.until("Noted.")
        second = await talk.ask_on(first, "my key is 1234")
        await talk.until("Noted.", "I see.")
        await idle(worker)
        await edit(talk, first, "my cat is called Hopper")
        await delete(talk, second)
        # Slack and Discord keep the events of one channel in their order.
        await talk.ask_on(first, "what do you know?")
        await talk.until("Noted.", "I see.", "This and that.")
        await idle(worker)
    said = str(talk.openai.calls[-1].body["messages"])
    assert "Hopper" in said
    assert "Turing" not in said
    assert "1234" not in said
    assert "I see." not in said  # an answer to it tells of it
    assert len(talk.openai.calls) == 3


async def test_what_was_edited_while_the_bot_was_down_is_answered_as_it_is_now(talk: Talk) -> None:
    answering(talk, {"what is 2 + 2?": "It is 4."})
    async with talk.stage.process() as worker:
        question = await talk.ask("what is 1 + 1?")
        await speaking(talk)
        await worker.kill()
    talk.slack.socket.drop_unconnected = True
    await edit(talk, question, "what is 2 + 2?")
    async with talk.stage.worker() as app:
        await talk.until("It is 4.")
        await idle(app)


async def test_a_deletion_that_was_stored_holds_whatever_dies_after_it(talk: Talk) -> None:
    answering(talk, {})
    async with talk.stage.process() as worker:
        question = await talk.ask("a slip of the tongue")
        await speaking(talk)
        talk.place.faults.add("*", *[Fault("delay", seconds=5)] * 20)
        await delete(talk, question)
        async with asyncio.timeout(20):
            while rows(talk.stage, "SELECT deleted FROM messages") != [(1,)]:
                await asyncio.sleep(0.01)
        await worker.kill()
    talk.place.faults.clear()
    async with talk.stage.worker() as app:
        await talk.until()
        await idle(app)
    assert len(talk.openai.calls) == 1
    assert rows(talk.stage, "SELECT state FROM turns") == [("cancelled",)]


@pytest.mark.parametrize("what", ["edited", "deleted"])
async def test_a_worker_notices_within_three_seconds_what_another_one_took_in(talk: Talk, what: str) -> None:
    answering(talk, {"what is 2 + 2?": "It is 4."})
    async with talk.stage.worker() as worker:
        await talk.ask("what is 1 + 1?")
        await speaking(talk)
        other = await Store.open(talk.stage.environment["DATABASE_URL"])
        [message] = await other.history.asked(1)
        [claim] = [lease.claim for lease in worker.desk.engine.leases()]
        revising = Revising(other.revisions, other.marks)
        if what == "deleted":
            await revising.delete(claim.address, message.platform_id)
        else:
            said = IncomingMessage(
                claim.address,
                message.platform_id,
                Author(message.author_id, message.author_name),
                "what is 2 + 2?",
                mentions_bot=True,
                sent_at=datetime.now(UTC),
                edited_at=datetime.now(UTC),
            )
            await revising.edit(said)
        await hung_up(talk)
        await talk.until(*(["It is 4."] if what == "edited" else []))
        await idle(worker)
        await other.close()
