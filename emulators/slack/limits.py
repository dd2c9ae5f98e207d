"""Slack's rate tiers: how many calls of a method a workspace may make in a window, how fast a channel may be posted to.

Only the counting lives here; `web_api` turns a refusal into HTTP 429.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from typing import Literal

Limits = Literal["published", "none"]

TIERS = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
POST_PER_CHANNEL = 1
"""chat.postMessage: "one message per second" and channel; of bursts over it Slack says that "there is no guarantee"."""
POST_PER_WORKSPACE = 200
"""chat.postMessage: "several hundred messages per minute" for a workspace, taken at the least of it."""
STATUS_PER_CHANNEL = 60
"""assistant.threads.setStatus: a special tier, 60 per minute and conversation by one source."""


class RateLimits:
    """Counts calls in sliding windows; `window` is the minute of the published tiers, in seconds."""

    def __init__(self, mode: Limits, window: float = 60.0) -> None:
        self.mode = mode
        self._window = window
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def admit(self, method: str, tier: str, channel: str) -> int | None:
        """Count the call and return None, or return the seconds to wait when it is over the limit (and not counted)."""
        if self.mode == "none":
            return None
        now = time.monotonic()
        if method == "chat.postMessage":
            wait = self._wait((method, channel), POST_PER_CHANNEL, self._window / 60, now)
            return wait or self._admit((method, ""), POST_PER_WORKSPACE, now, counted_too=(method, channel))
        if method == "assistant.threads.setStatus":
            return self._admit((method, channel), STATUS_PER_CHANNEL, now)
        return self._admit((method, ""), TIERS[tier], now)

    def _admit(
        self, key: tuple[str, str], most: int, now: float, counted_too: tuple[str, str] | None = None
    ) -> int | None:
        wait = self._wait(key, most, self._window, now)
        if wait is None:
            for counted in filter(None, (key, counted_too)):
                self._calls[counted].append(now)
        return wait

    def _wait(self, key: tuple[str, str], most: int, seconds: float, now: float) -> int | None:
        calls = self._calls[key]
        while calls and calls[0] <= now - seconds:
            calls.popleft()
        return max(1, math.ceil(calls[0] + seconds - now)) if len(calls) >= most else None
