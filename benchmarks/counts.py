"""What an answer takes, in counts: calls, round trips to the database, bytes. They do not depend on the machine.

Parley runs whole in this process, in front of a stand, so that its database, its tokenizer and its hashes can be
watched. The test that lets none of it grow and `make bench` both count by this.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.stands import Stand
from benchmarks.wal import write_transactions
from bot import app, revisions
from bot.backend import tokens
from bot.controls.held import FRESH_SECONDS
from bot.engine import POLL_SECONDS
from bot.previews import FIRST_PREVIEW_SECONDS
from bot.settings import Settings
from storage.connection import Connection, Form, Parameters, Prepared
from storage.lane import Lane

ANSWERS = 20
"""So many that what is looked at by the clock meanwhile comes to less than half of one for an answer."""
COMMITTED = 5
"""Answers whose commits are counted: few enough that the write-ahead log does not begin anew meanwhile."""
PAUSE_MS = 100.0
"""Between two answers, so that the end of one is written down before the next is counted."""
LUXURIES = 5
"""Calls that a slow answer may take besides: a status and its end, Slack's stop button and its end, a preview."""
LOOK_SECONDS = 0.05
DEFAULT_AROUND = 5
"""How many messages of the channel are taken along by default."""
_STAND_INS = ("emulators", "benchmarks")


@dataclass(frozen=True, slots=True)
class Taken:
    """For one answer. A transaction is a round trip to the database's thread; a commit is one that wrote to disk.

    `model_bytes`: the largest request to the model. `characters_counted`: all that the tokenizer was given to count or
    to cut. `bytes_hashed`: all that was given to a function of `hashlib`, the SDKs' own included.
    """

    platform_calls: float
    model_calls: float
    model_bytes: float
    commits: float
    transactions: float
    statements: float
    characters_counted: float
    bytes_hashed: float


async def measure(scene: Stand, database: Path, around: int = DEFAULT_AROUND) -> Taken:
    """What an answer takes once the first one is given: that one loads things and looks names up.

    `around`: so many messages of the channel are taken along. Raises `Unanswered`.
    """
    async with app.build(_settings(scene, database, around)) as worker:
        serving = asyncio.create_task(worker.serve())
        try:
            await scene.ready()
            await scene.ask(1, lanes=1, pause_ms=PAUSE_MS)
            while not all(reading.passes for reading in worker.desk.catch_ups.values()):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(LOOK_SECONDS)
            before = write_transactions(database)
            await scene.ask(COMMITTED, lanes=1, pause_ms=PAUSE_MS)
            commits = write_transactions(database) - before
            with database_traffic() as traffic, tokenizing() as counted, hashing() as hashed:
                asked = await scene.ask(ANSWERS, lanes=1, pause_ms=PAUSE_MS)
        finally:
            worker.stop()
            await serving
    # On a machine that stands still for so long, the queue is looked at without being told, and again when the next
    # turn ends; the settings are read anew, running turns are looked at for new wordings, and a slow answer may show a
    # status and a preview. How often these come in a time that is no multiple of their pauses, chance decides: once
    # more than the whole ones.
    polls = sum(
        int(asked.elapsed / pause) + 1 for pause in (POLL_SECONDS, POLL_SECONDS, FRESH_SECONDS, revisions.LOOK_SECONDS)
    )
    calls = sum(asked.platform_calls.values())
    luxuries = min(calls - ANSWERS, LUXURIES * sum(seconds > FIRST_PREVIEW_SECONDS for seconds in asked.seconds))
    return Taken(
        platform_calls=(calls - luxuries) / ANSWERS,
        model_calls=asked.model_calls / ANSWERS,
        model_bytes=max(len(request.body) for request in scene.openai.requests),
        commits=commits / COMMITTED,
        transactions=(traffic["transactions"] - polls) / ANSWERS,
        statements=(traffic["statements"] - polls) / ANSWERS,
        characters_counted=counted["characters"] / ANSWERS,
        bytes_hashed=hashed["bytes"] / ANSWERS,
    )


def _settings(scene: Stand, database: Path, around: int) -> Settings:
    """Leases so long that none is renewed meanwhile, and no sign of health either."""
    variables = scene.environment | {
        "DATABASE_URL": f"sqlite:///{database}",
        "PARLEY_PLATFORM_LIMITS": "none",
        "PARLEY_LEASE_SECONDS": "600",
        "PARLEY_HEALTH_SECONDS": "60",
        "PARLEY_CHANNEL_MESSAGES": str(around),
    }
    return Settings(**{name.lower(): value for name, value in variables.items()}, _env_file=None)  # type: ignore[arg-type, call-arg]


@contextmanager
def database_traffic() -> Iterator[Counter[str]]:
    """How many `transactions` are begun and how many `statements` sent, by whatever lane."""
    seen: Counter[str] = Counter()
    begin, form = Lane.transaction, Prepared.form

    def on_begin(lane: Lane) -> AbstractContextManager[Connection]:
        seen["transactions"] += 1
        return begin(lane)

    def on_statement(statement: Prepared, parameters: Parameters) -> Form:
        seen["statements"] += 1
        return form(statement, parameters)

    with mock.patch.object(Lane, "transaction", on_begin), mock.patch.object(Prepared, "form", on_statement):
        yield seen


@contextmanager
def tokenizing() -> Iterator[Counter[str]]:
    """How many `characters` the tokenizer of `bot.backend.tokens` is given, in how many `calls`."""
    seen: Counter[str] = Counter()
    real = tokens._encoding  # the one way to it, whatever is asked of it

    def watched(name: str) -> Any:
        return _Watched(real(name), seen)

    tokens._encoding = watched  # type: ignore[assignment]
    try:
        yield seen
    finally:
        tokens._encoding = real


class _Watched:
    """A tokenizer that notes the length of each text it is given."""

    def __init__(self, real: Any, seen: Counter[str]) -> None:
        self._real = real
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def noted(text: str, *rest: Any) -> Any:
            self._seen["characters"] += len(text)
            self._seen["calls"] += 1
            return method(text, *rest)

        return noted


@contextmanager
def hashing() -> Iterator[Counter[str]]:
    """How many `bytes` are given to the functions of `hashlib`, in how many `calls`; what stand-ins hash aside."""
    seen: Counter[str] = Counter()
    real = {name: getattr(hashlib, name) for name in sorted(hashlib.algorithms_guaranteed)}
    for name, make in real.items():
        setattr(hashlib, name, _noting(make, seen))
    try:
        yield seen
    finally:
        for name, make in real.items():
            setattr(hashlib, name, make)


def _noting(make: Callable[..., Any], seen: Counter[str]) -> Callable[..., Any]:
    def made(*given: Any, **options: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] in _STAND_INS:
            return make(*given, **options)
        return _Hash(make(*given, **options), seen, given[0] if given else options.get("string", b""))

    return made


class _Hash:
    """A hash that notes how many bytes it is given."""

    def __init__(self, real: Any, seen: Counter[str], first: bytes) -> None:
        self._real = real
        self._seen = seen
        seen["calls"] += 1
        seen["bytes"] += len(first)

    def update(self, more: bytes) -> None:
        """As the real one."""
        self._seen["bytes"] += len(more)
        self._real.update(more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
