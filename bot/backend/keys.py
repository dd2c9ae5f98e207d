"""The key ring: which key the next call takes.

It knows no key's text, only its place in the settings and a label for the log.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from bot.backend.limiter import Pace
from bot.errors import KeyRefused, ModelFailure

SET_ASIDE_FOR = 600.0
"""Seconds after which a key that was refused or empty is tried once more though others work."""
TRIES = 2
"""How often a refused key is tried while others work."""


@dataclass(slots=True, eq=False)
class Key:
    """One key's state. `failure` is why it is set aside, if it is."""

    index: int
    label: str
    pace: Pace = field(default_factory=Pace)
    failure: ModelFailure | None = None
    aside_since: float = 0.0
    aside_until: float = 0.0
    refusals: int = 0


class KeyRing:
    """Round robin over the keys that work; those paused by a rate limit only when no other is free."""

    def __init__(self, count: int) -> None:
        self.keys = tuple(Key(index, f"key-{index + 1}") for index in range(count))
        self._turn = 0

    def choose(self, now: float, spent: Collection[Key]) -> Key | None:
        """The key for the next call of a question that already failed with `spent`; None when it has tried all.

        When no key works, the one that was set aside first is offered: a question is asked once even then, so that the
        bot is well again as soon as the account is.
        """
        left = [key for key in self.keys if key not in spent]
        working = [key for key in left if key.failure is None or key.aside_until <= now]
        if working:
            return min(working, key=lambda key: (key.pace.wait(now), (key.index - self._turn) % len(self.keys)))
        return min(left, key=lambda key: key.aside_since, default=None)

    def take(self, key: Key, now: float) -> None:
        """A call leaves with `key`."""
        self._turn = key.index + 1
        key.pace.leave(now)

    def set_aside(self, key: Key, failure: ModelFailure, now: float) -> bool:
        """`key` was refused or is empty. True if that is news."""
        news = key.failure is None
        key.failure = failure
        key.refusals += isinstance(failure, KeyRefused)
        key.aside_since = now
        key.aside_until = math.inf if key.refusals >= TRIES else now + SET_ASIDE_FOR
        return news

    def accepted(self, key: Key, left_at: float) -> None:
        """The provider took `key` for a call that left at `left_at`: it is well, unless it was refused since."""
        if left_at >= key.aside_since:
            key.failure = None
            key.refusals = 0

    def go_gently(self, now: float) -> None:
        """The provider is back after an outage: nobody storms it."""
        for key in self.keys:
            key.pace.pause(now)
