"""Starting the real process over a database with so many messages: how long until it is connected, and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.bots import DATABASE, Bot, Cores, scratch
from benchmarks.figures import Spread
from benchmarks.filling import Filling, fill
from benchmarks.places import Platform
from benchmarks.runs import SETTLE_MS, ready
from benchmarks.stand_ins import StandIns
from benchmarks.stored import CHANNELS, QUESTIONS
from storage import Store

SIZES = (1_000, 1_000_000)
TIMES = 4
GOAL_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds from the process being asked for to its socket being identified, and then to the first whole answer;
    and its memory in MiB when it was connected."""

    platform: Platform
    messages: int
    connected: Spread
    answered: Spread
    memory: float


async def measure(
    stand_ins: StandIns,
    platform: Platform,
    *,
    sizes: Sequence[int],
    times: int,
    cores: Cores,
    progress: Callable[[str], None],
) -> list[Start]:
    """Every size. Raises RuntimeError."""
    return [await _starts(stand_ins, platform, size, times=times, cores=cores, progress=progress) for size in sizes]


async def _starts(
    stand_ins: StandIns,
    platform: Platform,
    size: int,
    *,
    times: int,
    cores: Cores,
    progress: Callable[[str], None],
) -> Start:
    opened = await stand_ins.order("open", platform=platform)
    rooms = await stand_ins.order("rooms", count=CHANNELS)
    connected, answered, memory = [], [], []
    with scratch() as folder:
        progress(f"storing {size:,} messages")
        await _fill(
            folder, Filling(platform, rooms["workspace"], rooms["channels"], size // (2 * QUESTIONS), QUESTIONS)
        )
        for number in range(times + 1):
            progress(f"start {number} of {times} with {size:,} messages on {platform}")
            bot = await Bot.start("parley", platform, opened["environment"], folder, cores.bot)
            try:
                at = await ready(stand_ins, bot)
                memory.append(bot.memory_mib())
                asked = await stand_ins.order("ask", count=1, lanes=1, pause_ms=SETTLE_MS)
            except RuntimeError as failure:
                raise RuntimeError(f"start on {platform}: {failure}\n{bot.last_words()}") from None
            finally:
                await bot.end()
            if number:  # the first one fills the disk's cache
                connected.append((at - bot.started) * 1000)
                answered.append(asked["seconds"][0] * 1000)
    await stand_ins.order("close")
    return Start(platform, size, Spread.of(connected), Spread.of(answered), median(memory))


async def _fill(folder: Path, filling: Filling) -> None:
    store = await Store.open(f"sqlite:///{folder / DATABASE}")
    try:
        await fill(store, filling)
    finally:
        await store.close()
