"""discord.py's rate-limit buckets, used to their end, with the global limit kept, and telling what they have learned.

The library refuses a request at once where a bucket's window ends later than the longest wait it is allowed, even
while there is room in the bucket: of a window of five minutes for fifty threads it would let one through. It keeps the
request that empties a bucket, long answered, until the bucket is full again. And it runs into the limit on all
requests together, of which the headers say nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

import aiohttp
from discord.errors import RateLimited
from discord.http import Ratelimit

from bot.sliding import Window, begin_when_free

MOST = 256
"""Buckets kept before those that nobody uses are dropped, as in the library."""

OVERALL = 45
"""Requests a second in all, of the 50 that https://discord.com/developers/docs/topics/rate-limits allows."""

_BARELY = 0.002
"""Seconds after its end at which a window is seen to be over."""


class Bucket(Ratelimit):
    """A bucket that is used up before anybody waits, and refuses only then. Those who wait go in order.

    `window`: in how many seconds it fills, as far as an answer has told; 0 where none has.
    """

    def __init__(self, longest_wait: float, overall: Sequence[Window]) -> None:
        super().__init__(longest_wait)
        self.window = 0.0
        self._longest_wait = longest_wait
        self._overall = overall
        self._line = asyncio.Lock()
        self._answered = asyncio.Event()
        self._began: list[float] = []

    async def acquire(self) -> None:
        """Take a place in the window, wait for one, or raise `RateLimited` where that would take too long."""
        self._last_request = self._loop.time()
        if self._line.locked() or not self._take():
            async with self._line:
                while not self._take():
                    await self._wait()
        try:
            self._began.append(await begin_when_free(self._overall))
        except asyncio.CancelledError:
            self.outgoing -= 1
            self.remaining += 1
            self._answered.set()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.outgoing -= 1
        if self._began:
            began = self._began.pop(0)
            for window in self._overall:
                window.end(began, self._loop.time())
        if self.expires is None and self.outgoing == 0:
            self.reset()  # type: ignore[no-untyped-call]  # no answer has told anything
        self._answered.set()

    def update(self, response: aiohttp.ClientResponse, *, use_clock: bool = False) -> None:
        """Read what an answer tells of the bucket."""
        before = self.limit
        super().update(response, use_clock=use_clock)
        # The first answer of a window tells all of it.
        self.window = self.reset_after if self.limit != before else max(self.window, self.reset_after)

    def _take(self) -> bool:
        if self.is_expired():
            self.reset()  # type: ignore[no-untyped-call]
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        self.outgoing += 1
        return True

    async def _wait(self) -> None:
        """Until the window is over, or an answer tells more. Raises `RateLimited`."""
        left = self.expires - self._loop.time() if self.expires is not None else None
        if left is not None and left > self._longest_wait:
            raise RateLimited(left)
        self._answered.clear()
        try:
            async with asyncio.timeout(None if left is None else max(left, 0.0) + _BARELY):
                await self._answered.wait()
        except TimeoutError:
            return


class Buckets(dict[str, Ratelimit]):
    """The buckets of one HTTP client by the library's keys, made as they are asked for.

    `planned`: the limit on all requests together, of which only a refusal would tell, is kept.
    """

    def __init__(self, longest_wait: float, *, planned: bool = True) -> None:
        super().__init__()
        self._longest_wait = longest_wait
        self._overall = [Window(OVERALL, 1.0)] if planned else []

    def __missing__(self, key: str) -> Ratelimit:
        if len(self) >= MOST:
            for unused in [known for known, bucket in self.items() if bucket.is_inactive()]:
                del self[unused]
        self[key] = bucket = Bucket(self._longest_wait, self._overall)
        return bucket

    def learned(self, key: str) -> tuple[int, float] | None:
        """How many requests a bucket takes in how many seconds, where an answer has told."""
        bucket = self.get(key)
        return (bucket.limit, bucket.window) if isinstance(bucket, Bucket) and bucket.window > 0 else None
