"""The team's controls, over the wire on both platforms: what is set reaches the model, and what is refused does not."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from emulators.discord.state import Message as DiscordMessage
from emulators.discord.state import User as DiscordUser
from emulators.openai.reply import Reply
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import idle
from tests.e2e.team import Team


@pytest.fixture(params=["slack", "discord"])
def team(on_stage: Stage, request: pytest.FixtureRequest) -> Team:
    """A team on each platform."""
    on_stage.extra["OPENAI_MODEL"] = "gpt-4o-mini"
    return Team(on_stage, request.param)


async def test_a_system_message_holds_in_its_channel_over_a_restart_until_it_is_taken_back(team: Team) -> None:
    stage = team.stage
    async with stage.worker():
        await team.say(team.lead, "!set system You are a pirate.\nSay arr.")
        await team.until_told("set **system**")
        await team.ask()
        assert team.system().startswith("You are a pirate.\nSay arr.")
        await team.ask(room=team.other)
        assert "pirate" not in team.system()
    async with stage.worker():
        await team.ask()
        assert "pirate" in team.system()
        await team.say(team.lead, "!reset system")
        await team.until_told("back in this channel")
        await team.ask()
        assert "pirate" not in team.system()


async def test_temperature_model_and_the_longest_answer_reach_the_model(team: Team) -> None:
    async with team.stage.worker():
        for wish in ("temperature 0.3", "model gpt-4o", "max_tokens 333"):
            await team.say(team.lead, f"!set {wish}")
            await team.until_told(f" {wish.split()[1]} in this channel")
        await team.ask()
    body = team.openai.calls[-1].body
    assert (body["temperature"], body["model"], body["max_completion_tokens"]) == (0.3, "gpt-4o", 333)


async def test_a_wrong_value_and_a_wrong_name_are_helped(team: Team) -> None:
    async with team.stage.worker():
        await team.say(team.lead, "!set temperature 9")
        assert "!set temperature 0.2" in await team.until_told("from 0 to 2")
        await team.say(team.lead, "!set temprature 1")
        await team.until_told("Did you mean")
    assert not team.openai.calls


async def test_a_member_is_refused_audibly_and_can_still_look(team: Team) -> None:
    async with team.stage.worker():
        await team.say(team.bob, "!set temperature 0.3")
        await team.until_told("Only admins")
        await team.say(team.bob, "!show")
        await team.until_told("What holds in this")
        await team.ask()
    assert "temperature" not in team.openai.calls[-1].body


async def test_the_fourth_question_of_a_minute_gets_one_kind_word_and_others_are_still_served(team: Team) -> None:
    team.stage.extra["PARLEY_USER_MESSAGES_PER_MINUTE"] = "3"
    eve = team.person("eve")
    async with team.stage.worker() as worker:
        for number in range(6):
            await team.say(team.bob, f"question {number}")
        await team.until_told("That was a lot at once")
        await team.ask("and mine?", person=eve)
        await idle(worker)
    assert len(team.openai.calls) == 4
    assert len([said for said in team.told() if "That was a lot at once" in said]) == 1
    assert len(team.shown()) == 5


async def test_a_channel_has_a_limit_of_its_own(team: Team) -> None:
    team.stage.extra["PARLEY_CHANNEL_MESSAGES_PER_MINUTE"] = "2"
    async with team.stage.worker() as worker:
        for number in range(4):
            await team.say(team.person(f"p{number}"), f"question {number}")
        await team.until_told("in one channel")
        await team.ask(room=team.other)
        await idle(worker)
    assert len(team.openai.calls) == 3


async def test_admins_are_exempt_where_a_setting_says_so(team: Team) -> None:
    team.stage.extra |= {"PARLEY_USER_MESSAGES_PER_MINUTE": "1", "PARLEY_ADMINS_EXEMPT": "true"}
    async with team.stage.worker():
        for number in range(3):
            await team.ask(f"question {number}", person=team.lead)
    assert len(team.openai.calls) == 3


async def test_admins_are_limited_like_everybody_else_otherwise(team: Team) -> None:
    team.stage.extra["PARLEY_USER_MESSAGES_PER_MINUTE"] = "1"
    async with team.stage.worker() as worker:
        await team.ask("the first", person=team.lead)
        await team.say(team.lead, "the second")
        await team.until_told("That was a lot at once")
        await idle(worker)
    assert len(team.openai.calls) == 1


async def test_who_is_blocked_is_told_once_and_heard_by_no_model(team: Team) -> None:
    eve = team.person("eve")
    async with team.stage.worker() as worker:
        await team.say(team.lead, f"!set block_users {eve.id}")
        await team.until_told("block_users")
        for text in ("the password is swordfish", "hello?"):
            await team.say(eve, text)
        await team.until_told("only some people")
        await team.ask("what did they say?")
        await idle(worker)
    assert len([said for said in team.told() if "only some people" in said]) == 1
    assert "swordfish" not in str([call.body for call in team.openai.calls])


async def test_an_answer_is_stopped_by_its_asker_and_keeps_what_was_said(team: Team) -> None:
    team.openai.script(Reply("word " * 400, chunk_delay=0.05))
    async with team.stage.worker() as worker:
        asked = await team.say(team.bob, "tell me everything")
        await team.until_told("word word")
        await team.say_on(team.bob, asked, "!stop")
        assert "as bob asked" in (await team.until_told("I stopped here")).lower()
        await idle(worker)
        assert not team.openai.open_streams
    assert sum("word word" in said for said in team.shown()) == 1


async def test_nobody_else_stops_an_answer_but_an_admin(team: Team) -> None:
    team.openai.script(Reply("word " * 100, chunk_delay=0.03))
    async with team.stage.worker() as worker:
        asked = await team.say(team.bob, "tell me something")
        await team.until_told("word")
        await team.say_on(team.person("eve"), asked, "!stop")
        await idle(worker)
    assert not [said for said in team.shown() if "I stopped here" in said]


async def test_with_streaming_off_an_answer_comes_whole(team: Team) -> None:
    team.stage.extra["PARLEY_STREAMING"] = "off"
    team.openai.script(Reply("word " * 50, chunk_delay=0.03))
    async with team.stage.worker():
        await team.ask()
    bot_edits = [
        r for r in (*team.slack.requests, *team.discord.requests) if "chat.update" in r.path or r.method == "PATCH"
    ]
    assert not bot_edits


async def test_a_language_is_asked_of_the_model(team: Team) -> None:
    async with team.stage.worker():
        await team.say(team.lead, "!set language Esperanto")
        await team.until_told("Esperanto")
        await team.ask()
    assert "Esperanto" in team.system()


async def test_a_channel_may_want_everything_answered_or_only_mentions(team: Team) -> None:
    async with team.stage.worker() as worker:
        await team.say(team.lead, "!set reply_mode all")
        await team.until_told("reply_mode")
        await team.say(team.bob, "nobody was mentioned", mention=False)
        await team.until_asked(1)
        await idle(worker)
        await team.say(team.lead, "!set reply_mode mention")
        await team.until_told("to mention in this channel")
        await team.say(team.bob, "not for you", mention=False)
        asked = await team.ask("for you")
        await team.say_on(team.bob, asked, "between us")
        await team.ask("again for you")
        await idle(worker)
    assert len(team.openai.calls) == 3


async def test_a_busy_channel_does_not_starve_anothers_first_answer(team: Team) -> None:
    team.stage.extra["PARLEY_CONCURRENCY"] = "4"
    team.openai.script(*(Reply("slow", first_token_delay=2.5) for _ in range(6)))
    async with team.stage.worker() as worker:
        for number in range(6):
            await team.say(team.person(f"p{number}"), f"busy {number}")
        await team.until_asked_at_all(2)
        team.openai.script()
        await team.say(team.bob, "mine is quick", room=team.other)
        async with asyncio.timeout(60):
            while not any("mine is quick" in text for call in team.openai.calls for text in user_texts(call.body)):
                await asyncio.sleep(0.02)
        busy = [call for call in team.openai.calls if any("busy" in text for text in user_texts(call.body))]
        assert len(busy) < 6
        await idle(worker)


async def test_a_try_shows_both_answers_and_leaves_everything_as_it_was(team: Team) -> None:
    async with team.stage.worker() as worker:
        await team.say(team.bob, "!try temperature=0 system=“You are a poet.” | name a river")
        await team.until_told("temperature = 0")
        await idle(worker)
        bodies = [call.body for call in team.openai.calls]
        assert [body.get("temperature") for body in bodies].count(0) == 1 and len(bodies) == 2
        assert all("name a river" in body["messages"][-1]["content"] for body in bodies)
        await team.ask("and now?")
    assert "name a river" not in str(team.openai.calls[-1].body)


@pytest.mark.parametrize("platform", ["slack"])
async def test_slack_may_answer_in_the_channel_as_one_conversation(on_stage: Stage, platform: str) -> None:
    team = Team(on_stage, platform)
    on_stage.extra["PARLEY_REPLY_IN"] = "channel"
    async with on_stage.worker():
        await team.ask("my name is Zaphod")
        await team.ask("what is my name?")
    assert all(message.thread_ts is None for message in team.slack.bot_messages())
    assert any("Zaphod" in text for text in user_texts(team.openai.calls[-1].body))


async def test_an_image_that_comes_with_a_question_is_seen_by_the_model_unless_it_shall_not_be(team: Team) -> None:
    written = io.BytesIO()
    Image.new("RGB", (900, 900), "teal").save(written, "PNG")
    async with team.stage.worker() as worker:
        await team.say_with_file(team.bob, "what colour is this?", "teal.png", written.getvalue())
        await team.until_asked(1)
        [_, text_and_image] = team.openai.calls[-1].body["messages"]
        text, image = text_and_image["content"]
        assert "what colour is this?" in text["text"]
        assert image["image_url"]["url"].startswith("data:image/jpeg;base64,")
        await idle(worker)
        await team.say(team.lead, "!set vision off")
        await team.until_told("to off in this channel")
        await team.say_with_file(team.bob, "and now?", "teal.png", written.getvalue())
        await team.until_asked(2)
        assert isinstance(team.openai.calls[-1].body["messages"][-1]["content"], str)
        await idle(worker)


async def test_discord_may_answer_in_a_thread_of_its_own_and_go_on_there(on_stage: Stage) -> None:
    team = Team(on_stage, "discord")
    on_stage.extra["PARLEY_REPLY_IN"] = "thread"
    async with on_stage.worker() as worker:
        asked = await team.say(team.bob, "my name is Zaphod")
        await team.until_asked(1)
        await idle(worker)
        assert isinstance(asked, DiscordMessage) and isinstance(team.bob, DiscordUser)
        assert not team.discord.bot_messages(asked.channel)
        thread = team.discord.world.channels[asked.id]
        [answer] = team.discord.bot_messages(thread)
        assert "Zaphod" in thread.name
        await team.discord.say(team.bob, thread, "what is my name?")
        await team.until_asked(2)
        await idle(worker)
        assert any("Zaphod" in text for text in user_texts(team.openai.calls[-1].body))
        assert len(team.discord.bot_messages(thread)) == 2 and answer.content


async def test_a_stop_that_is_told_of_again_stops_nothing_asked_after_it(on_stage: Stage) -> None:
    team = Team(on_stage, "slack")
    on_stage.openai.script("the first", Reply("word " * 60, chunk_delay=0.03))
    async with on_stage.worker() as worker:
        asked = await team.ask("one")
        await idle(worker)
        stop = await team.say_on(team.bob, asked, "!stop")
        await team.until_told("nothing of yours here")
        await team.say_on(team.bob, asked, "two")
        await team.until_told("word word")
        assert isinstance(stop, SlackMessage)
        await team.slack.redeliver(stop)
        await idle(worker)
    assert not [said for said in team.told() if "I stopped here" in said]


async def test_what_was_passed_over_stays_so_however_often_it_is_told_of(on_stage: Stage) -> None:
    team = Team(on_stage, "slack")
    on_stage.extra["PARLEY_USER_MESSAGES_PER_MINUTE"] = "2"
    async with on_stage.worker() as worker:
        for number in range(4):
            last = await team.say(team.bob, f"question {number}")
        await team.until_told("That was a lot at once")
        await idle(worker)
        assert isinstance(last, SlackMessage)
        await team.slack.redeliver(last)
        await idle(worker)
    assert len(team.openai.calls) == 2


async def test_each_person_is_told_of_a_channels_limit_once(on_stage: Stage) -> None:
    team = Team(on_stage, "slack")
    on_stage.extra["PARLEY_CHANNEL_MESSAGES_PER_MINUTE"] = "1"
    eve, joe = team.person("eve"), team.person("joe")
    async with on_stage.worker() as worker:
        await team.ask("the one")
        for person in (eve, joe, eve, joe):
            await team.say(person, "mine too")
        async with asyncio.timeout(60):
            while len([said for said in team.told() if "in one channel" in said]) < 2:
                await asyncio.sleep(0.02)
        await idle(worker)
    assert len([said for said in team.told() if "in one channel" in said]) == 2
    assert len(team.openai.calls) == 1
