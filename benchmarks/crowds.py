"""Memory of the real process: over so many answers one after the other, and with many threads and streams at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bots import Bot, Cores, scratch
from benchmarks.places import Platform
from benchmarks.runs import LANES, started
from benchmarks.stand_ins import StandIns

ANSWERS = 100_000
ROOMS, PEOPLE = 100, 301
"""Channels and people of a busy team: what is kept of each one counts. Without a common divisor, all meet all."""
POINTS = 200
"""Looks at the memory over all answers."""
WARM_SHARE = 0.01
"""After this share of the answers, growth counts: by then everything is loaded, and connections and caches stand."""
GOAL_GROWN_MIB = 20.0

IDLE_THREADS, STREAMS = 1_000, 500
STREAM_MS = 75_000.0
"""Long enough that the last one has begun before the first one ends, on a slow machine too."""
STREAM_PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.25
GOAL_STREAMS_MIB = 300.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MiB after so many answers; the first look is before any. `rate`: answers a second."""

    platform: Platform
    answers: tuple[int, ...]
    mib: tuple[float, ...]
    rate: float

    @property
    def warm(self) -> int:
        """Which look is the first that counts."""
        return next(index for index, count in enumerate(self.answers) if count >= self.answers[-1] * WARM_SHARE)

    @property
    def grown(self) -> float:
        """The greatest memory after the warming up against the memory at its end, in MiB."""
        return max(self.mib[self.warm :]) - self.mib[self.warm]


@dataclass(frozen=True, slots=True)
class Streams:
    """So many threads that were answered and are silent, then so many answers streaming at the same moment, in MiB.

    `most` is how many streams of the model were seen open at once, `most_mib` the greatest memory meanwhile.
    """

    platform: Platform
    threads: int
    streams: int
    most: int
    start_mib: float
    idle_mib: float
    most_mib: float


async def over_answers(
    stand_ins: StandIns, platform: Platform, answers: int, cores: Cores, progress: Callable[[str], None]
) -> Memory:
    """Memory over so many answers to many people in many channels, 16 at any time, from a model that answers at once.

    Raises RuntimeError.
    """
    portion = max(answers // POINTS, LANES)
    with scratch() as folder:
        async with started(stand_ins, platform, "parley", folder, cores) as (bot, _):
            counts, mib, elapsed = [0], [bot.memory_mib()], 0.0
            while counts[-1] < answers:
                asked = await stand_ins.order("ask", count=portion, lanes=LANES, rooms=ROOMS, people=PEOPLE)
                elapsed += asked["elapsed"]
                counts.append(counts[-1] + portion)
                mib.append(bot.memory_mib())
                progress(f"{counts[-1]:,} of {answers:,} answers on {platform}, {mib[-1]:.0f} MiB")
    return Memory(platform, tuple(counts), tuple(mib), counts[-1] / elapsed)


async def many_streams(
    stand_ins: StandIns,
    platform: Platform,
    *,
    threads: int,
    streams: int,
    stream_ms: float,
    cores: Cores,
    progress: Callable[[str], None],
) -> Streams:
    """Memory with many threads and streams in one process. Raises RuntimeError."""
    progress(f"{threads:,} threads and {streams:,} streams on {platform}")
    more = {"PARLEY_CONCURRENCY": str(min(2 * streams, 1_000))}
    with scratch() as folder:
        async with started(stand_ins, platform, "parley", folder, cores, more=more) as (bot, _):
            start = bot.memory_mib()
            await stand_ins.order("ask", count=threads, lanes=min(threads, 50))
            idle = bot.memory_mib()
            asking = asyncio.create_task(
                stand_ins.order(
                    "ask", count=streams, lanes=streams, stream_ms=stream_ms, patience=STREAM_PATIENCE_SECONDS
                )
            )
            most = await _most_memory(bot, asking)
            asked = await asking
    return Streams(platform, threads, streams, asked["most_streams"], start, idle, most)


async def _most_memory(bot: Bot, until: asyncio.Task[dict[str, object]]) -> float:
    """The greatest memory seen until a task is done, whatever becomes of that."""
    most = bot.memory_mib()
    while not until.done():
        await asyncio.wait({until}, timeout=LOOK_SECONDS)
        most = max(most, bot.memory_mib())
    return most
