"""One process of the bot, `python -m bot run`: its start, and every way it can be made to end.

Most are forked from one that has the libraries loaded, so that a thousand starts take minutes; each tenth is not.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import crash
from tests import unmeasured
from tests.chaos.scene import Scene
from tests.nursery import Forked

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_SECONDS = 300.0
# However slow the machine is: a process that takes longer to end hangs.
ENDS_WITHIN_SECONDS = 120.0
# Of so many processes one loads everything itself.
COLD_EVERY = 10


@dataclass
class Worker:
    """A process and the file its log goes to."""

    number: int
    process: asyncio.subprocess.Process | Forked
    log: Path
    armed: crash.Point | None

    @classmethod
    async def start(cls, scene: Scene, number: int, armed: crash.Point | None = None, count: int = 1) -> Worker:
        """Start it; `armed` lets it kill itself when it passes that point for the `count`th time."""
        log = scene.folder / f"worker-{number:03}.log"
        arming = {crash.VARIABLE: f"{armed}:{count}"} if armed else {}
        environment = {**unmeasured.environment(), **scene.environment, **arming}
        if number % COLD_EVERY:
            return cls(number, await scene.nursery.start(environment, log), log, armed)
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", cwd=ROOT, stdout=sink, stderr=sink, env=environment
            )
        return cls(number, process, log, armed)

    @property
    def dead(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self.process.returncode is not None

    @property
    def fell(self) -> bool:
        """Whether it was killed by SIGKILL: by us, or at its crash point."""
        return self.process.returncode == -signal.SIGKILL

    @property
    def has_spoken(self) -> bool:
        """Whether it has logged anything yet."""
        return any(True for _ in log_lines(self.log))

    @property
    def has_connected(self) -> bool:
        """Whether it said that both platforms are connected."""
        said = [entry for entry in log_lines(self.log) if isinstance(entry, dict) and entry.get("event") == "connected"]
        return {entry.get("platform") for entry in said} >= {"slack", "discord"}

    async def connected(self, seconds: float = STARTS_WITHIN_SECONDS) -> None:
        """Wait until it is connected or dead, or for so long."""
        await self._until(lambda: self.dead or self.has_connected, seconds)

    async def ended(self, seconds: float) -> bool:
        """Wait for its end, for so long; whether it came."""
        return await self._until(lambda: self.dead, seconds)

    async def kill(self) -> None:
        """SIGKILL: nothing gets to run at its end."""
        if not self.dead:
            self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """SIGTERM, as a host does; its exit code, or that of a SIGKILL where it does not end."""
        if not self.dead:
            self.process.send_signal(signal.SIGTERM)
        if not await self.ended(ENDS_WITHIN_SECONDS):
            await self.kill()
        return await self.process.wait()

    def stop(self) -> None:
        """SIGSTOP: it does nothing until `go_on`, and knows nothing of the time between."""
        if not self.dead:
            self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        if not self.dead:
            self.process.send_signal(signal.SIGCONT)

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not reached():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return reached()
        return True


def log_lines(log: Path) -> Iterator[dict[str, Any] | str]:
    """The lines of a log: as objects, and as text where they are none."""
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            yield line
        else:
            yield entry if isinstance(entry, dict) else line
