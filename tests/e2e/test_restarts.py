"""A process that ends, in order or not, and the one after it."""

import asyncio

import pytest

from emulators.openai import Reply
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import Talk


async def test_the_thread_is_remembered_after_a_kill(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.process(cold=True) as worker:
        question = await slack.say(ada, general, "my cat is called Turing", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.say(bob, studio, "my dog is called Grace", mention=True)
        [answer] = await discord.wait_for(lambda: discord.bot_messages(studio))
        await worker.kill()
    async with on_stage.process(cold=True) as worker:
        await slack.say(ada, general, "what is my cat called?", thread_ts=question.ts)
        await discord.say(bob, studio, "and my dog?", reply_to=answer)
        await slack.wait_for(lambda: len(slack.bot_messages(general, question.ts)) == 2)
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
        assert await worker.terminate() == 0
    texts = ["\n".join(user_texts(call.body)) for call in openai.calls[2:]]
    assert any("Turing" in text for text in texts)
    assert any("Grace" in text for text in texts)


async def test_an_answer_cut_by_a_kill_is_completed_in_its_own_message(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    slow = Reply("half of " * 40, by_words=True, chunk_delay=0.1)
    openai.script(slow, slow)
    async with on_stage.process(cold=True) as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await discord.say(bob, studio, "go", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await worker.kill()
    openai.script("whole again", "whole again")
    async with on_stage.process(cold=True):
        await slack.wait_for(
            lambda: [slack.visible_text(m) for m in slack.bot_messages(general, question.ts)] == ["whole again"]
        )
        await discord.wait_for(lambda: [m.content for m in discord.bot_messages(studio)] == ["whole again"])


async def test_a_stop_lets_a_running_answer_finish(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    text = ["to", "the", "last", "word", "of", "it"] * 5
    openai.script(Reply(" ".join(text), by_words=True, chunk_delay=0.05))
    async with on_stage.process(cold=True) as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await openai.wait_for(lambda: openai.calls)
        assert await worker.terminate() == 0
    assert [slack.visible_text(m) for m in slack.bot_messages(general, question.ts)] == [" ".join(text)]


async def test_what_does_not_finish_in_time_is_taken_up_by_the_next_process(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    on_stage.extra["PARLEY_SHUTDOWN_GRACE"] = "0.5"
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    openai.script(Reply("too slow", first_token_delay=30))
    async with on_stage.process(cold=True) as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await openai.wait_for(lambda: openai.calls)
        assert await worker.terminate() == 0
    [answer] = slack.bot_messages(general, question.ts)
    assert "I'll finish this in a moment" in slack.visible_text(answer)
    openai.script("on time")
    async with on_stage.process(cold=True):
        await slack.wait_for(lambda: slack.visible_text(answer) == "on time")
    assert slack.bot_messages(general, question.ts) == [answer]


async def test_a_whole_answer_is_not_asked_for_again_by_the_process_after_a_kill(talk: Talk) -> None:
    """Killed after the answer was shown and before that was written down: it stands as people have read it."""
    talk.stage.extra["PARLEY_CRASH_AT"] = "before_finish"
    talk.openai.script("the one and only")
    async with talk.stage.process(cold=True) as worker:
        await talk.ask()
        await talk.until("the one and only")
        await worker.process.wait()
    talk.stage.extra.clear()
    talk.openai.script("another wording")
    async with talk.stage.worker() as app:
        async with asyncio.timeout(60):
            while await app.store.turns.open_count():
                await asyncio.sleep(0.02)
    assert talk.answers() == ["the one and only"]
    assert len(talk.openai.calls) == 1


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_what_a_restart_broke_off_is_counted_beside_the_whole_answer(on_stage: Stage, platform: str) -> None:
    on_stage.extra |= {"OPENAI_MODEL": "gpt-4o-mini", "PARLEY_SHUTDOWN_GRACE": "0.5"}
    talk = Talk(on_stage, platform)
    talk.openai.script(Reply("word " * 3_000, by_words=True, chunk_delay=0.1), "whole")
    async with on_stage.worker():
        await talk.ask()
        await talk.place.wait_for(talk.answers)
    async with on_stage.worker() as worker:
        await talk.until("whole")
        async with asyncio.timeout(60):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
        query = "SELECT estimated, prompt_tokens, completion_tokens, cost_micros > 0 FROM usage ORDER BY id"
        read = worker.store.database.read
        broken, whole = await read(lambda connection: list(connection.driver.execute(query)))
    first, second = (call.usage for call in talk.openai.calls)
    assert first is not None
    assert second is not None
    assert tuple(broken[:2]) == (1, first.prompt)
    # The last words may not have come through.
    assert 0 < broken[2] <= first.completion
    assert tuple(whole) == (0, second.prompt, second.completion, 1)
    assert broken[3] == 1
