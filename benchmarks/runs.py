"""One run: a bot is started, asked alone, in crowds and without a pause, and ended; and the rounds made of runs.

What the figures mean side by side is `figures`'.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks import bots
from benchmarks.bots import BOTS, Bot, BotName, Cores, scratch
from benchmarks.places import PLATFORMS, Platform
from benchmarks.stand_ins import StandIns
from benchmarks.wal import write_transactions

PAUSE_MS = 15.0  # between two questions asked alone, so that what is left to do of one does not meet the next
SETTLE_MS = 50.0  # after these an answer is written down as ended as well
CROWD = 40
CROWD_STREAM_MS = 200.0
LANES = 16
LOADS = (1, 2, 4, 8, 16, 32, 64)
"""Questions at the same time: the points of the curve of latency against load."""
LEAST_AT_A_LOAD = 40  # answers for one point; or four to a lane, where there are so many lanes
COUNTED = 5  # answers whose commits are counted: few enough that the write-ahead log does not begin anew meanwhile


@dataclass(frozen=True, slots=True)
class Size:
    """How much a benchmark asks: rounds at most, none begun after `seconds`, and questions of each kind in a run."""

    rounds: int
    seconds: float
    alone: int
    crowds: int
    sustained: int
    first_start: bool = True
    loads: tuple[int, ...] = LOADS

    @property
    def answers(self) -> int:
        """Answers of one run between the two looks at its memory."""
        return 1 + CROWD + COUNTED + self.alone + CROWD * self.crowds + self.sustained


FULL = Size(rounds=6, seconds=900.0, alone=60, crowds=2, sustained=600)
QUICK = Size(rounds=1, seconds=0.0, alone=20, crowds=1, sustained=94, first_start=False, loads=(1, 8))


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run: milliseconds, answers a second, MiB, and calls of one answer.

    `loads`: for so many questions at the same time, the seconds to each whole answer.
    """

    platform: Platform
    bot: BotName
    figures: dict[str, float] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)
    loads: dict[int, list[float]] = field(default_factory=dict)


async def benchmark(size: Size, cores: Cores, progress: Callable[[str], None]) -> list[Run]:
    """All runs: in each round and on each platform both bots, the other one first each time. Raises RuntimeError."""
    began = time.monotonic()
    runs: list[Run] = []
    async with StandIns.running(cores) as stand_ins:
        for number in range(size.rounds):
            if number and time.monotonic() - began > size.seconds:
                break
            for platform in PLATFORMS:
                for bot in BOTS if number % 2 == 0 else BOTS[::-1]:
                    progress(f"round {number + 1} of {size.rounds}: {bot} on {platform}")
                    runs.append(await _run(stand_ins, platform, bot, size, cores))
    return runs


async def _run(stand_ins: StandIns, platform: Platform, name: BotName, size: Size, cores: Cores) -> Run:
    with scratch() as folder:
        run = Run(platform, name)
        # A first start makes the database and fills the disk's cache; later ones are what a deploy waits for.
        if size.first_start:
            async with started(stand_ins, platform, name, folder, cores) as (bot, seconds):
                run.figures["first start"] = seconds * 1000
        async with started(stand_ins, platform, name, folder, cores) as (bot, seconds):
            run.figures["start"] = seconds * 1000
            run.figures["memory"] = bot.memory_mib()
            first = await stand_ins.order("ask", count=1, lanes=1, pause_ms=SETTLE_MS)
            run.figures["first answer"] = first["seconds"][0] * 1000
            database = folder / bots.DATABASE
            before = write_transactions(database)
            await stand_ins.order("ask", count=COUNTED, lanes=1, pause_ms=SETTLE_MS)
            if name == "parley":
                run.figures["commits"] = (write_transactions(database) - before) / COUNTED
            # Every channel once, all together: from here on names and connections are known to both.
            await stand_ins.order("ask", count=CROWD, lanes=CROWD)
            _alone(run, await stand_ins.order("ask", count=size.alone, lanes=1, pause_ms=PAUSE_MS))
            _crowd(run, [
                await stand_ins.order("ask", count=CROWD, lanes=CROWD, stream_ms=CROWD_STREAM_MS)
                for _ in range(size.crowds)
            ])  # fmt: skip
            used = bot.cpu_seconds()
            _sustained(run, await stand_ins.order("ask", count=size.sustained, lanes=LANES), size)
            run.figures["cpu"] = (bot.cpu_seconds() - used) * 1000 / size.sustained
            run.figures["memory later"] = bot.memory_mib()
            run.figures["memory grown"] = run.figures["memory later"] - run.figures["memory"]
            await _loads(run, stand_ins, size)
        return run


@asynccontextmanager
async def started(
    stand_ins: StandIns,
    platform: Platform,
    name: BotName,
    folder: Path,
    cores: Cores,
    *,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[Bot, float]]:
    """The bot in front of a fresh stand, and how many seconds it took to connect; `more` are variables of its own.

    A failure shows the bot's log.
    """
    opened = await stand_ins.order("open", platform=platform)
    bot = await Bot.start(name, platform, {**opened["environment"], **(more or {})}, folder, cores.bot)
    try:
        yield bot, await ready(stand_ins, bot) - bot.started
    except RuntimeError as failure:
        raise RuntimeError(f"{name} on {platform}: {failure}\n{bot.last_words()}") from None
    else:
        await bot.end()
        await stand_ins.order("close")
    finally:
        await bot.end()


async def ready(stand_ins: StandIns, bot: Bot) -> float:
    """When the bot was connected. Raises RuntimeError at once where it ended instead."""
    ready = asyncio.create_task(stand_ins.order("ready"))
    ended = asyncio.create_task(bot.process.wait())
    try:
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise RuntimeError(f"it ended with {ended.result()}")
        return float((await ready)["at"])
    finally:
        ready.cancel()
        ended.cancel()
        await asyncio.gather(ready, ended, return_exceptions=True)


async def _loads(run: Run, stand_ins: StandIns, size: Size) -> None:
    """The curve of latency against load, from a model that answers at once."""
    if not size.loads:
        return
    most = max(size.loads)
    await stand_ins.order("ask", count=most, lanes=most)  # channels that were never asked in before
    for lanes in size.loads:
        asked = await stand_ins.order("ask", count=max(LEAST_AT_A_LOAD, 4 * lanes), lanes=lanes)
        run.loads[lanes] = asked["seconds"]


def _alone(run: Run, asked: dict[str, Any]) -> None:
    run.figures["alone p50"] = percentile(asked["seconds"], 50) * 1000
    run.figures["alone p95"] = percentile(asked["seconds"], 95) * 1000
    if asked["offered"]:
        run.figures["buttons p50"] = percentile(asked["offered"], 50) * 1000


def _crowd(run: Run, crowds: Sequence[dict[str, Any]]) -> None:
    run.figures["crowd p95"] = percentile([s for asked in crowds for s in asked["seconds"]], 95) * 1000


def _sustained(run: Run, asked: dict[str, Any], size: Size) -> None:
    run.figures["rate"] = size.sustained / asked["elapsed"]
    run.figures["stand-ins' cpu"] = asked["cpu"] * 1000 / size.sustained
    run.figures["stand-ins' load"] = asked["cpu"] * 100 / asked["elapsed"]
    run.figures["platform calls"] = sum(asked["platform_calls"].values()) / size.sustained
    run.figures["model calls"] = asked["model_calls"] / size.sustained
    run.calls.update({call: number / size.sustained for call, number in asked["platform_calls"].items()})


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of them do not exceed, interpolated."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
