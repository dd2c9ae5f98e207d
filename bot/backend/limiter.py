"""One key's pace with one model, shared by all conversations: after a 429 a pause for all, then one call at a time.

Pure state over a clock that the caller reads; the caller does the waiting.
"""

from __future__ import annotations

import math

GAP = 0.1
"""Seconds between two calls while a key is being tried gently again after a pause."""
CALM = 10 * GAP
"""Seconds without a call after which the gentle phase is over."""

LONGEST_PAUSE = 300.0
"""Seconds that a key is left alone at most, however long a wait was named: a limit by the day frees bit by bit, and a
date may be read by a clock that is wrong. One refused call tells whether it holds.
"""


class Pace:
    """When the next call of one key to one model may leave. All times are the clock's monotonic seconds."""

    def __init__(self) -> None:
        self._next = -math.inf
        self._gentle_until = -math.inf

    def pause(self, until: float) -> None:
        """No call before `until`, and after it no herd."""
        self._next = max(self._next, until)
        self._gentle_until = max(self._gentle_until, until + CALM)

    def wait(self, now: float) -> float:
        """Seconds until a call may leave; 0 when it may at once."""
        return max(0.0, self._next - now)

    def leave(self, now: float) -> None:
        """A call leaves now: while gentle, the next one keeps its distance."""
        if now < self._gentle_until:
            self._next = now + GAP
            self._gentle_until = now + CALM
