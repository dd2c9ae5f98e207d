"""The event loop's lag: how late it wakes. A loop that is late answers pings, heartbeats and people late."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.2
REMEMBERED_SECONDS = 60.0
# Slack and Discord wait 3 s for an answer to a command: a loop that takes one of them for itself is worth a look.
WARN_SECONDS = 1.0


class LoopLag:
    """Measures for as long as `run` runs, keeps the last minute, warns at most once a minute.

    `every`: seconds of each sleep whose overshoot is the lag; `warn`: the lag, in seconds, that is told.
    """

    def __init__(self, *, every: float = EVERY_SECONDS, warn: float = WARN_SECONDS) -> None:
        self._every = every
        self._warn = warn
        self._warned_at = -math.inf
        self._seen: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + self._every
            await asyncio.sleep(self._every)
            now = time.monotonic()
            self._note(now, max(0.0, now - due))

    def worst(self, within: float = REMEMBERED_SECONDS) -> float:
        """The longest lag that ended within the last so many seconds, of a minute at most; 0 where there was none."""
        since = time.monotonic() - within
        return max((late for at, late in self._seen if at >= since), default=0.0)

    def _note(self, now: float, late: float) -> None:
        self._seen.append((now, late))
        while self._seen[0][0] < now - REMEMBERED_SECONDS:
            self._seen.popleft()
        if late >= self._warn and now - self._warned_at >= REMEMBERED_SECONDS:
            self._warned_at = now
            log.warning("loop_late", seconds=round(late, 3))
