"""Intake and claim beside so many stored messages: databases of several sizes, asked by turns in one run.

By the product's own way in and its own queue, over files on disk with a synchronous commit. Nobody is answered.
"""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, cycle
from random import Random
from statistics import median
from typing import Any

from rich.console import Console

from adapters.terminal.adapter import PLATFORM, TerminalAdapter
from benchmarks.bots import BEYOND_REACH, DATABASE, scratch
from benchmarks.figures import Spread
from benchmarks.filling import Filling, fill
from bot import app
from bot.messages import Address, Author, IncomingMessage
from bot.serving import App
from bot.settings import Settings

SIZES = (1_000, 100_000, 1_000_000)
QUESTIONS = 5
"""Of each conversation that is stored: ten messages."""
CHANNELS = 50
ROUNDS, EACH = 6, 25
"""So many rounds, each of so many of every kind."""
GOAL_RATIO = 1.5
LEASE_SECONDS = 600.0
OWNER = "benchmark"
SEED = 1
KINDS = ("a mention that begins a conversation", "a message in a known thread", "claiming a turn")

Take = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Flatness:
    """One kind of work: for each number of stored messages, the milliseconds in each round (their median there)."""

    kind: str
    rounds: dict[int, list[float]]

    def spread(self, size: int) -> Spread:
        """The milliseconds at one size."""
        return Spread.of(self.rounds[size])

    def ratio(self, size: int) -> Spread:
        """Against the smallest size: each of one round."""
        least = self.rounds[min(self.rounds)]
        return Spread.of([here / there for here, there in zip(self.rounds[size], least, strict=True)])


async def measure(sizes: Sequence[int], rounds: int, each: int, progress: Callable[[str], None]) -> list[Flatness]:
    """All kinds of work at all sizes."""
    found = [Flatness(kind, {size: [] for size in sizes}) for kind in KINDS]
    async with AsyncExitStack() as stack:
        scenes: dict[int, _Scene] = {}
        for size in sizes:
            progress(f"storing {size:,} messages")
            scenes[size] = await stack.enter_async_context(_scene(size))
        for number in range(rounds + 1):
            progress(f"intake and claim, round {number} of {rounds}")
            for size, scene in scenes.items():
                for flatness, milliseconds in zip(found, await scene.round(each), strict=True):
                    if number:  # the first one loads things
                        flatness.rounds[size].append(milliseconds)
    return found


@dataclass(slots=True)
class _Scene:
    """A worker that serves nobody, over a database with so much in it. `threads` are drawn from all that are known."""

    worker: App
    threads: Iterator[Address]
    numbers: Iterator[int]

    async def round(self, each: int) -> list[float]:
        """The median milliseconds of each kind."""
        begins = [await _timed(lambda: self._receive(mentions=True)) for _ in range(each)]
        follows = [await _timed(lambda: self._receive(mentions=False)) for _ in range(each)]
        # Where two of them met in one channel's conversation, they have one turn.
        claims = [taken async for taken in self._claims()]
        return [median(begins), median(follows), median(claims)]

    async def _receive(self, *, mentions: bool) -> None:
        number = next(self.numbers)
        thread = next(self.threads)
        address = replace(thread, thread=None) if mentions else thread
        person = f"P{number}"
        message = IncomingMessage(
            address=address, id=f"new-{number}", author=Author(person, person),
            text="What comes first, given what we said so far?", mentions_bot=mentions, sent_at=datetime.now(UTC),
        )  # fmt: skip
        await self.worker.desk.receive(message)

    async def _claims(self) -> AsyncIterator[float]:
        """Milliseconds of claiming each turn that waits; it is ended afterwards, so that the next one is found."""
        turns = self.worker.store.turns
        while True:
            began = time.perf_counter()
            claim = await turns.claim(OWNER, LEASE_SECONDS, [PLATFORM])
            milliseconds = (time.perf_counter() - began) * 1000
            if claim is None:
                return
            yield milliseconds
            await turns.finish(claim, "answered")


async def _timed(take: Take) -> float:
    began = time.perf_counter()
    await take()
    return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def _scene(size: int) -> AsyncIterator[_Scene]:
    with scratch() as folder:
        given: dict[str, Any] = {
            "openai_api_key": "sk-emulated-key",
            "openai_base_url": "http://127.0.0.1:9/v1",
            "database_url": f"sqlite:///{folder / DATABASE}",
            **{name.lower(): value for name, value in BEYOND_REACH.items()},
        }
        settings = Settings(**given, _env_file=None)  # type: ignore[call-arg]
        adapter = TerminalAdapter("ada", "thread", Console(file=io.StringIO()))
        async with app.build(settings, offered={PLATFORM: adapter}) as worker:
            worker.desk.connected(adapter.describe(), "nothing")
            channels = [f"C{number}" for number in range(CHANNELS)]
            await fill(worker.store, Filling(PLATFORM, PLATFORM, channels, size // (2 * QUESTIONS), QUESTIONS))
            known = [cursor.address for cursor in await worker.store.cursors.recent(PLATFORM, size)]
            Random(SEED).shuffle(known)
            yield _Scene(worker, cycle(known), count())
