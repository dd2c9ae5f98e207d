"""The main job over the wire: a mention gets its answer in the thread, once, whatever happens around it."""

import asyncio
import itertools
import time
from typing import Literal

import pytest

from emulators.faults import Fault
from emulators.openai import Reply, errors
from tests.e2e.stage import Stage, user_texts


async def test_a_mention_in_slack_is_answered_in_its_thread_and_remembered(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada = slack.add_user("ada lovelace")
    general = slack.add_channel("general")
    openai.script("It is **four**.", "I said four.")
    async with on_stage.worker():
        question = await slack.say(ada, general, "what is 2+2?", mention=True)
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        assert slack.visible_text(answer) == "It is **four**."
        assert answer.thread_ts == question.ts

        await slack.say(ada, general, "what did you say?", thread_ts=question.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, question.ts)) == 2)
    [_, second] = openai.calls
    assert [m["role"] for m in second.body["messages"]] == ["system", "user", "assistant", "user"]
    assert second.body["messages"][2]["content"] == "It is **four**."
    assert list(user_texts(second.body)) == ["ada lovelace: what is 2+2?", "ada lovelace: what did you say?"]
    system = second.body["messages"][0]["content"]
    assert "#general" in system and "Slack" in system and "Today is" in system


async def test_a_mention_in_discord_is_answered_as_a_reply_and_the_chain_is_remembered(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob = discord.add_user("bob", global_name="Bob Ross")
    studio = discord.add_channel("studio")
    openai.script("Titanium white.", "As I said: titanium white.")
    async with on_stage.worker():
        question = await discord.say(bob, studio, "which white?", mention=True)
        [answer] = await discord.wait_for(lambda: discord.bot_messages(studio))
        assert answer.content == "Titanium white."
        assert answer.referenced is not None and answer.referenced.id == question.id

        await discord.say(bob, studio, "say again?", reply_to=answer)
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
    second = openai.calls[1]
    assert list(user_texts(second.body)) == ["Bob Ross: which white?", "Bob Ross: say again?"]
    assert not discord.bot_pings


async def test_slack_alone_is_served_with_its_two_tokens(on_stage: Stage) -> None:
    on_stage.extra["DISCORD_BOT_TOKEN"] = ""
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with on_stage.process(cold=True):
        question = await slack.say(ada, general, "alone?", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
    assert not on_stage.discord.requests


async def test_discord_alone_is_served_with_its_token(on_stage: Stage) -> None:
    on_stage.extra |= {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}
    discord = on_stage.discord
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.process(cold=True):
        await discord.say(bob, studio, "alone?", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
    assert not on_stage.slack.requests


async def test_direct_messages_need_no_mention(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, bob = slack.add_user("ada"), discord.add_user("bob")
    openai.script("one", "two", "three")
    async with on_stage.worker():
        dm = slack.open_dm(ada)
        await slack.say(ada, dm, "hello")
        await slack.wait_for(lambda: slack.bot_messages(dm))
        await slack.say(ada, dm, "and again")
        await slack.wait_for(lambda: len(slack.bot_messages(dm)) == 2)
        private = discord.open_dm(bob)
        await discord.say(bob, private, "hi there")
        await discord.wait_for(lambda: discord.bot_messages(private))
    assert len(openai.calls) == 3
    assert len(list(user_texts(openai.calls[1].body))) == 2


async def test_what_is_not_for_the_bot_gets_silence(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, eve, bob = slack.add_user("ada"), slack.add_user("eve"), discord.add_user("bob")
    robot, machine = slack.add_user("robot", bot=True), discord.add_user("machine", bot=True)
    general, studio = slack.add_channel("general"), discord.add_channel("studio")
    async with on_stage.worker():
        root = await slack.say(ada, general, "nothing for you")
        await slack.say(eve, general, "indeed", thread_ts=root.ts)
        await slack.say(robot, general, "beep", mention=True)
        human = await discord.say(bob, studio, "a talk among ourselves")
        await discord.say(bob, studio, "replying to myself", reply_to=human)
        await discord.say(machine, studio, "boop", mention=True)
        question = await slack.say(ada, general, "you now", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        asked = await discord.say(bob, studio, "and you", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
    assert len(openai.calls) == 2
    assert len(slack.bot_messages(general)) == 1
    [reply] = discord.bot_messages(studio)
    assert reply.referenced is not None and reply.referenced.id == asked.id


@pytest.mark.parametrize("order", ["message_first", "mention_first"])
async def test_paired_and_redelivered_events_are_one_question(
    on_stage: Stage, order: Literal["message_first", "mention_first"]
) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, bob = slack.add_user("ada"), discord.add_user("bob")
    general, studio = slack.add_channel("general"), discord.add_channel("studio")
    async with on_stage.worker():
        question = await slack.say(ada, general, "once?", mention=True, order=order)
        await slack.redeliver(question)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await slack.redeliver(question)
        other = await discord.say(bob, studio, "once?", mention=True)
        await discord.redeliver(other)
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await discord.redeliver(other)
        follow_up = await slack.say(ada, general, "next", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, follow_up.ts))
    assert len(openai.calls) == 3
    assert len(slack.bot_messages(general, question.ts)) == 1
    assert len(discord.bot_messages(studio)) == 1


async def test_a_question_survives_a_model_that_fails_three_times(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    openai.faults.add("/chat/completions", errors.server_error(), errors.bad_gateway(), errors.overloaded())
    openai.script("here I am")
    async with on_stage.worker():
        question = await slack.say(ada, general, "are you there?", mention=True)
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
    assert slack.visible_text(answer) == "here I am"


async def test_rate_limits_of_the_model_are_waited_out(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    openai.faults.add("/chat/completions", errors.rate_limited(2), errors.rate_limited(2))
    openai.script("patience")
    async with on_stage.worker():
        began = time.monotonic()
        await discord.say(bob, studio, "quick!", mention=True)
        [answer] = await discord.wait_for(lambda: discord.bot_messages(studio))
        assert time.monotonic() - began >= 4
    assert answer.content == "patience"
    asked = [r.at for r in openai.requests]
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(asked))


async def test_a_refused_temperature_is_dropped_and_the_question_answered(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    on_stage.extra |= {"OPENAI_TEMPERATURE": "0.3", "OPENAI_MODEL": "gpt-5-mini"}
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with on_stage.worker():
        for text in ("first", "second"):
            question = await slack.say(ada, general, text, mention=True)
            await slack.wait_for(lambda ts=question.ts: slack.bot_messages(general, ts))  # type: ignore[misc]
    assert ["temperature" in call.body for call in openai.calls] == [True, False, False]


async def test_malformed_events_hurt_nobody(on_stage: Stage) -> None:
    slack, discord = on_stage.slack, on_stage.discord
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    events: list[object] = [
        {"type": "event_callback", "event": None},
        {"type": "event_callback", "event": {"type": "message"}},
        {"type": "event_callback", "event": {"type": "message", "channel": 7, "ts": None, "text": ["x"]}},
        {"type": "event_callback", "event": {"type": "app_mention", "text": None, "user": {}}},
        {"type": "event_callback", "event": {"type": "message", "subtype": "message_changed", "message": 1}},
        {"type": "event_callback", "event": {"type": "never_heard_of"}},
        {},
    ]
    frames: list[object] = [
        {"op": 0, "t": "MESSAGE_CREATE", "s": 900, "d": None},
        {"op": 0, "t": "MESSAGE_CREATE", "s": 901, "d": {"id": "x", "content": 5}},
        {"op": 0, "t": "MESSAGE_UPDATE", "s": 902, "d": {"id": "1"}},
        {"op": 0, "t": "NEVER_HEARD_OF", "s": 903, "d": []},
    ]
    async with on_stage.worker():
        for event in events:
            await slack.send_raw(event)  # type: ignore[arg-type]
        for frame in frames:
            await discord.send_raw(frame)  # type: ignore[arg-type]
        question = await slack.say(ada, general, "still there?", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.say(bob, studio, "still there?", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))


async def test_a_model_that_shouts_at_everybody_pings_nobody(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    role = discord.add_role("everybody here")
    shout = f"<!channel> <!here> @everyone @here <@&{role.id}> <!subteam^S1> <@{ada.id}> <@{bob.id}> `<!channel>`"
    openai.script(shout, shout)
    async with on_stage.worker():
        question = await slack.say(ada, general, "shout", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.say(bob, studio, "shout", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
    assert slack.pings == []
    assert discord.bot_pings == []
    assert slack.unfurls == []


async def test_an_answer_grows_while_the_model_writes(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    text = " ".join(f"word{n}" for n in range(60))
    openai.script(Reply(text, by_words=True, chunk_delay=0.06), Reply(text, by_words=True, chunk_delay=0.06))
    async with on_stage.worker() as worker:
        question = await slack.say(ada, general, "slowly", mention=True)
        await discord.say(bob, studio, "slowly", mention=True)
        began = time.monotonic()
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        # Everybody shares this process: while the machine lets it stand still, nobody gets on.
        assert time.monotonic() - began < 2.5 + worker.lag.worst()
        await slack.wait_for(lambda: slack.visible_text(answer) == text)
        [other] = discord.bot_messages(studio)
        await discord.wait_for(lambda: other.content == text)
    for states in ([s.text for s in answer.states], [v.content for v in other.versions]):
        assert len(states) >= 3
        assert all(text.startswith(state or "?") for state in states)
        assert sorted(states, key=lambda state: len(state or "")) == states


async def test_a_long_answer_arrives_whole_in_messages_that_fit(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    code = "\n".join(f"    line_{n} = compute({n})  # number {n}" for n in range(160))
    text = "Intro.\n\n" + "\n\n".join(f"Paragraph {n}: " + "lorem ipsum " * 20 for n in range(15))
    text += f"\n\n```python\ndef f():\n{code}\n```\n\nThe end."
    openai.script(text, text)
    async with on_stage.worker():
        question = await slack.say(ada, general, "all of it", mention=True)
        await discord.say(bob, studio, "all of it", mention=True)
        await slack.wait_for(
            lambda: any("The end." in slack.visible_text(m) for m in slack.bot_messages(general, question.ts)),
        )
        await discord.wait_for(lambda: any("The end." in m.content for m in discord.bot_messages(studio)))
    for parts in (
        [slack.visible_text(m) for m in slack.bot_messages(general, question.ts)],
        [m.content for m in discord.bot_messages(studio)],
    ):
        whole = "\n".join(parts)
        for n in range(160):
            assert whole.count(f"line_{n} = compute({n})") == 1
        for n in range(15):
            assert whole.count(f"Paragraph {n}:") == 1
        assert all(part.count("```") % 2 == 0 for part in parts)


async def test_messages_that_came_while_it_wrote_are_answered_together(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, eve, general = slack.add_user("ada"), slack.add_user("eve"), slack.add_channel("general")
    openai.script(Reply("first answer", first_token_delay=0.6), "second answer")
    async with on_stage.worker():
        question = await slack.say(ada, general, "one", mention=True)
        await openai.wait_for(lambda: openai.calls)
        await slack.say(ada, general, "two", thread_ts=question.ts)
        await slack.say(eve, general, "three", thread_ts=question.ts, mention=True)
        await slack.wait_for(lambda: len(slack.bot_messages(general, question.ts)) == 2)
    assert [(m["role"], m["content"].split(": ")[-1]) for m in openai.calls[1].body["messages"][1:]] == [
        ("user", "one"),
        ("assistant", "first answer"),
        ("user", "two"),
        ("user", "three"),
    ]


async def test_a_mention_in_the_middle_of_a_thread_reads_the_thread_first(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, eve, general = slack.add_user("ada"), slack.add_user("eve"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.worker():
        root = await slack.say(ada, general, "the build is red")
        await slack.say(eve, general, "since my commit", thread_ts=root.ts)
        await slack.say(ada, general, "whose fault is it?", thread_ts=root.ts, mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, root.ts))
        first = await discord.say(bob, studio, "a happy cloud")
        second = await discord.say(bob, studio, "and a tree", reply_to=first)
        await discord.say(bob, studio, "what do you see?", reply_to=second, mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
    for call, expected in zip(
        openai.calls,
        (
            ["the build is red", "since my commit", "whose fault is it?"],
            ["a happy cloud", "and a tree", "what do you see?"],
        ),
        strict=True,
    ):
        assert [text.split(": ")[-1] for text in user_texts(call.body)] == expected


async def test_a_discord_thread_is_one_conversation(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.worker():
        thread = await discord.start_thread(bob, studio, "brushes")
        await discord.say(bob, thread, "which brush?", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(thread))
        await discord.say(bob, thread, "and then?")
        await discord.wait_for(lambda: len(discord.bot_messages(thread)) == 2)
    assert [text.split(": ")[-1] for text in user_texts(openai.calls[1].body)] == ["which brush?", "and then?"]
    assert not discord.bot_messages(studio)


@pytest.mark.parametrize("fault", ["lost_reply", "reset", "503", "429"])
async def test_a_platform_that_stumbles_gets_the_answer_once(on_stage: Stage, fault: str) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    openai.script("landed", "landed")
    faults = {
        "lost_reply": Fault("lost_reply"),
        "reset": Fault("reset"),
        "503": Fault(status=503, body="upstream"),
        "429": Fault(
            status=429, headers={"Retry-After": "1"}, body={"ok": False, "error": "ratelimited", "retry_after": 1}
        ),
    }
    slack.faults.add("chat.postMessage", faults[fault])
    discord.faults.add("POST /channels/{channel_id}/messages", faults[fault])
    async with on_stage.worker():
        question = await slack.say(ada, general, "go", mention=True)
        await discord.say(bob, studio, "go", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await asyncio.sleep(1.0)
    assert [slack.visible_text(m) for m in slack.bot_messages(general, question.ts)] == ["landed"]
    assert [m.content for m in discord.bot_messages(studio)] == ["landed"]


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_spent_quota_is_one_clear_sentence(on_stage: Stage, platform: str) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    async with on_stage.worker():
        if platform == "slack":
            question = await slack.say(ada, general, "go", mention=True)
            [message] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
            said = slack.visible_text(message)
        else:
            await discord.say(bob, studio, "go", mention=True)
            [reply] = await discord.wait_for(lambda: discord.bot_messages(studio))
            said = reply.content
    assert "quota" in said and "(ref " in said
    assert len(openai.requests) <= 2


async def test_a_thinking_model_shows_a_sign_of_life_that_goes(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    openai.script(Reply("hm", first_token_delay=1.0), Reply("hm", first_token_delay=1.0))
    async with on_stage.worker():
        question = await slack.say(ada, general, "think", mention=True)
        await discord.say(bob, studio, "think", mention=True)
        await slack.wait_for(lambda: slack.status(general, question.ts))
        await discord.wait_for(lambda: discord.typing)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        await discord.wait_for(lambda: discord.bot_messages(studio))
    assert not slack.status(general, question.ts)
