"""Slack's rate tiers: how many calls of a method a workspace may make in a window, how fast a channel may be posted to.

Only the counting lives here; `web_api` turns a refusal into HTTP 429.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Literal

Limits = Literal["published", "none"]

TIERS = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
POST_PER_CHANNEL = 1.0
"""chat.postMessage: about one message per second and channel (docs.slack.dev, rate limits)."""
POST_BURST = 4
"""Short bursts over the rate are let through; four is this emulator's reading of "short"."""
POST_PER_WORKSPACE = 300
"""chat.postMessage: "several hundred messages per minute" for a workspace."""
STATUS_PER_CHANNEL = 60
"""assistant.threads.setStatus: a special tier, 60 per minute and conversation by one source."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """Counts calls; `window` is the minute of the published tiers, in seconds."""

    def __init__(self, mode: Limits, window: float = 60.0) -> None:
        self.mode = mode
        self._window = window
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._posts: dict[str, _Bucket] = {}

    def admit(self, method: str, tier: str, channel: str) -> int | None:
        """Count the call and return None, or return the seconds to wait when it is over the limit (and not counted)."""
        if self.mode == "none":
            return None
        now = time.monotonic()
        if method == "chat.postMessage":
            return self._admit_post(channel, now)
        if method == "assistant.threads.setStatus":
            return self._admit_window((method, channel), STATUS_PER_CHANNEL, now)
        return self._admit_window((method, ""), TIERS[tier], now)

    def _admit_window(self, key: tuple[str, str], most: int, now: float) -> int | None:
        calls = self._calls[key]
        while calls and calls[0] <= now - self._window:
            calls.popleft()
        if len(calls) >= most:
            return max(1, math.ceil(calls[0] + self._window - now))
        calls.append(now)
        return None

    def _admit_post(self, channel: str, now: float) -> int | None:
        rate = POST_PER_CHANNEL * 60.0 / self._window
        bucket = self._posts.setdefault(channel, _Bucket(POST_BURST, now))
        bucket.tokens = min(POST_BURST, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) / rate))
        wait = self._admit_window(("chat.postMessage", ""), POST_PER_WORKSPACE, now)
        if wait is None:
            bucket.tokens -= 1
        return wait
