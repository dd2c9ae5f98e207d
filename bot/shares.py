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
    # What the last look in vain left out: nothing was to be run outside of these channels.
    _exhausted: frozenset[str] = frozenset()
    _looked_at: float = -math.inf
    # What the look leaves out that is being made, and whether it can be trusted.
    _looking: frozenset[str] = frozenset()
    _is_news: bool = False

    def began(self, channel: str) -> None:
        """A turn runs in a channel."""
        self._running[channel] += 1

    def ended(self, channel: str) -> None:
        """It has ended: the next question of its conversation may run."""
        self._running[channel] -= 1
        if not self._running[channel]:
            del self._running[channel]
        self._is_news = self._is_news or channel not in self._looking
        if channel not in self._exhausted:
            self._exhausted = frozenset()

    def changed(self) -> None:
        """There may be something in the queue that was not there before."""
        self._exhausted, self._is_news = frozenset(), True

    def full(self) -> Collection[str]:
        """The channels that have their share of the lanes: what is left is for the first question of another.

        With so many channels at work, and one to come, each may have an equal part.
        """
        if self.concurrency == 1:
            return ()
        share = max(self.concurrency // (len(self._running) + 1), 1)
        return [channel for channel, count in self._running.items() if count >= share]

    def look(self, full: Collection[str]) -> bool:
        """Whether a look that leaves these channels out is worth making; if so, it is being made."""
        if self._exhausted and self._exhausted <= frozenset(full) and self.trusted_seconds() > 0:
            return False
        self._looking, self._is_news = frozenset(full), False
        return True

    def found_nothing(self) -> None:
        """The look that was being made found no turn to run."""
        if not self._is_news:
            self._exhausted, self._looked_at = self._looking, time.monotonic()

    def trusted_seconds(self) -> float:
        """How much longer what the last look in vain found is trusted; 0 where there is nothing to trust."""
        return max(0.0, self._looked_at + TRUSTED_FOR_SECONDS - time.monotonic()) if self._exhausted else 0.0
