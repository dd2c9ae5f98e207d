"""Events that the database did not take: kept in order, channel by channel, and asked again until it does.

Discord sends an event once, Slack some times within minutes, and a full disk may last for hours. Memory does not
outlive the process, so what waits here counts as not stored, and is not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.errors import StorageFailed
from bot.messages import IncomingMessage, MessageDeleted, MessageEdited, ReactionAdded, ReactionRemoved

log = structlog.get_logger(__name__)

Event = IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved

# An event is some kilobytes at most: so many are what a small host has to spare.
MOST_EVENTS = 10_000
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 3.0


class Backlog:
    """Stands before the intake, whose `store` it calls. Guards what waits; `run` asks again."""

    def __init__(self, store: Callable[[Event], Awaitable[None]]) -> None:
        self._store = store
        # Of each channel its events in order; each is there once.
        self._waiting: dict[tuple[str, str, str], dict[Event, None]] = {}
        self._some = asyncio.Event()
        self._late = 0
        self._turned_away = 0

    @property
    def length(self) -> int:
        """How many events wait."""
        return sum(map(len, self._waiting.values()))

    async def receive(self, event: Event) -> None:
        """Store an event, unless earlier ones of its channel wait: then it waits behind them.

        Raises `StorageFailed` where it is not stored yet. From then on it is asked again here.
        """
        if _channel(event) in self._waiting:
            self._keep(event)
            raise StorageFailed("earlier events of the channel wait")
        try:
            await self._store(event)
        except StorageFailed:
            self._keep(event)
            raise

    async def run(self) -> None:
        """Ask again for what waits, until cancelled."""
        while True:
            await self._some.wait()
            pause = FIRST_PAUSE_SECONDS
            while self._waiting:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                await self.flush()
            self._some.clear()

    async def flush(self) -> int:
        """Store what waits, up to the first that fails again; returns how many still wait."""
        for channel, events in list(self._waiting.items()):
            try:
                while events:
                    first = next(iter(events))
                    await self._store_late(first)
                    del events[first]
            except StorageFailed:
                # The others come first the next time: what damages one channel must not keep them all.
                self._waiting[channel] = self._waiting.pop(channel)
                return self.length
            del self._waiting[channel]
        if self._late or self._turned_away:
            log.warning("events_stored_late", events=self._late, turned_away=self._turned_away)
            self._late = self._turned_away = 0
        return 0

    async def _store_late(self, event: Event) -> None:
        try:
            await self._store(event)
        except StorageFailed:
            raise
        except Exception as error:  # noqa: BLE001 - one event must not end the rest
            log.error("event_dropped", event_kind=type(event).__name__, error=type(error).__name__)
        else:
            self._late += 1

    def _keep(self, event: Event) -> None:
        events = self._waiting.get(_channel(event), {})
        if event in events:
            return  # the platform has sent it again
        if self.length >= MOST_EVENTS:
            self._turned_away += 1
            return
        self._waiting.setdefault(_channel(event), {})[event] = None
        self._some.set()


def _channel(event: Event) -> tuple[str, str, str]:
    address = (event.message if isinstance(event, MessageEdited) else event).address
    return address.platform, address.workspace, address.channel
