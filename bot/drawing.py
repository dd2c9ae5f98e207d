"""Has charts drawn, in a process of their own: one at a time, for a bounded time, and gone whatever happens."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bot.charts import Chart

log = structlog.get_logger(__name__)

# A first run also looks through the machine's fonts, which takes some seconds; others take about two.
DRAWN_WITHIN_SECONDS = 30.0
_HOME = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Drawing:
    """Draws charts. Guards that one process does at a time: each takes 100 MB."""

    within: float = DRAWN_WITHIN_SECONDS
    command: tuple[str, ...] = (sys.executable, "-m", "bot.charts")
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def png(self, chart: Chart) -> bytes | None:
        """The chart as a PNG; None where it could not be drawn in time, or not at all."""
        try:
            async with asyncio.timeout(self.within), self._turn:
                drawn, code = await self._run(chart.to_json())
        except TimeoutError:
            log.warning("chart_not_drawn", code="timeout")
            return None
        except OSError as error:
            log.warning("chart_not_drawn", code=error.errno)
            return None
        if code or not drawn:
            log.warning("chart_not_drawn", code=code)
            return None
        return drawn

    async def _run(self, wanted: bytes) -> tuple[bytes, int]:
        pipe = asyncio.subprocess.PIPE
        # What goes wrong in there could quote people's names, so nobody keeps what it says of it.
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, cwd=_HOME, env=_environment()
        )
        try:
            drawn, _ = await process.communicate(wanted)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return drawn, process.returncode or 0


def _environment() -> dict[str, str]:
    """The worker's own, without its secrets and settings: drawing needs none."""
    ours = ("SLACK_", "DISCORD_", "OPENAI_", "PARLEY_", "DATABASE_")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
