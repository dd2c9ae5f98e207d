"""A bot as a process: how each is started, where it is pinned, what it uses of the machine, and how it ends."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.places import Platform

ROOT = Path(__file__).resolve().parents[1]
BotName = Literal["bare", "parley"]
BOTS: tuple[BotName, ...] = ("bare", "parley")

DATABASE = "parley.db"
"""Parley's database, in its working directory."""

BEYOND_REACH = {
    "PARLEY_PLATFORM_LIMITS": "none",
    "PARLEY_USER_MESSAGES_PER_MINUTE": "100000",
    "PARLEY_THREAD_MESSAGES_PER_MINUTE": "100000",
    "PARLEY_CHANNEL_MESSAGES_PER_MINUTE": "100000",
    "PARLEY_WORKSPACE_MESSAGES_PER_MINUTE": "1000000",
}
"""Every limit that would refuse a load test, put out of its reach. None is turned off: each is looked at for every
question, as with the defaults."""

_OURS = ("SLACK_", "DISCORD_", "OPENAI_", "PARLEY_", "DATABASE_URL")
_END_SECONDS = 15.0


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a bot, gone afterwards: on the disk where its database is by default, not in memory."""
    data = ROOT / "data"
    data.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=data) as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves whom; None leaves it to the system."""

    bot: int | None
    stand_ins: int | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """One for the bot and another for what it talks to, where there are two and the system can pin."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None)
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)


def pin(pid: int, core: int | None) -> None:
    """Keep a process, and all threads it starts, on one core."""
    if core is not None:
        psutil.Process(pid).cpu_affinity([core])


@dataclass(frozen=True, slots=True)
class Bot:
    """One process. `started` is the moment before it was asked for, in monotonic seconds."""

    name: BotName
    process: asyncio.subprocess.Process
    started: float
    log: Path

    @classmethod
    async def start(
        cls, name: BotName, platform: Platform, environment: Mapping[str, str], folder: Path, core: int | None
    ) -> Bot:
        """Start the bot with `folder` as its working directory, where Parley's database and the log are."""
        module = ["bot", "run"] if name == "parley" else [f"benchmarks.bare_{platform}"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        log = folder / f"{name}.log"
        with log.open("ab") as sink:
            started = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *module, cwd=folder, stdout=sink, stderr=sink,
                env={
                    **inherited, **environment,
                    "PYTHONPATH": str(ROOT),
                    "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
                    **BEYOND_REACH,
                    "PARLEY_LOG_LEVEL": "warning",
                },
            )  # fmt: skip
        pin(process.pid, core)
        return cls(name, process, started, log)

    def cpu_seconds(self) -> float:
        """User and system time so far, all threads."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def memory_mib(self) -> float:
        """Resident memory now."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    async def end(self) -> None:
        """SIGTERM, as a host does; SIGKILL where that is not enough."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]
