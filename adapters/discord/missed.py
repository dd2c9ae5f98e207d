"""What was said while no gateway session was there to be resumed: each channel and thread from a time on.

Guilds name their channels and active threads when a session begins, each with its newest message: those with something
new are read first, and of those where the bot was never spoken to no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

import discord
import structlog

from adapters.discord.client import Client
from adapters.discord.history import channel_of, read_history
from adapters.discord.members import Members
from adapters.discord.parsing import PLATFORM
from adapters.discord.places import Places
from adapters.discord.values import DISCORD_EPOCH_MS
from bot.capabilities import Unread
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryUncertain
from bot.messages import Address, IncomingMessage

log = structlog.get_logger(__name__)

MOST_OTHERS = 100
"""Channels where the bot was never spoken to that are read at most."""

GUILDS_SECONDS = 5.0
"""How long the guilds of a new session may take to be told of."""

TRIES = 3

Readable = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


async def read_missed(
    client: Client, places: Places, known: Sequence[Unread], since: datetime, most: int
) -> AsyncGenerator[tuple[Address, Sequence[IncomingMessage]], None]:
    """Yield each place with its messages, oldest first; none where it refuses.

    Raises `DeliveryUncertain` at the end where some could not be read just now.
    """
    await client.guilds_told(GUILDS_SECONDS)
    new = {str(channel.id): channel for channel in _channels(client, since)}
    places_known = {channel_of(unread.address): unread for unread in known}
    others = [_unread(channel, since) for number, channel in new.items() if number not in places_known]
    told = [unread for number, unread in places_known.items() if number in new]
    # Not left out: a thread that is archived meanwhile is not told of, and what is told may be out of date.
    quiet = [unread for number, unread in places_known.items() if number not in new]
    unread_yet, members = 0, Members(client.http)
    for unread in [*told, *others[:MOST_OTHERS], *quiet]:
        try:
            yield unread.address, await read_place(client, places, members, unread, most)
        except (DeliveryDelayed, DeliveryUncertain) as failure:
            log.warning("place_unread", channel=channel_of(unread.address), code=failure.code)
            unread_yet += 1
    if unread_yet:
        raise DeliveryUncertain(f"{unread_yet} places unread")


def _channels(client: Client, since: datetime) -> list[Readable]:
    """Channels and active threads that may have something new, those that were written in last first."""
    oldest = int(first_id(since))
    found: list[Readable] = []
    for guild in client.guilds:
        found += [channel for channel in guild.channels if isinstance(channel, Readable)]
        found += guild.threads
    new = [channel for channel in found if channel.last_message_id is None or channel.last_message_id >= oldest]
    return sorted(new, key=lambda channel: channel.last_message_id or 0, reverse=True)


def _unread(channel: Readable, since: datetime) -> Unread:
    guild = str(channel.guild.id)
    if isinstance(channel, discord.Thread):
        return Unread(Address(PLATFORM, guild, str(channel.parent_id), str(channel.id)), since)
    return Unread(Address(PLATFORM, guild, str(channel.id)), since)


async def read_place(
    client: Client, places: Places, members: Members, unread: Unread, most: int
) -> Sequence[IncomingMessage]:
    """What is new in a place; nothing where it refuses. Raises `DeliveryDelayed` and `DeliveryUncertain`."""
    after = first_id(unread.since)
    for attempt in range(1, TRIES + 1):
        try:
            return await read_history(
                client.http, places, unread.address, before=None, after=after, limit=most, members=members
            )
        except (DeliveryDelayed, DeliveryUncertain) as failure:
            if attempt == TRIES:
                raise
            await asyncio.sleep(failure.retry_after if isinstance(failure, DeliveryDelayed) else 2.0**attempt)
        except DeliveryFailure as failure:
            # What the bot may not read is never read back: what is asked there while it is away goes unanswered.
            log.warning("place_refused", channel=channel_of(unread.address), code=failure.code)
            break
    return ()


def first_id(moment: datetime) -> str:
    """The least snowflake of a moment: a snowflake counts milliseconds in its upper bits."""
    return str(max(0, int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22)
