"""The two platforms as a benchmark uses them: rooms to ask in, an ear that hears whole answers, and the bot's calls.

A place forgets what it recorded before each part, and all but the newest messages of each room: a long run must not
measure how the stand-in grows.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from adapters import buttons
from emulators.discord import Channel as DiscordChannel
from emulators.discord import DiscordServer
from emulators.discord.sessions import Sessions
from emulators.discord.state import User as DiscordUser
from emulators.recording import RecordedRequest
from emulators.slack import SlackWorkspace
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import User as SlackUser

Platform = Literal["slack", "discord"]
PLATFORMS: tuple[Platform, ...] = ("slack", "discord")

NUMBER = re.compile(r"#(\d+)\.$")
IDENTIFIER = re.compile(r"\d{6,}")
KEPT_MESSAGES = 50
"""So many messages of each room are kept between two parts."""
AFTER_AN_ANSWER = buttons.id_of("regenerate")
"""The id of a button that stands under a whole answer, and under no growing one."""


@dataclass(slots=True)
class Asking:
    """One question: its number among all, its text, when it was asked, and when its buttons stood, both in monotonic
    seconds.

    `answered` is when its answer was whole, once it is.
    """

    number: int
    text: str
    answered: asyncio.Future[float]
    asked: float = 0.0
    offered: float | None = None


class Ear:
    """Who waits for which answer. Guards the questions asked and where each was answered."""

    def __init__(self) -> None:
        self._asked = 0
        self._answers: dict[str, str] = {}
        self.questions: dict[str, Asking] = {}
        self.stray = 0

    def forget(self) -> None:
        """Begin anew; numbers go on, so that no answer of before is taken for one of now."""
        self.questions.clear()
        self._answers.clear()
        self.stray = 0

    def question(self) -> Asking:
        """A new question."""
        self._asked += 1
        text = f"Is there anything we should look at before the rollout? #{self._asked}."
        answered = asyncio.get_running_loop().create_future()
        asking = self.questions[str(self._asked)] = Asking(self._asked, text, answered)
        return asking

    def heard(self, message_id: str, text: str, rows: Iterable[Any]) -> None:
        """The bot's message says `text` now, over these `rows` of components. A second message with the same answer is
        a stray one."""
        found = NUMBER.search(text)
        if found is None:
            return
        self.stray += self._answers.setdefault(found[1], message_id) != message_id
        asking = self.questions.get(found[1])
        if asking is None:
            return
        moment = time.monotonic()
        if not asking.answered.done():
            asking.answered.set_result(moment)
        if asking.offered is None and _offers(rows):
            asking.offered = moment


def _offers(rows: Iterable[Any]) -> bool:
    """Whether the buttons of a whole answer are among Slack's blocks or Discord's rows."""
    elements = (each for row in rows for each in (row.get("elements") or row.get("components") or ()))
    return any(AFTER_AN_ANSWER in (each.get("action_id"), each.get("custom_id")) for each in elements)


class Workspace(SlackWorkspace):
    """Slack that tells the ear what the bot's messages say."""

    ear: Ear

    def note(self, message: SlackMessage, via: str, *, link_names: bool = False) -> None:
        super().note(message, via, link_names=link_names)
        if message.user == self.bot.id:
            self.ear.heard(message.ts, self.visible_text(message), message.blocks)


class HeardSessions(Sessions):
    """Discord's events, of which the ear hears those about the bot's messages."""

    ear: Ear

    def dispatch(self, name: str, channel: DiscordChannel | None, data: dict[str, Any], **to: Any) -> None:
        super().dispatch(name, channel, data, **to)
        if name in {"MESSAGE_CREATE", "MESSAGE_UPDATE"} and data["author"]["id"] == str(self.bot.id):
            self.ear.heard(data["id"], data["content"], data["components"])


class Place(Protocol):
    """What a stand needs of a platform."""

    environment: dict[str, str]
    workspace: str

    async def connected(self, within: float) -> None:
        """Wait until the bot's socket is open and identified; AssertionError after `within` seconds."""

    def rooms(self, count: int) -> Sequence[str]:
        """The ids of that many channels, made where they are missing."""

    def prepare(self, rooms: int, people: int) -> None:
        """Have so many channels and people at the least, and forget the traffic and most of the messages so far."""

    async def ask(self, room: int, person: int, text: str) -> None:
        """A person mentions the bot with `text` in a room, outside any thread."""

    def calls(self) -> Counter[str]:
        """The bot's HTTP requests since `prepare`, by method and path without ids."""

    def complaints(self) -> list[str]:
        """What the bot did off protocol."""


class SlackPlace:
    """Questions on Slack, each a thread of its own."""

    def __init__(self, workspace: SlackWorkspace) -> None:
        self._slack = workspace
        self._people: list[SlackUser] = []
        self._channels: list[SlackChannel] = []
        self.workspace = workspace.team_id
        self.environment = {
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_APP_TOKEN": workspace.app_token,
            "SLACK_API_URL": workspace.url,
        }

    async def connected(self, within: float) -> None:
        await self._slack.wait_connected(timeout=within)

    def rooms(self, count: int) -> Sequence[str]:
        for number in range(len(self._channels), count):
            self._channels.append(self._slack.add_channel(f"room-{number}"))
        return [channel.id for channel in self._channels[:count]]

    def prepare(self, rooms: int, people: int) -> None:
        slack = self._slack
        self.rooms(rooms)
        for number in range(len(self._people), people):
            self._people.append(slack.add_user(f"p{number}"))
        for channel in self._channels:
            messages = slack.store[channel.id]
            for ts in list(messages)[:-KEPT_MESSAGES]:
                del messages[ts]
        for kept in (slack.requests, slack.statuses, slack.pings, slack.socket.deliveries, slack.socket.acks):
            kept.clear()

    async def ask(self, room: int, person: int, text: str) -> None:
        await self._slack.say(self._people[person], self._channels[room], text, mention=True)

    def calls(self) -> Counter[str]:
        return _calls(self._slack.requests, "slack")

    def complaints(self) -> list[str]:
        return self._slack.complaints


class DiscordPlace:
    """Questions on Discord, each the beginning of a chain of replies."""

    def __init__(self, server: DiscordServer) -> None:
        self._discord = server
        self._people: list[DiscordUser] = []
        self._channels: list[DiscordChannel] = []
        self.workspace = str(server.guild.id)
        self.environment = {
            "DISCORD_BOT_TOKEN": server.token,
            "DISCORD_API_URL": server.url,
            "DISCORD_GATEWAY_URL": server.gateway_url,
        }

    async def connected(self, within: float) -> None:
        await self._discord.wait_for(lambda: self._discord.connected, timeout=within)

    def rooms(self, count: int) -> Sequence[str]:
        for number in range(len(self._channels), count):
            self._channels.append(self._discord.add_channel(f"room-{number}"))
        return [str(channel.id) for channel in self._channels[:count]]

    def prepare(self, rooms: int, people: int) -> None:
        discord = self._discord
        self.rooms(rooms)
        for number in range(len(self._people), people):
            self._people.append(discord.add_user(f"p{number}"))
        for channel in self._channels:
            del channel.messages[:-KEPT_MESSAGES]
        kept_ids = {message.id for channel in self._channels for message in channel.messages}
        for key in [key for key, message in discord.nonces.items() if message.id not in kept_ids]:
            del discord.nonces[key]
        for kept in (discord.requests, discord.frames, discord.world.pings, discord.world.typing):
            kept.clear()
        for session in discord.sessions:
            session.log.clear()

    async def ask(self, room: int, person: int, text: str) -> None:
        await self._discord.say(self._people[person], self._channels[room], text, mention=True)

    def calls(self) -> Counter[str]:
        return _calls(self._discord.requests, "discord")

    def complaints(self) -> list[str]:
        return self._discord.complaints


def _calls(requests: Iterable[RecordedRequest], service: str) -> Counter[str]:
    return Counter(f"{r.method} {IDENTIFIER.sub('{id}', r.path)}" for r in requests if r.service == service)
