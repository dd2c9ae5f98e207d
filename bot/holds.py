"""Until when the new turns of a platform wait: older questions, which no event told of, may still have to be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from storage.records import micros_of, now


@dataclass(slots=True)
class _Hold:
    until: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    """The hold of each platform that has one. Moments are microseconds since the epoch."""

    def __init__(self) -> None:
        self._held: dict[str, _Hold] = {}

    def begin(self, platform: str, seconds: float) -> None:
        """Hold a platform for so long, or until `end`; one that is held already is held from now on."""
        until = now() + micros_of(seconds)
        self._held.setdefault(platform, _Hold(until)).until = until

    def end(self, platform: str) -> bool:
        """End a platform's hold; whether it had one, be it that its time was over."""
        hold = self._held.pop(platform, None)
        if hold is not None:
            hold.ended.set()
        return hold is not None

    def until(self, platform: str) -> int:
        """When a platform's hold is over at the latest; 0 where it has none."""
        return self._held[platform].until if platform in self._held else 0

    @property
    def latest(self) -> int:
        """When every hold is over; 0 where there is none."""
        return max((hold.until for hold in self._held.values()), default=0)

    async def over(self, platform: str) -> None:
        """Return once a platform is not held. Who waits first goes on first."""
        while (hold := self._held.get(platform)) is not None and (left := hold.until - now()) > 0:
            try:
                async with asyncio.timeout(left / 1_000_000):
                    await hold.ended.wait()
            except TimeoutError:
                continue
