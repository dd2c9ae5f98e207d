"""The channels' shares of the lanes: none may take them all, and what waits in one that has its share costs nothing.

The queue is looked through from its oldest turn on. Where nothing of it may run, that is a look at each turn that waits
in a channel with its share, thousands after an outage: it is not made again as long as it would find nothing either.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

TRUSTED_FOR_SECONDS = 1.0
"""Other workers' turns, and those that wait for a time, come to the queue without a word."""


@dataclass(slots=True)
class Shares:
    """Knows which channels have their share of so many lanes, `concurrency`, and what the last look in vain found."""

    concurrency: int
    _running: Counter[str] = field(default_factory=Counter)
    # Outside of these channels nothing could run at that moment, in monotonic seconds.
    _exhausted: frozenset[str] = frozenset()
    _looked_at: float = -math.inf
    _news: int = 0

    def began(self, channel: str) -> None:
        """A turn runs in a channel."""
        self._running[channel] += 1

    def ended(self, channel: str) -> None:
        """It has ended: the next question of its conversation may run."""
        self._running[channel] -= 1
        if not self._running[channel]:
            del self._running[channel]
        if channel not in self._exhausted:
            self.changed()

    def full(self) -> Collection[str]:
        """The channels that have their share of the lanes: what is left is for the first question of another.

        With so many channels at work, and one to come, each may have an equal part.
        """
        if self.concurrency == 1:
            return ()
        share = max(self.concurrency // (len(self._running) + 1), 1)
        return [channel for channel, count in self._running.items() if count >= share]

    def changed(self) -> None:
        """There may be something in the queue that was not there before."""
        self._exhausted = frozenset()
        self._news += 1

    @property
    def news(self) -> int:
        """A number that is another one after each change."""
        return self._news

    def found_nothing(self, full: Collection[str], news: int) -> None:
        """A look that began at this number of `news` found no turn to run outside of these channels."""
        if news == self._news:
            self._exhausted = frozenset(full)
            self._looked_at = time.monotonic()

    def are_all_that_waits(self, full: Collection[str]) -> bool:
        """Whether a look that leaves these channels out would find nothing."""
        if not self._exhausted or time.monotonic() - self._looked_at >= TRUSTED_FOR_SECONDS:
            return False
        return self._exhausted <= frozenset(full)
