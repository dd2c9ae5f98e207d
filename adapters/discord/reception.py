"""Where the gateway's events arrive: parsed, in the order of their channel, and handed to the core's sink."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from adapters.discord import commands
from adapters.discord.arrivals import Arrivals
from adapters.discord.client import INTERACTION, REACTIONS
from adapters.discord.interactions import parse_interaction
from adapters.discord.login import Login
from adapters.discord.parsing import parse_deletions, parse_edit, parse_message, parse_reaction
from adapters.discord.timing import Timing
from adapters.discord.values import identifier, is_object
from bot.adapter import Sink
from bot.errors import StorageFailed
from bot.interactions import CommandSpec
from bot.messages import IncomingMessage, MessageDeleted, MessageEdited, ReactionAdded, ReactionRemoved

log = structlog.get_logger(__name__)

Event = IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved


class Reception:
    """Takes in what one bot is sent, for as long as the adapter serves; its tasks belong to the adapter's group.

    `login` gives the present login: a client of its own follows each that has ended.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        sink: Sink,
        login: Callable[[], Login],
        specs: Sequence[CommandSpec],
        timing: Timing,
    ) -> None:
        self._tasks = tasks
        self._sink = sink
        self._login = login
        self._specs = specs
        self._timing = timing
        self._arrivals = Arrivals(tasks, self._hand_over)

    def take(self, event: str, data: Any) -> None:
        """Take an event in: a command begins at once, anything else when what came before it in its channel is done."""
        if event == INTERACTION:
            self._tasks.create_task(self._answer(data))
        elif not self._is_own(data):
            self._login().places.hear(data)
            self._arrivals.put(identifier(data.get("channel_id")) if is_object(data) else "", event, data)

    async def settle(self, seconds: float) -> None:
        """Wait until what has arrived, commands aside, is handed over, at most so long."""
        await self._arrivals.settle(seconds)

    def _is_own(self, data: Any) -> bool:
        """Whether an event tells of a message that the bot itself wrote: it knows of those."""
        author = data.get("author") if is_object(data) else None
        return is_object(author) and identifier(author.get("id")) == self._login().identity.user_id

    async def _hand_over(self, event: str, data: Any) -> None:
        try:
            for parsed in await self._parse(event, data):
                await self._receive(parsed)
        except Exception as error:  # noqa: BLE001 - one event must not end the rest
            log.error("event_dropped", event_name=event, error=type(error).__name__)

    async def _parse(self, event: str, data: Any) -> Sequence[Event]:
        around = await self._login().places.surroundings(data)
        if event == "MESSAGE_CREATE":
            message = parse_message(data, around)
            return () if message is None else (message,)
        if event == "MESSAGE_UPDATE":
            edit = parse_edit(data, around)
            return () if edit is None else (edit,)
        if event in REACTIONS:
            reaction = parse_reaction(data, around, added=event == "MESSAGE_REACTION_ADD")
            return () if reaction is None else (reaction,)
        return parse_deletions(data, around.parent)

    async def _receive(self, event: Event) -> None:
        """Hand an event over. Discord does not send it again: one that is not stored yet is the sink's to ask again."""
        try:
            await self._sink.receive(event)
        except StorageFailed as failure:
            log.debug("event_not_stored_yet", event_kind=type(event).__name__, reason=str(failure))

    async def _answer(self, data: Any) -> None:
        try:
            login = self._login()
            interaction = parse_interaction(data, self._specs, login.places.known_surroundings(data))
            if interaction is not None:
                await commands.answer(login.client.http, interaction, self._sink, self._timing)
        except Exception as error:  # noqa: BLE001 - one command must not end the rest
            log.error("command_dropped", error=type(error).__name__)
