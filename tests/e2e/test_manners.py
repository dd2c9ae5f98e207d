"""Who is answered without a mention, over the wire: in a thread with one person, in company, and where it was muted."""

from __future__ import annotations

import asyncio

import pytest

from bot import muting
from emulators.discord.state import Channel as DiscordChannel
from emulators.discord.state import Message as DiscordMessage
from emulators.discord.state import User as DiscordUser
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import idle
from tests.e2e.team import Person, Room, Said, Team


class ThreadOfOurs:
    """A thread that Bob began with a mention, and in which he was answered."""

    def __init__(self, team: Team, began: Said) -> None:
        self.team = team
        self.began = began

    @property
    def room(self) -> Room:
        """Where its messages stand: on Slack in the channel itself."""
        if isinstance(self.began, SlackMessage):
            return self.team.general
        assert self.began.thread is not None
        return self.began.thread

    async def say(self, person: Person, text: str, *, to: DiscordUser | None = None) -> None:
        """A message in it, without a mention of the bot."""
        team = self.team
        if isinstance(self.began, SlackMessage):
            assert isinstance(team.general, SlackChannel) and not isinstance(person, DiscordUser)
            await team.slack.say(person, team.general, text, thread_ts=self.began.ts)
            return
        assert isinstance(team.general, DiscordChannel) and isinstance(person, DiscordUser)
        replied: DiscordMessage | None = None
        if to is not None:
            assert self.began.thread is not None
            replied = [m for m in team.discord.messages(self.began.thread) if m.author is to][-1]
        await team.discord.say(person, team.general, text, thread=self.began.thread, reply_to=replied)

    def asked(self) -> list[str]:
        """The last thing said in each request to the model."""
        return [list(user_texts(call.body))[-1] for call in self.team.openai.calls]


@pytest.fixture(params=["slack", "discord"])
def team(on_stage: Stage, request: pytest.FixtureRequest) -> Team:
    """A team on each platform, answered in threads."""
    on_stage.extra["PARLEY_REPLY_IN"] = "thread"
    return Team(on_stage, request.param)


async def begun(team: Team) -> ThreadOfOurs:
    """A thread of ours with an answer in it."""
    said = await team.say(team.bob, "what is a monad?")
    thread = ThreadOfOurs(team, said)
    await team.until_asked(1)
    await team.openai.wait_for(lambda: not team.openai.open_streams)
    return thread


async def test_one_person_is_answered_whatever_they_say(team: Team) -> None:
    async with team.stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        for number, text in enumerate(("and a functor?", "hm, one more thing", "thanks"), 2):
            await thread.say(team.bob, text)
            await team.until_asked(number)
            await idle(worker)
    assert [text.partition(": ")[2] for text in thread.asked()][1:] == [
        "and a functor?",
        "hm, one more thing",
        "thanks",
    ]


async def test_in_company_it_answers_what_goes_on_with_it_or_is_addressed_to_it(team: Team) -> None:
    eve = team.person("eve")
    name = team.own_name
    async with team.stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        await thread.say(eve, "I think that is wrong")
        await thread.say(team.bob, "why do you think so?")
        await thread.say(team.bob, "eve, I mean you")
        await thread.say(eve, f"{name}, who is right?")
        await team.until_asked(2)
        await idle(worker)
        await thread.say(eve, "and why?")
        await team.until_asked(3)
        await idle(worker)
        await thread.say(eve, "@bob can you check that?")
        await thread.say(team.bob, "well")
        await idle(worker)
    assert [text.partition(": ")[2] for text in thread.asked()][1:] == [f"{name}, who is right?", "and why?"]
    # What people said to each other meanwhile was heard, and from whom.
    heard = list(user_texts(team.openai.calls[1].body))
    assert "eve: I think that is wrong" in heard and "bob: why do you think so?" in heard


async def test_on_discord_it_answers_to_its_name_on_the_server_and_to_its_own(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_REPLY_IN"] = "thread"
    team = Team(on_stage, "discord")
    team.discord.bot.nick = "Jarvis"
    eve = team.person("eve")
    async with on_stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        for number, name in enumerate(("Jarvis", team.discord.bot.name), 2):
            await thread.say(eve, "I think that is wrong")
            await thread.say(team.bob, f"{name}, who is right?")
            await team.until_asked(number)
            await idle(worker)
        team.discord.rename_bot("Friday")
        await thread.say(eve, "well, well")
        await thread.say(team.bob, "Friday, who is right?")
        await team.until_asked(4)
        await idle(worker)
    assert len(team.openai.calls) == 4
    assert "Your name here is Jarvis." in str(team.openai.calls[0].body["messages"][0])
    assert "Your name here is Friday." in team.system()


async def test_a_reply_to_it_that_calls_somebody_else_is_for_them_unless_it_calls_the_bot_too(on_stage: Stage) -> None:
    discord = on_stage.discord
    ada, eve, studio = discord.add_user("ada"), discord.add_user("eve"), discord.add_channel("studio")
    async with on_stage.worker() as worker:
        await discord.say(ada, studio, "when is the launch?", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await idle(worker)
        answer = discord.bot_messages(studio)[0]
        await discord.say(ada, studio, f"{eve.mention} see, told you", reply_to=answer)
        await idle(worker)
        await discord.say(ada, studio, f"{eve.mention} and <@{discord.bot.id}>: sure?", reply_to=answer)
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
        await idle(worker)
    assert [list(user_texts(call.body))[-1] for call in on_stage.openai.calls] == [
        "ada: when is the launch?",
        f"ada: @eve and @{discord.bot.name}: sure?",
    ]


async def test_the_post_of_a_program_is_no_company(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, eve, alerts = slack.add_user("ada"), slack.add_user("eve"), slack.add_user("Alerts", bot=True)
    general = slack.add_channel("general")
    async with on_stage.worker() as worker:
        root = await slack.say(alerts, general, "disk full on db1")
        await slack.say(ada, general, "what does that mean?", mention=True, thread_ts=root.ts)
        await slack.wait_for(lambda: slack.bot_messages(general, root.ts))
        await idle(worker)
        await slack.say(ada, general, f"<@{eve.id}> fyi", thread_ts=root.ts)
        await slack.say(ada, general, "and how do I mend it?", thread_ts=root.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, root.ts)) == 2)
    assert next(user_texts(on_stage.openai.calls[0].body)) == "Alerts: disk full on db1"


async def test_a_reply_to_somebody_else_in_its_thread_is_not_answered(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_REPLY_IN"] = "thread"
    team = Team(on_stage, "discord")
    eve = team.person("eve")
    assert isinstance(eve, DiscordUser) and isinstance(team.bob, DiscordUser)
    async with on_stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        await thread.say(team.bob, "more?")
        await team.until_asked(2)
        await idle(worker)
        await thread.say(eve, "I'd leave it there", to=team.bob)
        await thread.say(team.bob, "you would", to=eve)
        await thread.say(team.bob, f"{team.discord.bot.name}: would you?")
        await team.until_asked(3)
        await idle(worker)
    assert [text.partition(": ")[2] for text in thread.asked()][1:] == ["more?", f"{team.discord.bot.name}: would you?"]


async def test_a_muted_thread_is_left_alone_until_somebody_wants_the_bot_back(team: Team) -> None:
    async with team.stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        await thread.say(team.bob, "!mute")
        await team.until_told(muting.MUTED, thread.room)
        await thread.say(team.bob, "just between us")
        await thread.say(team.bob, "!mute")
        await team.until_told(muting.MUTED_ALREADY, thread.room)
        await thread.say(team.bob, "!unmute")
        await team.until_told(muting.UNMUTED, thread.room)
        await thread.say(team.bob, "are you there?")
        await team.until_asked(2)
        await idle(worker)
    assert [text.partition(": ")[2] for text in thread.asked()][1:] == ["are you there?"]


async def test_outside_a_thread_there_is_nothing_to_mute(team: Team) -> None:
    team.stage.extra["PARLEY_REPLY_IN"] = "channel"
    async with team.stage.worker():
        await team.say(team.bob, "!mute")
        await team.until_told(muting.NO_THREAD)


async def test_where_only_mentions_are_answered_anyway_nothing_is_said_to_change(team: Team) -> None:
    team.stage.extra["PARLEY_REPLY_MODE"] = "mention"
    async with team.stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        for command in ("!mute", "!unmute"):
            before = len(team.told(thread.room))
            await thread.say(team.bob, command)
            async with asyncio.timeout(60):
                while len(team.told(thread.room)) == before:
                    await asyncio.sleep(0.02)
            assert team.told(thread.room)[-1].startswith(muting.QUIET_ANYWAY[:40])


async def test_two_that_answer_each_other_in_a_thread_are_held_up_after_a_while(team: Team) -> None:
    team.stage.extra |= {"PARLEY_THREAD_MESSAGES_PER_MINUTE": "3"}
    async with team.stage.worker() as worker:
        thread = await begun(team)
        await idle(worker)
        for number in range(4):
            await thread.say(team.bob, f"I say {number}")
            await idle(worker)
        await team.until_told("in one conversation", thread.room)
        await team.say(team.bob, "elsewhere all is well")
        await team.until_asked(4)
        await idle(worker)
    assert len(team.openai.calls) == 4
