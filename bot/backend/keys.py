"""A key ring: which of its keys the next call takes.

It knows no key's text, only what became of each, and a label for the log.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.backend.limiter import Pace
from bot.backend.ratelimits import Left
from bot.errors import KeyRefused, ModelFailure

SET_ASIDE_FOR = 600.0
"""Seconds after which a key that was refused or empty is tried once more though others work."""
TRIES = 2
"""How often a refused key is tried while others work."""


@dataclass(slots=True, eq=False)
class Key:
    """One key's state. `label` names it in logs and in the books, with its ring where that has a name.

    `failure` is why it is set aside, if it is. `proven`: the provider has taken it, and not refused it since; `calls`
    are those under way with it. `left` is what its last answer said of the provider's own limits. `paces` are by the
    model, as the limits of OpenAI, Azure and Groq are: one that is at its end holds no other up.
    """

    label: str
    index: int = 0
    paces: dict[str, Pace] = field(default_factory=dict)
    failure: ModelFailure | None = None
    aside_since: float = 0.0
    aside_until: float = 0.0
    refusals: int = 0
    proven: bool = False
    calls: int = 0
    left: Left | None = None

    def pace(self, model: str) -> Pace:
        """Its pace for a model."""
        return self.paces.setdefault(model, Pace())

    def set_aside(self, failure: ModelFailure, now: float) -> bool:
        """It was refused or is empty. True if that is news."""
        news = self.failure is None
        self.failure = failure
        self.refusals += isinstance(failure, KeyRefused)
        self.proven = False
        self.aside_since = now
        self.aside_until = math.inf if self.refusals >= TRIES else now + SET_ASIDE_FOR
        return news

    def accepted(self, left_at: float) -> None:
        """The provider took it for a call that left at `left_at`: it is well, unless it was refused since."""
        if self.failure is None or left_at >= self.aside_since:
            self.failure = None
            self.refusals = 0
            self.proven = True


class KeyRing:
    """Round robin over the keys that work; those paused by a rate limit only when no other is free."""

    def __init__(self, name: str = "", keys: Sequence[Key] = ()) -> None:
        self.name = name
        self.keys: tuple[Key, ...] = ()
        self.changed = asyncio.Event()
        """Set when a key has been proven or given back: who waits for that looks again."""
        self._turn = 0
        self.replace(keys)

    def replace(self, keys: Sequence[Key]) -> None:
        """These are the keys from now on, labelled by their places."""
        self.keys = tuple(keys)
        for index, key in enumerate(self.keys):
            key.index = index
            key.label = label_of(self.name, index)
        self.stir()

    def choose(self, model: str, now: float, spent: Collection[Key]) -> Key | None:
        """The key for the next call of a question to `model` that failed with `spent`; None when it has tried all.

        When no key works, the one that was set aside first is offered: a question is asked once even then, so that the
        bot is well again as soon as the account is.
        """
        left = [key for key in self.keys if key not in spent]
        working = [key for key in left if key.failure is None or key.aside_until <= now]
        if working:
            crowded = len(working) > 1
            return min(
                working,
                key=lambda key: (
                    key.pace(model).wait(now),
                    crowded and self.crowded(key, now),
                    (key.index - self._turn) % len(self.keys),
                ),
            )
        return min(left, key=lambda key: key.aside_since, default=None)

    def crowded(self, key: Key, now: float) -> bool:
        """Whether as many calls try `key` as may before it is known to be good, while there are others to take.

        Else many questions at once would all try a revoked key before the first of them is refused.
        """
        others = any(k is not key and (k.failure is None or k.aside_until <= now) for k in self.keys)
        return others and not key.proven and key.calls + key.refusals >= TRIES

    def take(self, key: Key, model: str, now: float) -> None:
        """A call to `model` leaves with `key`, to be given back."""
        self._turn = key.index + 1
        key.calls += 1
        key.pace(model).leave(now)

    def give_back(self, key: Key) -> None:
        """A call with `key` is over."""
        key.calls -= 1
        self.stir()

    def stir(self) -> None:
        """Wake whoever waits for a key."""
        self.changed.set()
        self.changed = asyncio.Event()

    def go_gently(self, now: float) -> None:
        """The provider is back after an outage: nobody storms it."""
        for key in self.keys:
            for pace in key.paces.values():
                pace.pause(now)


def label_of(ring: str, index: int) -> str:
    """What a ring's key is called: `key-1` of the host's own, `research/key-1` of a named one."""
    return f"{ring}/key-{index + 1}" if ring else f"key-{index + 1}"


def ring_of(label: str) -> tuple[str, str]:
    """The ring's name and the key's within it."""
    ring, _, key = label.rpartition("/")
    return ring, key
