"""Waiting with what is only nice to have while the process has more to do than it can: a status, a preview, a button.

Each is a call to the platform. Begun by the clock alone they would come most often when everybody's answers are late
already, and make them later still.
"""

from __future__ import annotations

import asyncio

LATE_SECONDS = 0.025
"""An event loop that wakes so much later than it was to has a queue of work: one with time to spare is on the dot."""
AGAIN_SECONDS = 0.1
LONGEST_SECONDS = 0.5
"""However busy the process is, somebody who waits sees a sign of life."""


async def at_leisure(seconds: float, unless: asyncio.Event | None = None) -> bool:
    """Wait so long, and on while the loop is late, half a second more at most; whether `unless` was set meanwhile.

    Below zero it is late already.
    """
    loop, ended = asyncio.get_running_loop(), unless or asyncio.Event()
    due = loop.time() + seconds
    latest = due + LONGEST_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(due):
                return await ended.wait()
        except TimeoutError:
            now = loop.time()
        if now - due < LATE_SECONDS or now >= latest:
            return False
        due = min(now + AGAIN_SECONDS, latest)
