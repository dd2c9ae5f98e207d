"""A model that fails: what people read then, and that nothing of the provider's own words is in it."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot import endings, turn
from emulators.faults import Fault
from emulators.openai import Reply, errors
from tests.e2e.stage import Stage, stage, user_texts


async def asked(stage: Stage, text: str = "go", timeout: float = 20) -> str:
    """Ask once on Slack and return the answer as it stands once the turn has ended."""
    slack = stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with stage.worker():
        question = await slack.say(ada, general, text, mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts), timeout=timeout)
    [answer] = slack.bot_messages(general, question.ts)
    return slack.visible_text(answer)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (errors.insufficient_quota(), "used up its quota"),
        (errors.credit_balance_exhausted(), "used up its quota"),
        (errors.invalid_api_key(), "is refused"),
        (errors.forbidden(), "is refused"),
        (errors.model_not_found("gpt-5.4-mini"), "doesn't exist"),
        (errors.content_policy_violation(), "content filter"),
        (errors.bad_request("no such thing"), "refused this request"),
    ],
)
async def test_each_failure_is_one_sentence_with_a_reference(on_stage: Stage, fault: Fault, sentence: str) -> None:
    on_stage.openai.faults.add("/chat/completions", *[fault] * 3)
    said = await asked(on_stage)
    assert sentence in said and "(ref " in said
    assert not any(word in said for word in ("sk-", "Error", "error", "{", "request_id", "openai.com"))
    assert len(on_stage.openai.requests) <= 2


async def test_a_model_that_stays_away_is_given_up_with_a_sentence(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_OPENAI_PATIENCE"] = "1.5"
    on_stage.openai.faults.add("/chat/completions", *[errors.server_error()] * 40)
    assert "isn't answering right now" in await asked(on_stage)


async def test_a_cut_stream_is_begun_again_and_replaces_what_stood_there(on_stage: Stage) -> None:
    on_stage.openai.script(Reply("the first half of it, and", chunk_chars=5, cut_after=20), "the whole of it")
    assert await asked(on_stage) == "the whole of it"


async def test_a_stalled_stream_is_begun_again(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_OPENAI_IDLE_TIMEOUT"] = "0.5"
    on_stage.openai.script(Reply("half of it, then silence", chunk_chars=5, stall_after=10), "the whole of it")
    assert await asked(on_stage) == "the whole of it"


async def test_a_stream_that_keeps_breaking_leaves_what_was_said_and_says_so(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_OPENAI_PATIENCE"] = "3"
    on_stage.openai.script(*[Reply("what could be said before it broke", chunk_chars=5, cut_after=30)] * 12)
    said = await asked(on_stage)
    assert said.startswith("what could be said") and "broke off here" in said


async def test_a_length_stop_says_so_and_offers_to_go_on(on_stage: Stage) -> None:
    on_stage.extra["OPENAI_MAX_OUTPUT_TOKENS"] = "20"
    on_stage.openai.script("word " * 200)
    said = await asked(on_stage)
    assert said.startswith("word word") and "length limit" in said


async def test_a_filter_in_the_middle_keeps_what_was_said(on_stage: Stage) -> None:
    on_stage.openai.script(Reply("so far so good", finish_reason="content_filter"))
    said = await asked(on_stage)
    assert said.startswith("so far so good") and "content filter" in said


async def test_a_filter_before_the_first_word_is_a_sentence(on_stage: Stage) -> None:
    on_stage.openai.script(Reply("", finish_reason="content_filter"))
    assert "Rewording" in await asked(on_stage)


async def test_an_empty_answer_is_not_an_empty_message(on_stage: Stage) -> None:
    on_stage.openai.script("")
    assert (await asked(on_stage)).startswith(f"{endings.EMPTY_ANSWER} (ref ")


async def test_a_model_that_thinks_up_to_its_limit_is_told_apart_from_one_with_nothing_to_say(on_stage: Stage) -> None:
    on_stage.openai.script(Reply("", finish_reason="length"))
    said = await asked(on_stage)
    assert said.replace("`", "").startswith(f"{endings.NO_ROOM_TO_SPEAK} (ref ".replace("`", ""))


async def test_a_long_system_message_leaves_the_question_readable(on_stage: Stage) -> None:
    on_stage.extra |= {"PARLEY_SYSTEM_MESSAGE": "Be kind. " * 400, "PARLEY_HISTORY_TOKENS": "500"}
    on_stage.openai.script("kindly")
    assert await asked(on_stage, "what is the answer to all of it?") == "kindly"
    [text] = user_texts(on_stage.openai.calls[0].body)
    assert text == "ada: what is the answer to all of it?"


async def test_a_context_that_is_too_long_is_trimmed_until_it_fits(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with on_stage.worker():
        question = await slack.say(ada, general, "begin", mention=True)
        for n in range(6):
            await slack.wait_for(lambda n=n: len(slack.bot_messages(general, question.ts)) == n + 1)  # type: ignore[misc]
            if n == 4:
                # From now on the model takes less than the bot believes.
                openai.faults.add("/chat/completions", *[errors.context_length_exceeded()] * 2)
            if n < 5:
                await slack.say(ada, general, f"question {n} " + "and more of it " * 500, thread_ts=question.ts)
    first, *_, last = [list(user_texts(call.body)) for call in openai.calls][-3:]
    assert "question 4" in last[-1]
    assert sum(map(len, last)) < sum(map(len, first))


async def test_a_context_that_never_fits_ends_in_a_sentence(on_stage: Stage) -> None:
    on_stage.openai.faults.add("/chat/completions", *[errors.context_length_exceeded()] * 10)
    assert "longer than the model can read" in await asked(on_stage)


async def test_a_window_far_smaller_than_believed_is_found_and_remembered(tmp_path: Path) -> None:
    async with stage(tmp_path, {"gpt-4o-mini": 2_000}, OPENAI_MODEL="gpt-4o-mini") as scene:
        slack, openai = scene.slack, scene.openai
        ada, general = slack.add_user("ada"), slack.add_channel("general")
        async with scene.worker():
            question = await slack.say(ada, general, "begin", mention=True)
            for n in range(1, 4):
                await slack.wait_for(lambda n=n: len(slack.bot_messages(general, question.ts)) == n)  # type: ignore[misc]
                await slack.say(ada, general, f"question {n} " + "and more of it " * 150, thread_ts=question.ts)
            await slack.wait_for(lambda: len(slack.bot_messages(general, question.ts)) == 4)
        assert not any("start a new thread" in slack.visible_text(m) for m in slack.bot_messages(general))
        answered = [call for call in openai.calls if call.status == 200]
        assert len(answered) == 4
        assert "question 3" in list(user_texts(answered[-1].body))[-1]
        refused_last = [call for call in openai.calls[-2:] if call.status != 200]
        assert not refused_last, "what the model takes is known by then"
        assert scene.complaints() == []


async def test_a_question_longer_than_the_budget_is_cut_with_a_note_and_answered(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_HISTORY_TOKENS"] = "1000"
    on_stage.openai.script("long, that")
    assert await asked(on_stage, "all of this: " + "lorem ipsum " * 1500) == "long, that"
    [text] = user_texts(on_stage.openai.calls[0].body)
    assert text.startswith("ada: all of this") and "is cut" in text


async def test_a_turn_that_brought_the_process_down_again_and_again_is_given_up(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    on_stage.openai.script(Reply("never", first_token_delay=60))
    async with on_stage.process() as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await slack.wait_for(lambda: on_stage.openai.calls)
        await worker.kill()
    with sqlite3.connect(on_stage.folder / "parley.db", isolation_level=None) as database:
        database.execute("UPDATE turns SET crashes = ?", (turn.MOST_CRASHES,))
    database.close()
    async with on_stage.worker():
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
    assert "Something went wrong" in slack.visible_text(answer)
    assert len(on_stage.openai.calls) == 1


async def test_edited_and_deleted_messages_are_so_in_what_the_model_reads_later(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.worker():
        first = await slack.say(ada, general, "the secret is blue", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, first.ts))
        second = await slack.say(ada, general, "forget this", thread_ts=first.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, first.ts)) == 2)
        await slack.edit(ada, first, "<@U0PARLEY01> the secret is green")
        await slack.delete(second)
        await slack.say(ada, general, "which is it?", thread_ts=first.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, first.ts)) == 3)

        question = await discord.say(bob, studio, "paint it red", mention=True)
        [answer] = await discord.wait_for(lambda: discord.bot_messages(studio))
        await discord.edit(question, f"{discord.bot.mention} paint it black")
        await discord.say(bob, studio, "which colour?", reply_to=answer)
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
    on_slack = list(user_texts(openai.calls[2].body))
    assert on_slack == ["ada: the secret is green", "ada: which is it?"]
    assert [m["role"] for m in openai.calls[2].body["messages"]] == ["system", "user", "assistant", "user"]
    assert list(user_texts(openai.calls[4].body)) == ["bob: paint it black", "bob: which colour?"]


async def test_questions_that_were_all_deleted_before_their_turn_are_dropped(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    openai.script(Reply("one", first_token_delay=0.7), "two")
    async with on_stage.worker() as worker:
        first = await slack.say(ada, general, "one", mention=True)
        await slack.wait_for(lambda: openai.calls)
        second = await slack.say(ada, general, "two", thread_ts=first.ts)
        await slack.delete(second)
        third = await slack.say(ada, general, "three", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, third.ts))
        await slack.wait_for(lambda: slack.bot_messages(general, first.ts))
        async with asyncio.timeout(5):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
    assert len(slack.bot_messages(general, first.ts)) == 1
    assert len(openai.calls) == 2
