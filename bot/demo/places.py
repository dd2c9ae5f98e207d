"""The places people talk in, each the same way: say something as somebody, see what the bot answers, count.

Everything told here comes from the emulators' state: what stands in the channels, not what the bot believes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adapters.discord import markdown
from adapters.slack.inbound import text_of_blocks, to_markdown
from emulators.discord import Channel as DiscordChannel
from emulators.discord import DiscordServer
from emulators.discord import Message as DiscordMessage
from emulators.discord import User as DiscordUser
from emulators.slack import Channel as SlackChannel
from emulators.slack import Message as SlackMessage
from emulators.slack import SlackWorkspace
from emulators.slack import User as SlackUser

MENTION = re.compile(r"@parley\b", re.IGNORECASE)
COMMAND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who talks, and the colour of their name."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something said: its id, where its thread begins, and the bot's messages that stood there before it."""

    id: str
    root: str
    earlier: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the bot's as it stands now, and how often it was edited."""

    id: str
    markdown: str
    edits: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What stands in a place: questions for the bot, its answers, answers too many, questions without one."""

    questions: int = 0
    answers: int = 0
    doubled: int = 0
    lost: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.questions + other.questions,
            self.answers + other.answers,
            self.doubled + other.doubled,
            self.lost + other.lost,
        )


class Place(Protocol):
    """A channel or a direct conversation."""

    @property
    def platform(self) -> str:
        """`Slack` or `Discord`."""

    @property
    def name(self) -> str:
        """`#general`, or `direct message`."""

    @property
    def direct(self) -> bool:
        """Whether the bot alone is spoken to here, and needs no mention."""

    async def say(self, person: Person, text: str, after: Question | None = None) -> Question:
        """Somebody writes; `@Parley` in the text becomes a mention, `after` makes it a follow-up."""

    def answers(self, question: Question) -> list[Answer]:
        """What the bot has said since, in the question's conversation."""

    def status(self, question: Question) -> str:
        """What the platform shows while nothing is said yet: `is thinking…`, or nothing."""

    async def command(self, person: Person, words: str) -> str:
        """`/parley words`, and what it shows its giver; empty where nothing came."""

    def tally(self) -> Tally:
        """What stands here, counted."""


@dataclass(frozen=True, slots=True)
class SlackPlace:
    """A channel of the emulated workspace, or the direct conversation with the bot."""

    slack: SlackWorkspace
    channel: SlackChannel
    users: Mapping[str, SlackUser]
    platform: str = field(default="Slack", init=False)

    @property
    def name(self) -> str:
        """The channel's name."""
        return "direct message" if self.direct else f"#{self.channel.name}"

    @property
    def direct(self) -> bool:
        """Whether this is the person's conversation with the bot."""
        return self.channel.kind == "im"

    async def say(self, person: Person, text: str, after: Question | None = None) -> Question:
        """Post, in the thread of `after` where that is given and this is a channel."""
        root = after.root if after is not None and after.root else None
        wire = MENTION.sub(f"<@{self.slack.bot.id}>", text)
        earlier = frozenset(m.ts for m in self.slack.bot_messages(self.channel))
        said = await self.slack.say(self.users[person.name], self.channel, wire, thread_ts=root)
        return Question(said.ts, "" if self.direct else root or said.ts, earlier)

    def answers(self, question: Question) -> list[Answer]:
        """The bot's messages in the thread, or in the direct conversation."""
        standing = self.slack.bot_messages(self.channel, question.root or None)
        return [Answer(m.ts, self._markdown(m), m.edits) for m in standing if m.ts not in question.earlier]

    def status(self, question: Question) -> str:
        """The line Slack shows under the thread."""
        return self.slack.status(self.channel, question.root) if question.root else ""

    def events(self, question: Question) -> list[str]:
        """The kinds of every event that Slack has sent about the question and seen acknowledged."""
        told = [d for d in self.slack.deliveries if d.acked and d.event.get("ts") == question.id]
        return [str(d.event.get("type")) for d in told]

    async def redeliver(self, question: Question, kind: str) -> None:
        """Send an event of the question once more, and wait until it is acknowledged."""
        message = self.slack.store[self.channel.id][question.id]
        again = await self.slack.redeliver(message, kind=kind)
        await self.slack.wait_for(lambda: again.acked)

    async def command(self, person: Person, words: str) -> str:
        """Run the slash command, and wait for what only its giver sees."""
        before = len(self.slack.ephemerals)
        await self.slack.slash(self.users[person.name], self.channel, "/parley", words)
        try:
            shown = await self.slack.wait_for(lambda: self.slack.ephemerals[before:], COMMAND_SECONDS)
        except AssertionError:
            return ""
        return "\n\n".join(map(self._markdown, shown))

    def tally(self) -> Tally:
        """Counted by thread: an answer's further messages are not further answers."""
        questions: Counter[str] = Counter()
        answers: Counter[str] = Counter()
        for message in self.slack.messages(self.channel):
            root = "" if self.direct else message.thread_ts or message.ts
            if message.user == self.slack.bot.id:
                answers[root] += _part_of(message) == 1
            elif self._is_for_us(root):
                questions[root] += 1
        doubled, lost = answers - questions, questions - answers
        return Tally(questions.total(), answers.total(), doubled.total(), lost.total())

    def _is_for_us(self, root: str) -> bool:
        return not root or f"<@{self.slack.bot.id}>" in self.slack.store[self.channel.id][root].text

    def _markdown(self, message: SlackMessage) -> str:
        written = [str(block["text"]) for block in message.blocks if block.get("type") == "markdown"]
        if written:
            return "\n\n".join(written)
        names = {user.id: user.real_name for user in self.slack.users.values()}
        return to_markdown(text_of_blocks(message.blocks) or message.text, names)


def _part_of(message: SlackMessage) -> object:
    payload = (message.metadata or {}).get("event_payload") or {}
    return payload.get("part")


@dataclass(frozen=True, slots=True)
class DiscordPlace:
    """A channel of the emulated server, or the direct conversation with the bot."""

    discord: DiscordServer
    channel: DiscordChannel
    users: Mapping[str, DiscordUser]
    platform: str = field(default="Discord", init=False)

    @property
    def name(self) -> str:
        """The channel's name."""
        return "direct message" if self.direct else f"#{self.channel.name}"

    @property
    def direct(self) -> bool:
        """Whether this is the person's conversation with the bot."""
        return self.channel.is_dm

    async def say(self, person: Person, text: str, after: Question | None = None) -> Question:
        """Send, as a reply to the last answer of `after` where that is given and this is a channel."""
        standing = self.discord.bot_messages(self.channel)
        reply_to = None
        if after is not None and not self.direct:
            ours = {answer.id for answer in self.answers(after)}
            reply_to = next((m for m in reversed(standing) if str(m.id) in ours), None)
        wire = MENTION.sub(self.discord.bot.mention, text)
        said = await self.discord.say(self.users[person.name], self.channel, wire, reply_to=reply_to)
        root = after.root if after is not None else str(said.id)
        return Question(str(said.id), root, frozenset(str(m.id) for m in standing))

    def answers(self, question: Question) -> list[Answer]:
        """The bot's messages since the question."""
        standing = self.discord.bot_messages(self.channel)
        new = [m for m in standing if str(m.id) not in question.earlier]
        return [Answer(str(m.id), self._markdown(m), len(m.edits)) for m in new]

    def status(self, question: Question) -> str:
        """Discord shows who types."""
        typing = self.discord.typing
        ours = any(t.channel is self.channel and t.user is self.discord.bot for t in typing[-5:])
        return "is typing…" if ours and not self.answers(question) else ""

    def replied_to(self, answer: Answer) -> str:
        """The id of the message that an answer replies to, empty where it is no reply."""
        message = self._message(answer.id)
        return str(message.referenced.id) if message.referenced is not None else ""

    async def redeliver(self, question: Question) -> None:
        """Dispatch the question's event once more."""
        await self.discord.redeliver(self._message(question.id))

    async def command(self, person: Person, words: str) -> str:
        """Run the slash command's subcommand, and wait for what only its giver sees."""
        name, *arguments = words.split(maxsplit=2) or ["help"]
        options = dict(zip(("setting", "value"), arguments, strict=False))
        try:
            given = await self.discord.slash(self.users[person.name], self.channel, "parley", name, options)
            shown = await self.discord.wait_for(lambda: given.content, COMMAND_SECONDS)
        except AssertionError:
            return ""
        return str(shown)

    def tally(self) -> Tally:
        """Counted by the message that each answer replies to."""
        standing = [m for m in self.channel.messages if not m.deleted]
        asked = {m.id for m in standing if m.author is not self.discord.bot and self._is_for_us(m)}
        answered = Counter(m.referenced.id for m in self.discord.bot_messages(self.channel) if m.referenced is not None)
        doubled = sum(count - 1 for count in answered.values())
        return Tally(len(asked), answered.total(), doubled, len(asked - answered.keys()))

    def _is_for_us(self, message: DiscordMessage) -> bool:
        us = self.discord.bot
        return us in message.mentions or (message.referenced is not None and message.referenced.author is us)

    def _message(self, number: str) -> DiscordMessage:
        return next(m for m in self.channel.messages if str(m.id) == number)

    def _markdown(self, message: DiscordMessage) -> str:
        names = {str(user.id): user.global_name or user.name for user in self.discord.world.users.values()}
        return markdown.to_markdown(message.content, names)
