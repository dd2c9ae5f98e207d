"""When a message may be sent: the platforms' published limits as sliding windows, shared by all conversations.

A final text reserves its place and waits for it; a preview goes out only while there is room to spare. Where nothing
is planned (`PARLEY_PLATFORM_LIMITS=none`) a refusal is still obeyed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bot.adapter import Action, RateLimit
from bot.messages import Address


@dataclass(slots=True)
class _Window:
    """The times of the last actions under one limit, those reserved for the future included, in order."""

    limit: RateLimit
    times: deque[float] = field(default_factory=deque)

    def earliest(self, now: float) -> float:
        """When the next action may be."""
        self._forget(now)
        if len(self.times) < self.limit.amount:
            return now
        return max(now, self.times[-self.limit.amount] + self.limit.seconds)

    def spare(self, now: float) -> bool:
        """Whether half of the limit stays free for what must go out, even after one more."""
        self._forget(now)
        return len(self.times) < math.ceil(self.limit.amount / 2)

    def _forget(self, now: float) -> None:
        while self.times and self.times[0] <= now - self.limit.seconds:
            self.times.popleft()


class Pace:
    """The windows of one platform: one per limit and channel that was written to, of at most `amount` times each."""

    def __init__(self, limits: Iterable[RateLimit], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._windows: dict[tuple[RateLimit, str], _Window] = {}
        self._held: dict[tuple[Action, str], float] = {}

    async def take(self, action: Action, address: Address) -> None:
        """Reserve a place for something that must go out, and wait until its time has come."""
        now = self._clock()
        windows = self._of(action, address)
        held = self._held.get((action, address.channel), now)
        at = max([held, now, *(window.earliest(now) for window in windows)])
        for window in windows:
            window.times.append(at)
        if at > now:
            await asyncio.sleep(at - now)

    def try_take(self, action: Action, address: Address) -> bool:
        """Take a place for a luxury: only where there is room to spare."""
        now = self._clock()
        if self._held.get((action, address.channel), now) > now:
            return False
        windows = self._of(action, address)
        if not all(window.spare(now) for window in windows):
            return False
        for window in windows:
            window.times.append(now)
        return True

    def hold(self, action: Action, address: Address, seconds: float) -> None:
        """Obey a refusal: nothing of this kind goes to this channel for so many seconds."""
        now = self._clock()
        self._held = {key: until for key, until in self._held.items() if until > now}
        key = (action, address.channel)
        self._held[key] = max(self._held.get(key, now), now + seconds)

    def _of(self, action: Action, address: Address) -> list[_Window]:
        found = []
        for limit in self._limits:
            if limit.action == action:
                place = address.workspace if limit.scope == "workspace" else address.channel
                found.append(self._windows.setdefault((limit, place), _Window(limit)))
        return found
