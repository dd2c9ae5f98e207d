"""Where events arrive: named, put in order, and handed to the core's sink. One is stored when `take` returns True."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import structlog

from adapters.slack.connection import Timing
from adapters.slack.names import Lookups
from adapters.slack.parsing import Identity, channels_in, parse_event, parse_reaction, people_in
from adapters.slack.people import Person
from bot.adapter import Sink
from bot.errors import StorageFailed
from bot.messages import IncomingMessage, MessageDeleted, MessageEdited, ReactionAdded, ReactionRemoved

log = structlog.get_logger(__name__)

Event = IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved


class Reception:
    """Takes in what one workspace sends, for as long as the adapter serves."""

    def __init__(
        self, me: Identity, people: Lookups[Person], channels: Lookups[str], sink: Sink, timing: Timing
    ) -> None:
        self._me = me
        self._people = people
        self._channels = channels
        self._sink = sink
        self._timing = timing
        self._order: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, payload: dict[str, Any]) -> bool:
        """Hand an event in, a channel's in their order; False where it is not stored, so that Slack sends it again."""
        ids, named = people_in(payload, self._me), channels_in(payload)
        people, channels = self._people.at_hand(ids), self._channels.at_hand(named)
        event = self._event(payload, people, channels)
        if event is None:
            return True
        loop = asyncio.get_running_loop()
        is_aside = _is_aside(event)
        said = event.message if isinstance(event, MessageEdited) else event
        # What the author may do decides on what is said here, of those it mentions a name is enough.
        author = (said.author.id,) if isinstance(said, IncomingMessage) else ()
        if not is_aside:
            # Now, so that waiting for one's turn and for names is one wait.
            self._channels.begin(named)
            self._people.begin(ids, fresh=author)
        patience = loop.time() + self._timing.lookup
        address = said.address
        async with self._order.setdefault(address.channel, asyncio.Lock()):
            is_wanted = not is_aside
            if is_aside and isinstance(event, IncomingMessage):
                if await self._sink.hears_all(address):
                    is_wanted = True
                elif self._sink.overhears(address):
                    is_wanted, author = True, ()
            if is_wanted:
                known = people, channels
                people = await self._people.find(ids, within=max(0.0, patience - loop.time()), fresh=author)
                channels = await self._channels.find(named, within=max(0.0, patience - loop.time()))
                if (people, channels) != known:
                    event = self._event(payload, people, channels) or event
            try:
                await self._sink.receive(event)
            except StorageFailed as failure:  # the store says once what ails it
                log.debug("slack_event_not_stored_yet", event_kind=type(event).__name__, reason=str(failure))
                return False
            except Exception as error:  # noqa: BLE001 - whatever it was, the event is not stored
                log.error("slack_event_not_stored", event_kind=type(event).__name__, error=type(error).__name__)
                return False
        return True

    def _event(
        self, payload: dict[str, Any], people: Mapping[str, Person], channels: Mapping[str, str]
    ) -> Event | None:
        """What the payload tells of, its people and channels called by these names."""
        return parse_event(payload, self._me, people, channels) or parse_reaction(payload, self._me, people)


def _is_aside(event: Event) -> bool:
    """Whether an event is of those that fill a busy channel and are not for the bot: they are worth no look-up.

    Where the bot answers everything, they are for it: who wants to know that must ask.
    """
    if isinstance(event, IncomingMessage):
        return not event.direct and not event.mentions_bot and event.address.thread == event.id
    return isinstance(event, MessageDeleted)
