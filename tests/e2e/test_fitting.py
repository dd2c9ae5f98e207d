"""What a model reads of a long conversation, and that it is trimmed until the model takes it."""

from pathlib import Path

from emulators.openai import errors
from tests.e2e.stage import Stage, stage, user_texts


async def asked(stage: Stage, text: str = "go", timeout: float = 60) -> str:
    """Ask once on Slack and return the answer as it stands once the turn has ended."""
    slack = stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with stage.worker():
        question = await slack.say(ada, general, text, mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts), timeout=timeout)
    [answer] = slack.bot_messages(general, question.ts)
    return slack.visible_text(answer)


async def test_a_long_system_message_leaves_the_question_readable(on_stage: Stage) -> None:
    on_stage.extra |= {"PARLEY_SYSTEM_MESSAGE": "Be kind. " * 400, "PARLEY_HISTORY_TOKENS": "500"}
    on_stage.openai.script("kindly")
    assert await asked(on_stage, "what is the answer to all of it?") == "kindly"
    [text] = user_texts(on_stage.openai.calls[0].body)
    assert text == "ada: what is the answer to all of it?"


async def test_a_context_that_is_too_long_is_trimmed_until_it_fits(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_SUMMARIES"] = "false"
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
    async with stage(tmp_path, {"gpt-4o-mini": 2_000}, OPENAI_MODEL="gpt-4o-mini", PARLEY_SUMMARIES="false") as scene:
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
