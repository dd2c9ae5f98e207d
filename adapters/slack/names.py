"""What people and channels are called: looked up once, kept for an hour, never a reason to fail or to wait long.

A look-up that takes longer than its caller may wait goes on by itself and fills the cache for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Generic, TypeVar

import structlog

from adapters.slack.failures import SlackFault

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Lookups(Generic[T]):
    """A bounded cache over one look-up by id; failures are remembered too, for a shorter time.

    `look_up` may raise `SlackFault` or return None for what has no name. `kept` and `kept_failed` in seconds; at most
    `most` entries, the oldest go first.
    """

    def __init__(
        self,
        what: str,
        look_up: Callable[[str], Awaitable[T | None]],
        *,
        kept: float = 3600.0,
        kept_failed: float = 60.0,
        most: int = 5000,
    ) -> None:
        self._what = what
        self._look_up = look_up
        self._kept = kept
        self._kept_failed = kept_failed
        self._most = most
        self._found: dict[str, tuple[float, T | None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def begin(self, ids: Iterable[str]) -> list[asyncio.Task[None]]:
        """Start looking up those of `ids` that are not known; the look-ups under way for them."""
        now = asyncio.get_running_loop().time()
        missing = [i for i in ids if self._found.get(i, (0.0, None))[0] <= now]
        for i in missing:
            if i not in self._asking:
                self._asking[i] = asyncio.create_task(self._ask(i))
        return [self._asking[i] for i in missing]

    async def find(self, ids: Collection[str], *, within: float) -> dict[str, T]:
        """What is known of `ids` after at most `within` seconds; ids without an answer are left out. Never raises."""
        if asking := self.begin(ids):
            await asyncio.wait(asking, timeout=within)
        known = {i: self._found[i][1] for i in ids if i in self._found}
        return {i: entry for i, entry in known.items() if entry is not None}

    async def close(self) -> None:
        """End the look-ups that are still under way."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, i: str) -> None:
        loop = asyncio.get_running_loop()
        entry, kept = None, self._kept
        try:
            entry = await self._look_up(i)
        except SlackFault as fault:
            kept = max(self._kept_failed, fault.retry_after or 0.0)
            entry = self._found.get(i, (0.0, None))[1]  # an old name is better than none
            log.info("slack_lookup_failed", what=self._what, code=fault.code, status=fault.status)
        finally:
            del self._asking[i]
        self._found.pop(i, None)
        self._found[i] = (loop.time() + kept, entry)
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]
