"""Has charts drawn, in a process of their own: one at a time, for a bounded time, and gone whatever happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from bot.charts import Chart
from bot.child import answer_of, program

log = structlog.get_logger(__name__)

# A first run also looks through the machine's fonts, which takes some seconds; others take about two.
DRAWN_WITHIN_SECONDS = 30.0


@dataclass(slots=True)
class Drawing:
    """Draws charts. Guards that one process does at a time: each takes 100 MB."""

    within: float = DRAWN_WITHIN_SECONDS
    command: tuple[str, ...] = program("bot.charts")
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def png(self, chart: Chart) -> bytes | None:
        """The chart as a PNG; None where it could not be drawn in time, or not at all."""
        try:
            async with asyncio.timeout(self.within), self._turn:
                drawn, code = await answer_of(self.command, chart.to_json())
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
