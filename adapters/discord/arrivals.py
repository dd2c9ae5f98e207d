"""Events in the order of their arrival, channel by channel: a slow store in one channel keeps no other waiting.

What is done with an event is the caller's business; here it only gets its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any


class Arrivals:
    """A queue and a task for each channel that has something to do; all tasks belong to the caller's group."""

    def __init__(self, tasks: asyncio.TaskGroup, handle: Callable[[str, Any], Awaitable[None]]) -> None:
        """`handle` takes an event's name and data; it must not raise."""
        self._tasks = tasks
        self._handle = handle
        self._waiting: dict[str, deque[tuple[str, Any]]] = {}
        self._working: set[asyncio.Task[None]] = set()

    def put(self, channel: str, event: str, data: Any) -> None:
        """Queue an event of `channel`."""
        queue = self._waiting.get(channel)
        if queue is None:
            self._waiting[channel] = queue = deque()
            task = self._tasks.create_task(self._drain(channel, queue))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        queue.append((event, data))

    async def settle(self, seconds: float) -> None:
        """Wait until all that has arrived is dealt with, at most so long."""
        if self._working:
            await asyncio.wait(self._working, timeout=seconds)

    async def _drain(self, channel: str, queue: deque[tuple[str, Any]]) -> None:
        while queue:
            await self._handle(*queue.popleft())
        del self._waiting[channel]
