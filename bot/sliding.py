"""A published limit as a sliding window that is kept whatever the network does in between.

A platform counts a call somewhere between the moment it is sent and the moment its answer is here. So a call counts
from before it is sent until the window has passed since its answer: then no window of the platform's own, wherever it
begins and however it is counted, holds more than the limit; neither does a bucket that refills at the limit's rate.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

# A call without an answer is taken to have been counted after so many seconds: one that hangs holds nobody up for long.
COUNTED_WITHIN_SECONDS = 3.0
# A call that is under way may end sooner than is known: who waits for that looks again after so long.
LOOK_AGAIN_SECONDS = 0.05


@dataclass(slots=True)
class Window:
    """At most `amount` calls in any `seconds`. All times in seconds of one monotonic clock.

    `_ended`: when those that are over were counted at the latest, in order; `_open`: when those under way began.
    """

    amount: int
    seconds: float
    _ended: list[float] = field(default_factory=list)
    _open: list[float] = field(default_factory=list)

    def begin(self, now: float) -> None:
        """A call is about to be sent."""
        self._open.append(now)

    def end(self, began: float, now: float) -> None:
        """The call that began then has its answer, or has failed."""
        if began in self._open:
            self._open.remove(began)
            insort(self._ended, now)

    def forget(self, began: float) -> None:
        """The call that was to begin then was not sent after all."""
        if began in self._open:
            self._open.remove(began)

    def used(self, now: float) -> int:
        """How many calls count now."""
        self._forget(now)
        return len(self._ended) + len(self._open)

    def lasting(self, now: float, seconds: float) -> int:
        """How many of them will still count after so many seconds."""
        self._forget(now)
        return len(self._ended) - bisect_right(self._ended, now + seconds - self.seconds) + len(self._open)

    def free_in(self, now: float) -> float:
        """In how many seconds there is room for one more, as far as can be known: a call under way may end sooner."""
        over = self.used(now) - self.amount
        if over < 0:
            return 0.0
        if over < len(self._ended):
            return max(0.0, self._ended[over] + self.seconds - now)
        return max(0.0, min(self._open) + COUNTED_WITHIN_SECONDS + self.seconds - now)

    def _forget(self, now: float) -> None:
        while self._open and self._open[0] + COUNTED_WITHIN_SECONDS <= now:
            insort(self._ended, self._open.pop(0) + COUNTED_WITHIN_SECONDS)
        if self._ended and self._ended[0] <= now - self.seconds:
            del self._ended[: bisect_right(self._ended, now - self.seconds)]


async def begin_when_free(windows: Sequence[Window]) -> float:
    """Wait until each has room for one more call, and begin it; returns when that was, by the loop's clock."""
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        wait = max((window.free_in(now) for window in windows), default=0.0)
        if not wait:
            break
        await asyncio.sleep(min(wait, LOOK_AGAIN_SECONDS))
    for window in windows:
        window.begin(now)
    return now
