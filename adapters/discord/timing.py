"""How long the adapter waits, in seconds, and the backoff between tries. When to try is each caller's business."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits in seconds; the defaults are for Discord itself.

    `backoff_base` and `backoff_cap` bound the full jitter between tries; a client that lasted `stable` starts them
    over. A session that lasted `served` is taken up again at once, a shorter one that can be resumed within `again`:
    what is said meanwhile waits. `identify_gap` is Discord's least time between two identifies, `reidentify` what it
    asks to wait after an invalidated session. `silence` is how long nothing may come, heartbeats' acknowledgements
    included (Discord's interval is 41 s). `acknowledgement` is the least time that a heartbeat may wait for its own,
    however short the interval; one that still waits at the next heartbeat ends the connection. `hello` is the longest
    wait for a connection to open, `resume_hello` the same at a session's own address, beside which there is the main
    one; `ready` is the longest wait from then on for READY or RESUMED. `deferral` is how long a command may take before
    it is said that its answer follows, `first_response` how long that or the answer may take in all, tries included:
    Discord takes it for 3 s.
    """

    backoff_base: float = 1.0
    backoff_cap: float = 30.0
    stable: float = 60.0
    served: float = 5.0
    again: float = 2.0
    identify_gap: float = 5.0
    reidentify: tuple[float, float] = (1.0, 5.0)
    hello: float = 30.0
    resume_hello: float = 5.0
    ready: float = 30.0
    silence: float = 60.0
    acknowledgement: float = 10.0
    deferral: float = 1.0
    first_response: float = 2.8


class Backoff:
    """Exponential backoff with full jitter."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._failures = 0

    def reset(self) -> None:
        """Forget the failures so far."""
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        ceiling = min(self._timing.backoff_cap, self._timing.backoff_base * 2 ** min(self._failures, 16))
        self._failures += 1
        return random.uniform(0, ceiling)
