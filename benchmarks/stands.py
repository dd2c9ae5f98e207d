"""A platform and a model to measure a bot against: they ask it questions and take the time of each whole answer.

Each question carries a number and the model ends its answer with it, so a message of the bot that ends with a number
is a whole answer. Which process this runs in is its caller's choice; `stand_ins` makes it one of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.places import (
    NUMBER,
    DiscordPlace,
    Ear,
    HeardSessions,
    Place,
    Platform,
    SlackPlace,
    Workspace,
)
from emulators.discord import DiscordServer, DiscordTiming
from emulators.openai import Call, ChatRequest, OpenAIService, Speed

MODEL = "gpt-5.4-mini"
# About 60 words, a usual length for an answer in a chat.
WORDS = (
    "The rollout needs three things before Friday: the migration has to run on the replica first, the dashboards "
    "should show the new error rate next to the old one, and somebody who knows the billing jobs ought to be on call "
    "that evening. If one of them is missing, wait until Monday; nothing in it is urgent enough to lose a weekend over."
)
UNANSWERED_SECONDS = 30.0


class Unanswered(RuntimeError):
    """The bot left a question without its whole answer, or answered one twice."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a number of questions: seconds to each whole answer, seconds for all, and the calls they took.

    `offered` are the seconds to the buttons under each answer that had them by the end; `most_streams` is how many
    answers of the model were on their way at the same moment at most.
    """

    seconds: tuple[float, ...]
    offered: tuple[float, ...]
    elapsed: float
    platform_calls: Mapping[str, int]
    model_calls: int
    most_streams: int


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

    async def ask(
        self,
        count: int,
        *,
        lanes: int,
        rooms: int = 0,
        people: int = 1,
        stream_ms: float = 0.0,
        pause_ms: float = 0.0,
        patience: float = UNANSWERED_SECONDS,
    ) -> Asked:
        """Ask `count` questions, `lanes` at a time: each lane waits for its answer, pauses and asks again.

        In its own channel as the one person there is; or in one of so many `rooms` after the other, at least as many
        as lanes, as one of so many `people`. The model streams each answer over `stream_ms` milliseconds. Raises
        `Unanswered` where one is not whole after `patience` seconds.
        """
        self.place.prepare(max(rooms, lanes), people)
        self.ear.forget()
        self.openai.requests.clear()
        self.openai.calls.clear()
        self.openai.speed = Speed(stream_seconds=stream_ms / 1000)
        seconds: list[float] = []
        numbers = iter(range(count))

        async def lane(number: int) -> None:
            for _ in numbers:
                asking = self.ear.question()
                asking.asked = time.monotonic()
                room = asking.number % rooms if rooms else number
                await self.place.ask(room, asking.number % people, asking.text)
                seconds.append(await asyncio.wait_for(asking.answered, patience) - asking.asked)
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
        offered = [each.offered - each.asked for each in self.ear.questions.values() if each.offered is not None]
        return Asked(
            tuple(seconds),
            tuple(offered),
            elapsed,
            dict(self.place.calls()),
            len(self.openai.requests),
            _most_at_once(self.openai.calls),
        )


def _most_at_once(calls: Iterable[Call]) -> int:
    """How many answers were on their way at the same moment at most."""
    spans: Sequence[tuple[float, float]] = [
        (call.first_byte, call.finished) for call in calls if call.first_byte is not None and call.finished is not None
    ]
    # At one moment, what ends is out before what begins.
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _answer(request: ChatRequest) -> str:
    number = NUMBER.search(request.last)
    return f"{WORDS} #{number[1]}." if number else WORDS


@asynccontextmanager
async def stand(platform: Platform) -> AsyncIterator[Stand]:
    """A fresh platform and model on loopback, without limits of their own."""
    ear = Ear()
    async with OpenAIService(limits="none", responder=_answer) as openai:
        if platform == "slack":
            workspace = Workspace(limits="none")
            workspace.ear = ear
            async with workspace:
                yield Stand(SlackPlace(workspace), openai, ear)
        else:
            server = DiscordServer(limits="none", timing=DiscordTiming(identify_spacing=0))
            sessions = HeardSessions(server.world, server.bot, server.encode)
            sessions.ear = ear
            server.sessions_store = sessions
            async with server:
                yield Stand(DiscordPlace(server), openai, ear)
