"""Until when the new turns of a platform wait, and which of its messages: older questions, which no event told of, may
still have to be read.

A hold lasts as long as the process lives meanwhile: one that stood still (a suspended machine) has read nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bot.messages import IncomingMessage
from storage.records import micros_of, now

log = structlog.get_logger(__name__)

# Of a busy workspace's threads, what is said in ten seconds; beyond, the next reading of what was missed finds them.
MOST_EARLY = 1_000
# Holds are counted in ticks: however long the process stood still, that was one.
TICK_SECONDS = 0.25


@dataclass(slots=True)
class _Hold:
    """`left`: seconds, as long as `ticking`."""

    left: float = 0.0
    ticking: asyncio.TimerHandle | None = None
    early: list[IncomingMessage] = field(default_factory=list)


class Holds:
    """The hold of each platform that has one. Moments are microseconds since the epoch."""

    def __init__(self) -> None:
        self._held: dict[str, _Hold] = {}

    def begin(self, platform: str, seconds: float) -> None:
        """Hold a platform for so long from now on, or until `end`."""
        hold = self._held.setdefault(platform, _Hold())
        hold.left = seconds
        if hold.ticking is None:
            hold.ticking = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick, hold)

    def end(self, platform: str) -> Sequence[IncomingMessage] | None:
        """End a platform's hold: the messages that were kept for its end; None where it had none.

        One whose time was over is ended too.
        """
        hold = self._held.pop(platform, None)
        if hold is None:
            return None
        if hold.ticking is not None:
            hold.ticking.cancel()
        return hold.early

    def keep(self, message: IncomingMessage) -> None:
        """Keep a message for the end of its platform's hold, also where its time is over; nothing where it has none.

        In memory alone: what a process keeps as it dies, the next one reads back with what was said before it.
        """
        hold = self._held.get(message.address.platform)
        if hold is None or message in hold.early:
            return
        if len(hold.early) >= MOST_EARLY:
            log.warning("early_message_left", channel=message.address.channel, message=message.id)
            return
        hold.early.append(message)

    def until(self, platform: str) -> int:
        """When a platform's hold is over, as far as can be known now; 0 where it has none, or its time is over."""
        hold = self._held.get(platform)
        return now() + micros_of(hold.left) if hold is not None and hold.ticking is not None else 0

    @property
    def lasts(self) -> bool:
        """Whether there is a hold whose time is not over."""
        return any(hold.ticking is not None for hold in self._held.values())

    def _tick(self, hold: _Hold) -> None:
        hold.left -= TICK_SECONDS
        again = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick, hold) if hold.left > 0 else None
        hold.ticking = again
