"""Until when the new turns of a platform wait, and which of its messages: older questions, which no event told of, may
still have to be read.

A hold ends place by place as they are read, and a place in which somebody waits can be asked for ahead of the others.
It lasts as long as the process lives meanwhile: one that stood still (a suspended machine) has read nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from bot.messages import Address, IncomingMessage
from storage.records import micros_of, now

log = structlog.get_logger(__name__)

# Of a busy workspace's threads, what is said in ten seconds; beyond, the next reading of what was missed finds them.
MOST_EARLY = 1_000
# Each takes a call or two of what a platform grants a minute, which reading the others needs too.
MOST_AHEAD = 20
# Holds are counted in ticks: however long the process stood still, that was one.
TICK_SECONDS = 0.25


@dataclass(slots=True)
class _Hold:
    """`gap` numbers the gap that it is for. `left`: seconds, as long as `ticking`. `read` are the places that were read
    since the gap, `asked_for` those to be read ahead."""

    gap: int = 0
    left: float = 0.0
    ticking: asyncio.TimerHandle | None = None
    early: list[IncomingMessage] = field(default_factory=list)
    read: set[Address] = field(default_factory=set)
    asked_for: set[Address] = field(default_factory=set)


class Holds:
    """The hold of each platform that has one. Moments are microseconds since the epoch; a place is a thread, or
    (`thread` None) a channel's own messages."""

    def __init__(self) -> None:
        self._held: dict[str, _Hold] = {}
        self._ahead: defaultdict[str, asyncio.Queue[Address]] = defaultdict(asyncio.Queue)
        self._gaps = itertools.count(1)

    def begin(self, platform: str, seconds: float) -> None:
        """Hold a platform for so long from now on, or until `end`."""
        hold = self._held.setdefault(platform, _Hold())
        hold.gap = next(self._gaps)
        hold.read.clear()
        hold.asked_for.clear()
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

    def gap(self, platform: str) -> int:
        """The number of the gap that a platform is held for, 0 where it is not: what is read from now on is from after
        it."""
        hold = self._held.get(platform)
        return hold.gap if hold is not None else 0

    def settle(self, place: Address, gap: int) -> Sequence[IncomingMessage] | None:
        """End the hold of a place that was read since a gap: the messages that were kept for its end, or for that of a
        thread of it, whose first message may be known now.

        None where there is no such hold any more, or another gap came since.
        """
        hold = self._held.get(place.platform)
        if hold is None or hold.gap != gap:
            return None
        hold.read.add(place)
        early = [m for m in hold.early if place in (place_of(m), replace(m.address, thread=None))]
        hold.early = [message for message in hold.early if message not in early]
        return early

    def keep(self, message: IncomingMessage) -> None:
        """Keep a message for the end of its place's hold, also where its time is over; nothing where it has none.

        In memory alone: what a process keeps as it dies, the next one reads back with what was said before it.
        """
        hold = self._held.get(message.address.platform)
        place = place_of(message)
        # Of a thread that is read before its channel, the first message may still be to come.
        is_over = hold is not None and {place, replace(place, thread=None)} <= hold.read
        if hold is None or is_over or message in hold.early:
            return
        if len(hold.early) >= MOST_EARLY:
            log.warning("early_message_left", channel=message.address.channel, message=message.id)
            return
        hold.early.append(message)

    def until(self, place: Address) -> int:
        """When a place's hold is over, as far as can be known now; 0 where it has none, or its time is over."""
        hold = self._held.get(place.platform)
        if hold is None or hold.ticking is None or place in hold.read:
            return 0
        return now() + micros_of(hold.left)

    def ask_for(self, place: Address) -> None:
        """Have a place that is held read ahead of the others, once; nothing beyond the most of them."""
        hold = self._held.get(place.platform)
        if hold is not None and place not in hold.asked_for and len(hold.asked_for) < MOST_AHEAD:
            hold.asked_for.add(place)
            self._ahead[place.platform].put_nowait(place)

    async def asked_for(self, platform: str) -> Address:
        """The next place that was asked for."""
        return await self._ahead[platform].get()

    @property
    def lasts(self) -> bool:
        """Whether there is a hold whose time is not over."""
        return any(hold.ticking is not None for hold in self._held.values())

    def _tick(self, hold: _Hold) -> None:
        hold.left -= TICK_SECONDS
        again = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick, hold) if hold.left > 0 else None
        hold.ticking = again


def place_of(message: IncomingMessage) -> Address:
    """Where a message is read with those around it: a message that a thread hangs on stands in the channel."""
    a = message.address
    return replace(a, thread=None) if a.thread == message.id else a
