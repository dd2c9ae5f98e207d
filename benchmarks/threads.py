"""What a long thread costs: reading it from the database and building the request to the model, as a turn does.

A thread that grew to its length is read from where the window onto it begins, and full is the budget's worth of
messages. One that grew without the bot's being asked is read whole, once: then the window moves.
"""

from __future__ import annotations

import asyncio
import gc
import io
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.console import Console

from adapters.terminal.adapter import PLATFORM, TerminalAdapter
from benchmarks.bots import DATABASE, scratch
from benchmarks.figures import Spread
from benchmarks.filling import Filling, fill
from bot import app
from bot.asking import Asker, Asking
from bot.backend import tokens
from bot.backend.completion import CompletionRequest
from bot.lease import Lease
from bot.messages import Author, IncomingMessage
from bot.question import Question, read_question
from bot.reservations import Reservations
from bot.serving import App
from bot.settings import Settings
from bot.surroundings import Surroundings
from bot.words import Words
from storage.records import Claim

LENGTHS = (10, 100, 1_000, 10_000)
BUDGET = 16_000
"""Tokens of history at most, as by default."""
TIMES = 30
GOAL_MS = 5.0
GOAL_LENGTH = 10_000
LEASE_SECONDS = 600.0
ADA = Author("U1", "ada")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one question: reading the thread, building the request. `messages` went into it, `prompt` tokens
    in all."""

    read: Spread
    build: Spread
    messages: int
    prompt: int

    @property
    def whole(self) -> float:
        """Both medians together, in milliseconds."""
        return self.read.middle + self.build.middle


@dataclass(frozen=True, slots=True)
class Length:
    """A thread of so many messages: what a question costs where its window is full, where that is the first one after
    a start, and where the thread is read whole."""

    messages: int
    usual: Cost
    first: Cost
    whole: Cost


async def measure(lengths: Sequence[int] = LENGTHS, times: int = TIMES) -> list[Length]:
    """Each length, in a database file of its own."""
    return [await _length(length, times) for length in lengths]


async def _length(length: int, times: int) -> Length:
    async with _scene(length) as scene:
        whole = await scene.cost(scene.claim, times, known=False)
        start = await scene.start_of_full_window()
        claim = replace(scene.claim, context_start=start)
        return Length(length, await scene.cost(claim, times), await scene.cost(claim, times, known=False), whole)


@dataclass(frozen=True, slots=True)
class _Scene:
    """A worker that serves nobody, and the turn it has claimed: the newest question of the thread."""

    worker: App
    adapter: TerminalAdapter
    asker: Asker
    claim: Claim

    async def cost(self, claim: Claim, times: int, *, known: bool = True) -> Cost:
        """The claim's question, read and built so often; the first time loads things and is left out.

        `known`: the tokens of what was said before were counted for an earlier question.
        """
        read: list[float] = []
        built: list[float] = []
        for _ in range(times + 1):
            gc.collect()  # what the one before left is not this one's
            if not known:
                tokens.forget()
            began = time.perf_counter()
            question = await self._read(claim)
            middle = time.perf_counter()
            request = await self._request(claim, question)
            built.append((time.perf_counter() - middle) * 1000)
            read.append((middle - began) * 1000)
        prompt = tokens.count_messages(request.messages, request.model)
        return Cost(Spread.of(read[1:]), Spread.of(built[1:]), len(request.messages) - 1, prompt)

    async def start_of_full_window(self) -> int:
        """Where the window begins that holds as much as the budget takes; 0 where that is the whole thread."""
        question = await self._read(self.claim)
        left = BUDGET
        for message in reversed(question.history):
            line = f"{message.author_name}: {message.text}"
            left -= tokens.count(line, question.controls.model) + tokens.PER_MESSAGE
            if left < 0:
                return message.position + 1
        return 0

    async def _read(self, claim: Claim) -> Question:
        desk, settings, store = self.worker.desk, self.worker.settings, self.worker.store
        return await read_question(
            store,
            desk.controls,
            app.build_enclosures(settings, store),
            claim,
            self.adapter,
            surroundings=Surroundings(store, settings, desk.paces, desk.lately),
        )

    async def _request(self, claim: Claim, question: Question) -> CompletionRequest:
        # What `run` begins with, before it calls the model.
        store = self.worker.store
        asking = Asking(self.asker, Lease(claim, store.turns, LEASE_SECONDS), question, Words())
        request = asking._request(asking._fit())
        if asking._start is not None:
            await store.history.move_start(claim.conversation_id, asking._start)
        return request


@asynccontextmanager
async def _scene(length: int) -> AsyncIterator[_Scene]:
    with scratch() as folder:
        settings = Settings(
            openai_api_key="sk-emulated-key",  # type: ignore[arg-type]
            openai_base_url="http://127.0.0.1:9/v1",
            database_url=f"sqlite:///{folder / DATABASE}",
            parley_history_tokens=BUDGET,
            _env_file=None,  # type: ignore[call-arg]
        )
        adapter = TerminalAdapter("ada", "thread", Console(file=io.StringIO()))
        async with app.build(settings, offered={PLATFORM: adapter}) as worker:
            yield await _claimed(worker, adapter, length)


async def _claimed(worker: App, adapter: TerminalAdapter, length: int) -> _Scene:
    """Fill the thread, ask in it, and claim the turn: all by the product's own intake and queue."""
    store, desk, settings = worker.store, worker.desk, worker.settings
    desk.connected(adapter.describe(), "nothing")
    await fill(store, Filling(PLATFORM, PLATFORM, ["chat"], conversations=1, questions=length // 2))
    [cursor] = await store.cursors.recent(PLATFORM, 1)
    asked = IncomingMessage(
        address=cursor.address, id="asked", author=ADA, text="And what of all this comes first?", mentions_bot=True,
        sent_at=datetime.now(UTC), direct=True,
    )  # fmt: skip
    await desk.receive(asked)
    claim = await store.turns.claim("benchmark", LEASE_SECONDS, [PLATFORM])
    assert claim is not None, "the question waits"
    reservations = Reservations(store.budgets, store.marks, desk.alerts, settings, worker.backend.limits_length)
    asker = Asker(store.history, worker.backend, settings, desk.alerts, reservations, worker.summarising)
    return _Scene(worker, adapter, asker, claim)


if __name__ == "__main__":
    for found in asyncio.run(measure()):
        print(found)
