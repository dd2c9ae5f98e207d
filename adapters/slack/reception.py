"""Where events and commands arrive: named, put in order, and handed to the core's sink.

An event is stored when `take` returns True. A command is acknowledged first and carried out in a task owned here.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
import structlog

from adapters.slack import slash
from adapters.slack.connection import Timing
from adapters.slack.names import Lookups
from adapters.slack.parsing import PLATFORM, Identity, Person, clean, parse_event, people_in, unescape
from bot.adapter import Sink
from bot.errors import ParleyError, StorageFailed
from bot.messages import Address, Author, CommandInvoked, IncomingMessage, MessageDeleted, MessageEdited

log = structlog.get_logger(__name__)


class Reception:
    """Takes in what one workspace sends, for as long as the adapter serves."""

    def __init__(
        self, me: Identity, people: Lookups[Person], sink: Sink, session: aiohttp.ClientSession, timing: Timing
    ) -> None:
        self._me = me
        self._people = people
        self._sink = sink
        self._session = session
        self._timing = timing
        self._order: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._commands: set[asyncio.Task[None]] = set()

    async def take(self, payload: dict[str, Any]) -> bool:
        """Hand an event in, a channel's in their order; False where it is not stored, so that Slack sends it again."""
        event = parse_event(payload, self._me)
        if event is None:
            return True
        loop = asyncio.get_running_loop()
        ids = () if _is_aside(event) else people_in(payload, self._me)
        self._people.begin(ids)  # now, so that waiting for one's turn and for names is one wait
        patience = loop.time() + self._timing.lookup
        channel = (event.message if isinstance(event, MessageEdited) else event).address.channel
        async with self._order.setdefault(channel, asyncio.Lock()):
            people = await self._people.find(ids, within=max(0.0, patience - loop.time()))
            event = parse_event(payload, self._me, people) or event
            try:
                await self._sink.receive(event)
            except StorageFailed as failure:  # the store says once what ails it
                log.debug("slack_event_not_stored_yet", event_kind=type(event).__name__, reason=str(failure))
                return False
            except Exception as error:  # noqa: BLE001 - whatever it was, the event is not stored
                log.error("slack_event_not_stored", event_kind=type(event).__name__, error=type(error).__name__)
                return False
        return True

    def hand(self, body: dict[str, Any]) -> None:
        """Start on a command."""
        task = asyncio.create_task(self._command(body))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def close(self) -> None:
        """Give the commands under way a moment to be answered, then end them."""
        if self._commands:
            await asyncio.wait(self._commands, timeout=self._timing.settle)
        for task in self._commands:
            task.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)

    async def _command(self, body: dict[str, Any]) -> None:
        user, channel = clean(body.get("user_id")), clean(body.get("channel_id"))
        if not user or not channel:
            log.warning("slack_command_malformed")
            return
        known = await self._people.find([user], within=self._timing.call)
        person = known.get(user, Person(clean(body.get("user_name")) or user))
        author = Author(user, person.name, person.is_bot, person.is_admin)
        name, arguments = slash.split_command(unescape(clean(body.get("text"))))
        address = Address(PLATFORM, self._me.team_id or clean(body.get("team_id")), channel)
        command = CommandInvoked(address, author, name, arguments)
        try:
            shown = (await self._sink.command(command)).text
        except Exception as error:  # noqa: BLE001 - who gave the command must hear of it, whatever it was
            log.error("slack_command_failed", command=command.name, error=type(error).__name__)
            shown = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
        await slash.answer(self._session, body.get("response_url"), shown)


def _is_aside(event: IncomingMessage | MessageEdited | MessageDeleted) -> bool:
    """Whether an event is of those that fill a busy channel and are not for the bot: they are worth no look-up."""
    if isinstance(event, IncomingMessage):
        return not event.direct and not event.mentions_bot and event.address.thread == event.id
    return isinstance(event, MessageDeleted)
