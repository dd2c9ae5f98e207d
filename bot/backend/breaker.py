"""The breaker: after some transient failures in a row, over all conversations, the provider is left alone for a while.

Then one call, the probe, tries it; the others wait for how that ends. Pure state over a clock that the caller reads.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(slots=True)
class Breaker:
    """`threshold` failures in a row open it for `open_for` seconds, doubled up to `open_cap` by each failed probe."""

    threshold: int
    open_for: float
    open_cap: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a probe has ended: who waits for one looks again."""
    _state: _State = _State.CLOSED
    _failures: int = 0
    _window: float = 0.0
    _opened_at: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether calls go through freely."""
        return self._state is _State.CLOSED

    @property
    def probing(self) -> bool:
        """Whether a probe is under way."""
        return self._state is _State.PROBING

    def wait(self, now: float, *, last_chance: bool = False) -> float:
        """Seconds until a call may try its luck; 0: now. While a probe is under way, how long one would wait at most.

        A caller whose patience ends has a last chance: the doubled windows do not count for it, only the first one.
        So the provider is asked at most once per `open_for`, and nobody is turned away who could have been answered.
        """
        if self._state is _State.CLOSED:
            return 0.0
        if self._state is _State.PROBING:
            return self._window
        window = self.open_for if last_chance else self._window
        return max(0.0, self._opened_at + window - now)

    def probe(self) -> bool:
        """Take part: True if this call is the probe, which has to end in `passed`, `failed` or `released`."""
        if self._state is not _State.OPEN:
            return False
        self._state = _State.PROBING
        self.changed.clear()
        return True

    def passed(self, *, probe: bool) -> bool:
        """A call was answered (a refusal is an answer too). True if that closed the breaker."""
        if self._state is _State.CLOSED:
            self._failures = 0
        if not probe or self._state is not _State.PROBING:
            return False
        self._state = _State.CLOSED
        self._failures = 0
        self.changed.set()
        return True

    def failed(self, now: float, *, probe: bool) -> float:
        """A call failed in a transient way. Returns for how many seconds that opened the breaker, 0 if it did not."""
        if self._state is _State.CLOSED:
            self._failures += 1
            if self._failures < self.threshold:
                return 0.0
            return self._open(now, self.open_for)
        # What fails now but set out before the breaker opened says nothing new.
        return self._open(now, min(self.open_cap, self._window * 2)) if probe else 0.0

    def released(self) -> None:
        """The probe was given up before it could tell: the next caller may probe."""
        if self._state is _State.PROBING:
            self._state = _State.OPEN
            self._opened_at = float("-inf")
            self.changed.set()

    def _open(self, now: float, window: float) -> float:
        self._state = _State.OPEN
        self._window = window
        self._opened_at = now
        self.changed.set()
        return window
