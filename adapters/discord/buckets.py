"""discord.py's rate-limit buckets, with long windows usable to their end.

The library refuses a request at once where a bucket's window ends later than the longest wait it is allowed, even
while there is room in the bucket: of a window of five minutes for fifty threads it would let one through.
"""

from __future__ import annotations

from discord.errors import RateLimited
from discord.http import Ratelimit

MOST = 256
"""Buckets kept before those that nobody uses are dropped, as in the library."""


class Bucket(Ratelimit):
    """A bucket that refuses only when it is used up."""

    async def acquire(self) -> None:
        """Take a place in the window, wait for one, or raise `RateLimited` where that would take too long."""
        if self.remaining > 0 and not self.is_expired():
            self._last_request = self._loop.time()
            self.remaining -= 1
            self.outgoing += 1
            return
        await super().acquire()

    def _wake(self, count: int = 1, *, exception: RateLimited | None = None) -> None:
        """Let waiting requests go on; those for which there is room need not hear of the long window."""
        super()._wake(count, exception=None if self.remaining > 0 else exception)


class Buckets(dict[str, Ratelimit]):
    """The buckets of one HTTP client by the library's keys, made as they are asked for."""

    def __init__(self, longest_wait: float) -> None:
        super().__init__()
        self._longest_wait = longest_wait

    def __missing__(self, key: str) -> Ratelimit:
        if len(self) >= MOST:
            for unused in [known for known, bucket in self.items() if bucket.is_inactive()]:
                del self[unused]
        self[key] = bucket = Bucket(self._longest_wait)
        return bucket
