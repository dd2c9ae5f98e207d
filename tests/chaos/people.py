"""The people of a round: who asks what where, on both platforms, and what each of their questions became so far."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from emulators.discord.state import Channel as DiscordChannel
from emulators.discord.state import Message as DiscordMessage
from emulators.discord.state import User as DiscordUser
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import User as SlackUser
from tests.chaos.plan import Ask, Platform, Where
from tests.chaos.scene import Scene
from tests.chaos.shown import slack_place

TALK = Path(__file__).resolve().parents[3] / "shared" / "data" / "irc"
_LINE = re.compile(r"\S+ \S+ \[[\d:]+\] <[^>]+> (.+)")
NAMES = ("ada", "bob", "cleo", "dan")
CHANNELS = ("general", "random", "help")
# A conversation that grows too long would leave the model's window, and with it what its answers are known by.
LONGEST_CONVERSATION = 8
# Between two messages of one person who types fast.
TYPING_SECONDS = (0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Question:
    """Something asked. `at` is monotonic; `id` is the message, `place` where its answer must stand."""

    token: str
    platform: Platform
    place: str
    id: str
    at: float
    conversation: int


@dataclass
class Conversation:
    """A thread, a chain of replies or a direct talk. `last` is the newest thing a person said in it."""

    number: int
    platform: Platform
    kind: str
    place: str
    who: SlackUser | DiscordUser
    where: SlackChannel | DiscordChannel
    thread: str | DiscordChannel | None = None
    last: SlackMessage | DiscordMessage | None = None
    tokens: list[str] = field(default_factory=list)


class People:
    """Everybody in both workspaces. `questions` in the order they were asked."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._dice = random.Random(f"people {scene.plan.seed}")
        self._lines = _talk() or ["what do you think of this?"]
        slack, discord = scene.slack, scene.discord
        self._slack = [slack.add_user(name) for name in NAMES]
        self._discord = [discord.add_user(name) for name in NAMES]
        self._slack_channels = [slack.add_channel(name) for name in CHANNELS]
        self._discord_channels = [discord.add_channel(name) for name in CHANNELS]
        self._quiet = slack.add_channel("quiet"), discord.add_channel("quiet")
        self._numbers = itertools.count(1)
        self.questions: dict[str, Question] = {}
        self.conversations: list[Conversation] = []

    async def open_direct_talks(self) -> None:
        """Everybody on Discord says a first word to the bot in person: it can't list such talks, it must know them."""
        for who in self._discord:
            await self._say(self._direct("discord", who))

    async def ask(self, ask: Ask) -> None:
        """Ask as planned; now and then people also talk among themselves, in a channel of their own."""
        for number in range(self._dice.randint(2, 3) if ask.where == "burst" else 1):
            if number:
                await asyncio.sleep(self._dice.uniform(*TYPING_SECONDS))
            await self._say(self._choose(ask.platform, ask.where))
        if self._dice.random() < 0.3:
            await self._chat(ask.platform)

    def _choose(self, platform: Platform, where: Where) -> Conversation:
        if where == "direct":
            who = self._dice.choice(self._slack) if platform == "slack" else self._dice.choice(self._discord)
            return self._direct(platform, who)
        if where in {"follow", "burst"}:
            going_on = [
                c
                for c in self.conversations
                if c.platform == platform and c.kind != "direct" and len(c.tokens) < LONGEST_CONVERSATION
            ]
            if going_on:
                return going_on[-1] if where == "burst" else self._dice.choice(going_on)
        return self._begin(platform, in_thread=where == "thread")

    def _begin(self, platform: Platform, *, in_thread: bool) -> Conversation:
        number = len(self.conversations)
        if platform == "slack":
            return self._known(
                Conversation(number, "slack", "thread", "", self._dice.choice(self._slack),
                             self._dice.choice(self._slack_channels))
            )  # fmt: skip
        channel, who = self._dice.choice(self._discord_channels), self._dice.choice(self._discord)
        kind = "thread" if in_thread else "chain"
        return self._known(Conversation(number, "discord", kind, str(channel.id), who, channel))

    def _direct(self, platform: Platform, who: SlackUser | DiscordUser) -> Conversation:
        known = [c for c in self.conversations if c.platform == platform and c.kind == "direct" and c.who is who]
        if known:
            return known[0]
        number = len(self.conversations)
        if isinstance(who, SlackUser):
            channel = self._scene.slack.open_dm(who)
            return self._known(Conversation(number, "slack", "direct", channel.id, who, channel))
        talk = self._scene.discord.open_dm(who)
        return self._known(Conversation(number, "discord", "direct", str(talk.id), who, talk))

    def _known(self, conversation: Conversation) -> Conversation:
        self.conversations.append(conversation)
        return conversation

    async def _say(self, talk: Conversation) -> None:
        token = f"q{next(self._numbers):04}"
        text = f"{self._dice.choice(self._lines)[:300]} [{token}]"
        if isinstance(talk.where, SlackChannel):
            said_id = await self._say_on_slack(talk, talk.where, text)
        else:
            said_id = await self._say_on_discord(talk, talk.where, text)
        talk.tokens.append(token)
        at = time.monotonic()
        self.questions[token] = Question(token, talk.platform, talk.place, said_id, at, talk.number)

    async def _say_on_slack(self, talk: Conversation, channel: SlackChannel, text: str) -> str:
        assert isinstance(talk.who, SlackUser)
        thread = talk.thread if isinstance(talk.thread, str) else None
        first = talk.kind == "thread" and thread is None
        order: Literal["mention_first", "message_first"] = self._dice.choice(("mention_first", "message_first"))
        said = await self._scene.slack.say(
            talk.who, channel, text, thread_ts=thread, mention=first or self._dice.random() < 0.2, order=order
        )
        if first:
            talk.thread, talk.place = said.ts, slack_place(channel.id, said.ts)
        talk.last = said
        return said.ts

    async def _say_on_discord(self, talk: Conversation, channel: DiscordChannel, text: str) -> str:
        assert isinstance(talk.who, DiscordUser)
        discord = self._scene.discord
        first = not talk.tokens
        if talk.kind == "thread" and first:
            talk.thread = started = await discord.start_thread(talk.who, channel, f"about {len(self.questions)}")
            talk.place = str(started.id)
        thread = talk.thread if isinstance(talk.thread, DiscordChannel) else None
        reply_to = self._hang_on(talk, channel) if talk.kind == "chain" and not first else None
        by_bot = reply_to is not None and reply_to.author is discord.bot
        mention = talk.kind != "direct" and not by_bot and (first or talk.kind == "chain" or self._dice.random() < 0.2)
        said = await discord.say(talk.who, channel, text, mention=mention, reply_to=reply_to, thread=thread)
        talk.last = said
        return str(said.id)

    def _hang_on(self, talk: Conversation, channel: DiscordChannel) -> DiscordMessage | None:
        """What the next message of a chain replies to: the whole answer to its last question, or that question."""
        end = re.compile(r"\b(?P<lead>q\d+)v\d+end$")
        for message in reversed(self._scene.discord.bot_messages(channel)):
            found = end.search(message.content)
            if found and found["lead"] in talk.tokens[-2:]:
                return message
        return talk.last if isinstance(talk.last, DiscordMessage) else None

    async def _chat(self, platform: Platform) -> None:
        """A word between people, which is none of the bot's business."""
        line = self._dice.choice(self._lines)[:300]
        if platform == "slack":
            await self._scene.slack.say(self._dice.choice(self._slack), self._quiet[0], line)
        else:
            await self._scene.discord.say(self._dice.choice(self._discord), self._quiet[1], line)


def _talk() -> list[str]:
    """Lines that people really said in help channels, where the transcripts are beside the project."""
    files = sorted(TALK.glob("*.ascii.txt")) if TALK.is_dir() else []
    matches = [_LINE.match(line) for file in files for line in file.read_text(errors="replace").splitlines()]
    return [m[1] for m in matches if m and m[1].strip()][:2000]
