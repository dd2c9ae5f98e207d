"""Real talk of two help channels, replayed as a channel's traffic: thousands of lines, several people at once."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from emulators.discord import DiscordServer, Message
from emulators.openai import ChatRequest
from emulators.slack import SlackWorkspace
from tests.e2e.stage import SLACK, Stage, stage, user_texts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "irc"
LINE = re.compile(r"\S+ \S+ \[[\d:]+\] <(?P<nick>[^>]+)> (?P<text>.*)")
# One line in so many is addressed to the bot.
EVERY = 25
QUESTION = r"\[q(\d+)\]"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the transcripts are not beside the project")


@dataclass(frozen=True, slots=True)
class Line:
    nick: str
    text: str


def transcript(name: str) -> list[Line]:
    lines = (DATA / f"{name}.ascii.txt").read_text(errors="replace").splitlines()
    return [Line(m["nick"], m["text"]) for m in map(LINE.match, lines) if m and m["text"].strip()]


def echo(request: ChatRequest) -> str:
    """The number of the question that is to be answered, so that the answer can be told from every other."""
    return f"answer to {re.findall(QUESTION, request.last)[-1]}"


async def replay_on_slack(slack: SlackWorkspace, name: str) -> dict[str, list[int]]:
    """Say a transcript in a channel of its own; returns, by thread, the numbers of the questions in order."""
    lines = transcript(name)
    people = {nick: slack.add_user(nick) for nick in dict.fromkeys(line.nick for line in lines)}
    channel = slack.add_channel(name.replace(".", "-"))
    asked: dict[str, list[int]] = defaultdict(list)
    began: dict[str, str] = {}
    for number, line in enumerate(lines):
        person = people[line.nick]
        if number % EVERY:
            await slack.say(person, channel, line.text)
        elif number % (EVERY * 4) and asked:
            # A follow-up in the thread of the last question; only somebody else needs a mention there.
            thread = list(asked)[-1]
            text, joins = f"{line.text} [q{number}]", line.nick != began[thread]
            await slack.say(person, channel, text, thread_ts=thread, mention=joins)
            asked[thread].append(number)
        else:
            question = await slack.say(person, channel, f"{line.text} [q{number}]", mention=True)
            asked[question.ts].append(number)
            began[question.ts] = line.nick
    return {f"{channel.id} {thread}": numbers for thread, numbers in asked.items()}


async def replay_on_discord(discord: DiscordServer, name: str) -> dict[int, int]:
    """The same on Discord, with mentions alone; returns each question's message id and number."""
    lines = transcript(name)
    people = {nick: discord.add_user(nick) for nick in dict.fromkeys(line.nick for line in lines)}
    channel = discord.add_channel(name.replace(".", "-"))
    asked = {}
    for number, line in enumerate(lines):
        addressed = number % EVERY == 0
        text = f"{line.text} [q{number}]" if addressed else line.text
        message = await discord.say(people[line.nick], channel, text, mention=addressed)
        if addressed:
            asked[message.id] = number
    return asked


def bot_messages(discord: DiscordServer) -> list[Message]:
    return [message for channel in discord.world.channels.values() for message in discord.bot_messages(channel)]


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose Slack waits for acknowledgements for as long as a busy machine may need for a thousand lines."""
    async with stage(tmp_path, slack=replace(SLACK, ack_deadline=60)) as scene:
        yield scene
        assert scene.complaints() == []


async def test_a_busy_channel_on_slack_gets_answers_to_what_was_asked_and_to_nothing_else(patient: Stage) -> None:
    slack, openai = patient.slack, patient.openai
    patient.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    openai.responder = echo
    async with patient.worker():
        asked = await replay_on_slack(slack, "rust.0")

        def last_answers() -> bool:
            last: dict[str, str] = {}
            for message in slack.bot_messages():
                last[f"{message.channel} {message.thread_ts}"] = slack.visible_text(message)
            return all(last.get(place, "").endswith(f" {numbers[-1]}") for place, numbers in asked.items())

        await slack.wait_for(last_answers, timeout=150)
    for place, numbers in asked.items():
        answered = [int(slack.visible_text(m).split()[-1]) for m in slack.bot_messages(*place.split())]
        assert answered == sorted(set(answered)), "each once, in order"
        assert answered[-1] == numbers[-1] and set(answered) <= set(numbers)
    threads = {m.thread_ts for m in slack.bot_messages()}
    assert threads == {place.split()[1] for place in asked}
    read = {text for call in openai.calls for text in user_texts(call.body) if "[q" in text}
    assert {int(number) for text in read for number in re.findall(r"\[q(\d+)\]$", text)} == {
        number for numbers in asked.values() for number in numbers
    }


async def test_a_busy_channel_on_discord_gets_answers_to_what_was_asked_and_to_nothing_else(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    on_stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    openai.responder = echo
    async with on_stage.worker():
        asked = await replay_on_discord(discord, "stripe.0") | await replay_on_discord(discord, "rust.2")
        await discord.wait_for(lambda: len(bot_messages(discord)) >= len(asked), timeout=150)
    found = sorted((m.referenced.id, m.content) for m in bot_messages(discord) if m.referenced)
    assert found == sorted((message_id, f"answer to {number}") for message_id, number in asked.items())
