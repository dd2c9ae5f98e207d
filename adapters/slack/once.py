"""Tasks that are owned, and begun once for each key however often Slack tells of the same thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# So many are remembered as begun: a redelivery comes within minutes.
_REMEMBERED = 1_000


class OnceEach:
    """Owns the tasks it begins, until `close`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._begun: dict[str, asyncio.Task[Any]] = {}

    def begin(self, key: object, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """Start on `work`, or find the task that was started for the key; what has no key is always started."""
        if not isinstance(key, str) or not key:
            return self.own(work())
        task = self._begun.get(key)
        if task is None:
            task = self._begun[key] = self.own(work())
            while len(self._begun) > _REMEMBERED:
                del self._begun[next(iter(self._begun))]
        return task

    def own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start on something that has no key."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, within: float) -> None:
        """Give what is under way `within` seconds to end, then end it."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("slack_interaction_failed", error=type(error).__name__)
