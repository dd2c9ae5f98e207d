"""What people and channels are called: looked up once, kept for an hour, never a reason to fail or to wait long.

A look-up that takes longer than its caller may wait goes on by itself and fills the cache for the next one. What
somebody may do is told for a minute only: who lost a right must not keep it for as long as a name is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from adapters.slack.failures import SlackFault

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A fault that is no refusal passes: who was locked out by it waits no longer than this, in seconds.
_PASSES_IN = 5.0


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    """An entry, None where there is no name, and the loop's times that end what it may be used for.

    `whole_until`: it is told as it was found, after that faded. `fresh_until`: it is not asked for again, even for a
    caller that needs it fresh; `kept_until`: nor for any other.
    """

    entry: T | None
    whole_until: float = 0.0
    fresh_until: float = 0.0
    kept_until: float = 0.0


class Lookups(Generic[T]):
    """A bounded cache over one look-up by id; failures are remembered too, for a shorter time.

    `look_up` may raise `SlackFault` or return None for what has no name. `kept`, `kept_failed` and `whole` in seconds:
    an entry that was asked for longer than `whole` ago is told as `fade` makes it. At most `most` entries, the oldest
    go first.
    """

    def __init__(
        self,
        what: str,
        look_up: Callable[[str], Awaitable[T | None]],
        *,
        kept: float = 3600.0,
        kept_failed: float = 60.0,
        whole: float = 60.0,
        fade: Callable[[T], T] = lambda entry: entry,
        most: int = 5000,
    ) -> None:
        self._what = what
        self._look_up = look_up
        self._kept = kept
        self._kept_failed = kept_failed
        self._whole = whole
        self._fade = fade
        self._most = most
        self._found: dict[str, _Known[T]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def begin(self, ids: Iterable[str], *, fresh: Collection[str] = ()) -> list[asyncio.Task[None]]:
        """Start looking up those of `ids` that are not known, and of `fresh` also those that would come out faded.

        Returns the look-ups under way for them.
        """
        now = asyncio.get_running_loop().time()
        missing = [i for i in ids if self._asked_again_from(i, i in fresh) <= now]
        for i in missing:
            if i not in self._asking:
                self._asking[i] = asyncio.create_task(self._ask(i))
        return [self._asking[i] for i in missing]

    async def find(self, ids: Collection[str], *, within: float, fresh: Collection[str] = ()) -> dict[str, T]:
        """What is known of `ids` after at most `within` seconds; ids without an answer are left out. Never raises.

        Those of them in `fresh` are asked for again where they would come out faded, and so they do if that fails.
        """
        if asking := self.begin(ids, fresh=fresh):
            await asyncio.wait(asking, timeout=within)
        return self.at_hand(ids)

    def at_hand(self, ids: Iterable[str]) -> dict[str, T]:
        """What is known of `ids` now."""
        now = asyncio.get_running_loop().time()
        known = {i: self._found[i] for i in ids if i in self._found}
        return {
            i: one.entry if now < one.whole_until else self._fade(one.entry)
            for i, one in known.items()
            if one.entry is not None
        }

    async def close(self) -> None:
        """End the look-ups that are still under way."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _asked_again_from(self, i: str, fresh: bool) -> float:
        known = self._found.get(i)
        if known is None:
            return 0.0
        return known.fresh_until if fresh else known.kept_until

    async def _ask(self, i: str) -> None:
        loop = asyncio.get_running_loop()
        whole_until = loop.time() + self._whole  # from when it was asked: an answer may take its time
        try:
            entry = await self._look_up(i)
            known = _Known(entry, whole_until, whole_until, loop.time() + self._kept)
        except SlackFault as fault:
            old: _Known[T] = self._found.get(i) or _Known(None)  # an old name is better than none
            now, told = loop.time(), fault.retry_after or 0.0
            passes = self._kept_failed if fault.refused else min(self._kept_failed, _PASSES_IN)
            known = _Known(old.entry, old.whole_until, now + max(passes, told), now + max(self._kept_failed, told))
            log.info("slack_lookup_failed", what=self._what, code=fault.code, status=fault.status)
        finally:
            del self._asking[i]
        self._found.pop(i, None)
        self._found[i] = known
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]
