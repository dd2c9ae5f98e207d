"""A platform and a model to measure a bot against: they ask it questions and take the time of each whole answer.

Each question carries a number and the model ends its answer with it, so a message of the bot that ends with a number
is a whole answer. Which process this runs in is its caller's choice; `stand_ins` makes it one of its own.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from emulators.discord import Channel as DiscordChannel
from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.sessions import Sessions
from emulators.openai import ChatRequest, OpenAIService, Speed
from emulators.recording import RecordedRequest
from emulators.slack import SlackWorkspace
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage

Platform = Literal["slack", "discord"]
PLATFORMS: tuple[Platform, ...] = ("slack", "discord")

MODEL = "gpt-5.4-mini"
NUMBER = re.compile(r"#(\d+)\.$")
IDENTIFIER = re.compile(r"\d{6,}")
# About 60 words, a usual length for an answer in a chat.
WORDS = (
    "The rollout needs three things before Friday: the migration has to run on the replica first, the dashboards "
    "should show the new error rate next to the old one, and somebody who knows the billing jobs ought to be on call "
    "that evening. If one of them is missing, wait until Monday; nothing in it is urgent enough to lose a weekend over."
)
UNANSWERED_SECONDS = 30.0


class Unanswered(Exception):
    """The bot left a question without its whole answer, or answered one twice."""


class Ear:
    """Who waits for which answer. Guards the open questions and where each was answered."""

    def __init__(self) -> None:
        self._asked = 0
        self._open: dict[str, asyncio.Future[float]] = {}
        self._answers: dict[str, str] = {}
        self.stray = 0

    def forget(self) -> None:
        """Begin anew; numbers go on, so that no answer of before is taken for one of now."""
        self._open.clear()
        self._answers.clear()
        self.stray = 0

    def question(self) -> tuple[str, asyncio.Future[float]]:
        """A new question's text, and the moment (monotonic seconds) at which its answer was whole, once it is."""
        self._asked += 1
        answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._open[str(self._asked)] = answered
        return f"Is there anything we should look at before the rollout? #{self._asked}.", answered

    def heard(self, message_id: str, text: str) -> None:
        """The bot's message says `text` now. A second message with the same answer is a stray one."""
        found = NUMBER.search(text)
        if found is None:
            return
        self.stray += self._answers.setdefault(found[1], message_id) != message_id
        answered = self._open.pop(found[1], None)
        if answered is not None and not answered.done():
            answered.set_result(time.monotonic())


class _Workspace(SlackWorkspace):
    """Slack that tells the ear what the bot's messages say."""

    ear: Ear

    def note(self, message: SlackMessage, via: str, *, link_names: bool = False) -> None:
        super().note(message, via, link_names=link_names)
        if message.user == self.bot.id:
            self.ear.heard(message.ts, self.visible_text(message))


class _Sessions(Sessions):
    """Discord's events, of which the ear hears those about the bot's messages."""

    ear: Ear

    def dispatch(self, name: str, channel: DiscordChannel | None, data: dict[str, Any], **to: Any) -> None:
        super().dispatch(name, channel, data, **to)
        if name in {"MESSAGE_CREATE", "MESSAGE_UPDATE"} and data["author"]["id"] == str(self.bot.id):
            self.ear.heard(data["id"], data["content"])


class Place(Protocol):
    """What a stand needs of a platform."""

    environment: dict[str, str]

    async def connected(self, within: float) -> None:
        """Wait until the bot's socket is open and identified; AssertionError after `within` seconds."""

    def prepare(self, lanes: int) -> None:
        """Have a channel for each lane, and forget the traffic so far."""

    async def ask(self, lane: int, text: str) -> None:
        """Somebody mentions the bot with `text`, outside any thread."""

    def calls(self) -> Counter[str]:
        """The bot's HTTP requests since `prepare`, by method and path without ids."""

    def complaints(self) -> list[str]:
        """What the bot did off protocol."""


class SlackPlace:
    """Questions on Slack, each a thread of its own."""

    def __init__(self, workspace: SlackWorkspace) -> None:
        self._slack = workspace
        self._ada = workspace.add_user("ada")
        self._channels: list[SlackChannel] = []
        self.environment = {
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_APP_TOKEN": workspace.app_token,
            "SLACK_API_URL": workspace.url,
        }

    async def connected(self, within: float) -> None:
        await self._slack.wait_connected(timeout=within)

    def prepare(self, lanes: int) -> None:
        slack = self._slack
        for number in range(len(self._channels), lanes):
            self._channels.append(slack.add_channel(f"room-{number}"))
        for kept in (slack.requests, slack.statuses, slack.pings, slack.socket.deliveries, slack.socket.acks):
            kept.clear()

    async def ask(self, lane: int, text: str) -> None:
        await self._slack.say(self._ada, self._channels[lane], text, mention=True)

    def calls(self) -> Counter[str]:
        return _calls(self._slack.requests, "slack")

    def complaints(self) -> list[str]:
        return self._slack.complaints


class DiscordPlace:
    """Questions on Discord, each the beginning of a chain of replies."""

    def __init__(self, server: DiscordServer) -> None:
        self._discord = server
        self._ada = server.add_user("ada")
        self._channels: list[DiscordChannel] = []
        self.environment = {
            "DISCORD_BOT_TOKEN": server.token,
            "DISCORD_API_URL": server.url,
            "DISCORD_GATEWAY_URL": server.gateway_url,
        }

    async def connected(self, within: float) -> None:
        await self._discord.wait_for(lambda: self._discord.connected, timeout=within)

    def prepare(self, lanes: int) -> None:
        discord = self._discord
        for number in range(len(self._channels), lanes):
            self._channels.append(discord.add_channel(f"room-{number}"))
        for kept in (discord.requests, discord.frames, discord.world.pings, discord.world.typing):
            kept.clear()
        for session in discord.sessions:
            session.log.clear()

    async def ask(self, lane: int, text: str) -> None:
        await self._discord.say(self._ada, self._channels[lane], text, mention=True)

    def calls(self) -> Counter[str]:
        return _calls(self._discord.requests, "discord")

    def complaints(self) -> list[str]:
        return self._discord.complaints


def _calls(requests: Iterable[RecordedRequest], service: str) -> Counter[str]:
    return Counter(f"{r.method} {IDENTIFIER.sub('{id}', r.path)}" for r in requests if r.service == service)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a number of questions: seconds to each whole answer, seconds for all, and the calls they took."""

    seconds: tuple[float, ...]
    elapsed: float
    platform_calls: Mapping[str, int]
    model_calls: int


@dataclass(slots=True)
class Stand:
    """One platform and the model, with a bot in front of them."""

    place: Place
    openai: OpenAIService
    ear: Ear

    @property
    def environment(self) -> dict[str, str]:
        """The variables that turn a bot to this stand."""
        return {
            **self.place.environment,
            "OPENAI_API_KEY": "sk-emulated-key",
            "OPENAI_BASE_URL": self.openai.url,
            "OPENAI_MODEL": MODEL,
        }

    async def ready(self, within: float = 30.0) -> float:
        """Wait until the bot is connected; returns when it was, in monotonic seconds."""
        await self.place.connected(within)
        return time.monotonic()

    async def ask(self, count: int, *, lanes: int, stream_ms: float = 0.0, pause_ms: float = 0.0) -> Asked:
        """Ask `count` questions, `lanes` at a time: each lane waits for its answer, pauses and asks again.

        The model streams each answer over `stream_ms` milliseconds. Raises `Unanswered`.
        """
        self.place.prepare(lanes)
        self.ear.forget()
        self.openai.requests.clear()
        self.openai.calls.clear()
        self.openai.speed = Speed(stream_seconds=stream_ms / 1000)
        seconds: list[float] = []
        numbers = iter(range(count))

        async def lane(number: int) -> None:
            for _ in numbers:
                text, answered = self.ear.question()
                asked = time.monotonic()
                await self.place.ask(number, text)
                seconds.append(await asyncio.wait_for(answered, UNANSWERED_SECONDS) - asked)
                await asyncio.sleep(pause_ms / 1000)

        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(lanes):
                    group.create_task(lane(number))
        except* TimeoutError:
            raise Unanswered(f"{len(seconds)} of {count} questions were answered") from None
        elapsed = time.monotonic() - began
        if self.ear.stray or self.place.complaints():
            raise Unanswered(f"{self.ear.stray} answers too many; off protocol: {self.place.complaints()[:3]}")
        return Asked(tuple(seconds), elapsed, dict(self.place.calls()), len(self.openai.requests))


def _answer(request: ChatRequest) -> str:
    number = NUMBER.search(request.last)
    return f"{WORDS} #{number[1]}." if number else WORDS


@asynccontextmanager
async def stand(platform: Platform) -> AsyncIterator[Stand]:
    """A fresh platform and model on loopback, without limits of their own."""
    ear = Ear()
    async with OpenAIService(limits="none", responder=_answer) as openai:
        if platform == "slack":
            workspace = _Workspace(limits="none")
            workspace.ear = ear
            async with workspace:
                yield Stand(SlackPlace(workspace), openai, ear)
        else:
            server = DiscordServer(limits="none", timing=DiscordTiming(identify_spacing=0))
            sessions = _Sessions(server.world, server.bot, server.encode)
            sessions.ear = ear
            server.sessions_store = sessions
            async with server:
                yield Stand(DiscordPlace(server), openai, ear)
