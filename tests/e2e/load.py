"""Many questions in a short time over several channels, and what became of each: when it was shown, and when whole."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from emulators.discord.state import Channel as DiscordChannel
from emulators.openai import ChatRequest, Reply
from emulators.slack.model import Channel as SlackChannel
from tests.e2e.stage import Stage

MODEL_SECONDS = 6.0
WORDS = 60
_NUMBER = re.compile(r"question (\d+)")


@dataclass(slots=True)
class Asked:
    """One question: `asked` and what follows are monotonic seconds; `growth` counts what was shown before the whole."""

    number: int
    asked: float
    text: str
    last_word: float = 0.0
    first_shown: float = 0.0
    whole: float = 0.0
    growth: int = 0

    @property
    def first_words_after(self) -> float:
        """Seconds from the question to the first words."""
        return self.first_shown - self.asked

    @property
    def whole_after(self) -> float:
        """Seconds from the model's last word to the whole answer."""
        return self.whole - self.last_word


@dataclass(slots=True)
class Load:
    """Questions asked over channels of one platform, with a model that takes its time for each."""

    stage: Stage
    platform: str
    questions: list[Asked] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    _rooms: list[SlackChannel] = field(default_factory=list)
    _places: list[DiscordChannel] = field(default_factory=list)

    def answer(self, request: ChatRequest) -> Reply:
        """The model: so many words over so many seconds, which begin with the question's number."""
        found = _NUMBER.search(request.last)
        assert found is not None
        return Reply(said(int(found[1])), by_words=True, chunk_delay=MODEL_SECONDS / WORDS)

    async def ask(self, count: int, seconds: float, channels: int) -> None:
        """Ask `count` questions evenly over `seconds`, the channels by turns."""
        self.stage.openai.responder = self.answer
        slack, discord = self.stage.slack, self.stage.discord
        rooms = self._rooms = [slack.add_channel(f"room-{n}") for n in range(channels)]
        places = self._places = [discord.add_channel(f"place-{n}") for n in range(channels)]
        ada, bob = slack.add_user("ada"), discord.add_user("bob")
        lag = asyncio.create_task(self._watch_the_machine())
        began = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
            self.questions.append(Asked(number, time.monotonic(), said(number)))
            if self.platform == "slack":
                await slack.say(ada, rooms[number % channels], f"question {number}", mention=True)
            else:
                await discord.say(bob, places[number % channels], f"question {number}", mention=True)
        try:
            async with asyncio.timeout(120):
                while not all(one.whole for one in self.questions):
                    await asyncio.sleep(0.2)
                    self._look()
        finally:
            lag.cancel()
            await asyncio.gather(lag, return_exceptions=True)

    async def _watch_the_machine(self) -> None:
        """How late this process wakes, in which model, platforms and bot all run."""
        while True:
            wakes = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            self.late.append(time.monotonic() - wakes)

    @property
    def machine_delay(self) -> float:
        """Seconds by which a step of anybody may be late here for no fault of the bot: the worst twentieth."""
        return quantiles(self.late, n=20)[-1]

    def shown(self) -> list[list[tuple[float, str]]]:
        """Each message of the bot: what it showed, and from when on."""
        if self.platform == "slack":
            return [
                [(state.at, state.text) for state in message.states]
                for channel in self._rooms
                for message in self.stage.slack.bot_messages(channel)
            ]
        return [
            [(version.at, version.content) for version in message.versions]
            for channel in self._places
            for message in self.stage.discord.bot_messages(channel)
        ]

    def _look(self) -> None:
        by_number = {one.number: one for one in self.questions}
        for states in self.shown():
            found = re.match(r"(\d+):", states[0][1])
            if found is None:
                continue
            one = by_number[int(found[1])]
            one.first_shown = states[0][0]
            whole = [at for at, text in states if text == one.text]
            one.whole = whole[0] if whole else 0.0
            one.growth = sum(1 for _, text in states if text != one.text)
        for call in self.stage.openai.calls:
            found = _NUMBER.search(str(call.body["messages"][-1]["content"]))
            if found is not None and call.finished is not None:
                by_number[int(found[1])].last_word = call.finished

    def refused(self) -> list[str]:
        """Every call that a platform refused for its number."""
        requests = [*self.stage.slack.requests, *self.stage.discord.requests]
        return [f"{request.method} {request.path}" for request in requests if request.status == 429]

    def figures(self) -> str:
        """The load in a line, for whoever looks."""
        first, whole = [q.first_words_after for q in self.questions], [q.whole_after for q in self.questions]
        return (
            f"{self.platform}: first words p50 {median(first):.2f} s, most {max(first):.2f} s; whole p95 "
            f"{percentile(whole, 95):.2f} s, most {max(whole):.2f} s after the last word; growth "
            f"{sum(q.growth for q in self.questions) / len(self.questions):.1f} a message; the machine was "
            f"{self.machine_delay:.3f} s late"
        )


def publish_limits(stage: Stage) -> None:
    """Let the platforms keep the limits that they publish, from now on."""
    stage.slack.limits.mode = "published"
    stage.discord.rate_limits.enabled = True


def said(number: int) -> str:
    """What the model answers to a question."""
    return f"{number}: " + " ".join(f"word{word}" for word in range(WORDS - 1))


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of them do not exceed, interpolated."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
