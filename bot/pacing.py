"""When a message may be sent: the platforms' published limits as token buckets, shared by all conversations.

A final text reserves its place and waits for it; a preview goes out only while there is room to spare. Where nothing
is planned (`PARLEY_PLATFORM_LIMITS=none`) a refusal is still obeyed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.adapter import Action, RateLimit
from bot.messages import Address


@dataclass(slots=True)
class _Bucket:
    burst: float
    per_second: float
    tokens: float
    refilled_at: float

    def refill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.refilled_at) * self.per_second)
        self.refilled_at = now


class Pace:
    """The buckets of one platform. Keeps one per channel that was written to, so a few dozen bytes each."""

    def __init__(self, limits: Iterable[RateLimit], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._buckets: dict[tuple[RateLimit, str], _Bucket] = {}
        self._held: dict[tuple[Action, str], float] = {}

    async def take(self, action: Action, address: Address) -> None:
        """Reserve a place for something that must go out, and wait until its time has come."""
        now = self._clock()
        wait = self._held.get((action, address.channel), 0.0) - now
        for bucket in self._of(action, address, now):
            bucket.tokens -= 1
            if bucket.tokens < 0:
                wait = max(wait, -bucket.tokens / bucket.per_second)
        if wait > 0:
            await asyncio.sleep(wait)

    def try_take(self, action: Action, address: Address) -> bool:
        """Take a place for a luxury: only where half of each bucket stays free for what must go out."""
        now = self._clock()
        if self._held.get((action, address.channel), 0.0) > now:
            return False
        buckets = self._of(action, address, now)
        if any(bucket.tokens - 1 < bucket.burst / 2 - 0.5 for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.tokens -= 1
        return True

    def hold(self, action: Action, address: Address, seconds: float) -> None:
        """Obey a refusal: nothing of this kind goes to this channel for so many seconds."""
        until = self._clock() + seconds
        key = (action, address.channel)
        self._held = {k: t for k, t in self._held.items() if t > self._clock()}
        self._held[key] = max(self._held.get(key, 0.0), until)

    def _of(self, action: Action, address: Address, now: float) -> list[_Bucket]:
        found = []
        for limit in self._limits:
            if limit.action != action:
                continue
            place = (limit, address.workspace if limit.scope == "workspace" else address.channel)
            bucket = self._buckets.get(place)
            if bucket is None:
                bucket = self._buckets[place] = _Bucket(limit.burst, limit.per_second, limit.burst, now)
            bucket.refill(now)
            found.append(bucket)
        return found
