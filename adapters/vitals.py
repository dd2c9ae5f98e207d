"""The pulse of an adapter's sockets: which are up, when one was last heard, why others were needed.

When a socket counts as dead is each adapter's own knowledge; here it is only noted and counted.
"""

from __future__ import annotations

import time
from collections import Counter

from bot.adapter import Reason, Vitals


class Pulse:
    """Notes what happens to sockets, which it knows by their identity alone. `overdue` as in `Vitals`."""

    def __init__(self, overdue: float) -> None:
        self._overdue = overdue
        self._up: set[object] = set()
        self._heard_at: float | None = None
        self._lost: Counter[Reason] = Counter()

    def heard(self) -> None:
        """Something came on a socket: an event, a ping, an acknowledgement."""
        self._heard_at = time.monotonic()

    def up(self, socket: object) -> None:
        """Events flow on this one."""
        self._up.add(socket)

    def down(self, socket: object) -> None:
        """They do so no more; no news where they never did."""
        self._up.discard(socket)

    def lost(self, reason: Reason) -> int:
        """Another socket is needed. Returns how often that has been so for this reason."""
        self._lost[reason] += 1
        return self._lost[reason]

    def read(self) -> Vitals:
        """How it is now."""
        heard = None if self._heard_at is None else time.monotonic() - self._heard_at
        return Vitals(bool(self._up), heard, self._overdue, dict(self._lost))
