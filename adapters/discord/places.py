"""What is known of channels, threads and guilds: from discord.py's cache, else asked once over REST and remembered.

Nothing here raises: a channel that cannot be looked up counts as a plain channel without a name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import discord
import structlog

from adapters.discord import markdown, rest
from adapters.discord.client import Client
from adapters.discord.parsing import THREAD_TYPES, mentioned_channels
from adapters.discord.people import Surroundings, members_in
from adapters.discord.permissions import Overwrite
from adapters.discord.values import identifier, is_object, string
from bot.errors import DeliveryFailure, DeliveryRefused, MessageGone
from bot.messages import Address, Place

log = structlog.get_logger(__name__)

REMEMBERED = 2_000
"""Channels looked up over REST that are kept at most."""

FRESH_SECONDS = 600.0
"""How long a looked-up channel is believed; a refused look-up is not tried again for `FAILED_SECONDS`, and one whose
failure may pass not for `PASSING_SECONDS`: a follow-up in a thread that is not known for one gets no answer."""

FAILED_SECONDS = 60.0
PASSING_SECONDS = 3.0

HEARD = 10_000
"""Nicknames kept at most, of those who were heard of last."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as far as it is known; `parent` only where it is a thread."""

    name: str = ""
    topic: str = ""
    parent: str | None = None


class Places:
    """Looks channels up for one logged-in client."""

    def __init__(self, client: Client, bot_id: str, bot_name: str) -> None:
        self._client = client
        self._bot_id = bot_id
        self._bot_name = bot_name
        self._found: OrderedDict[str, tuple[Channel, float]] = OrderedDict()
        self._nicks: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def parent(self, guild_id: str, channel_id: str) -> str | None:
        """The id of the channel that a thread belongs to; None where it is no thread, or nobody can tell."""
        return (await self._channel(guild_id, channel_id)).parent if guild_id and channel_id else None

    def known_surroundings(self, payload: object) -> Surroundings:
        """What can be said at once of an interaction's place: nobody is asked, as its first response is due soon."""
        guild_id, channel_id = "", ""
        if is_object(payload):
            guild_id, channel_id = identifier(payload.get("guild_id")), identifier(payload.get("channel_id"))
        guild = self._client.get_guild(int(guild_id)) if guild_id else None
        channel = self._cached(guild, channel_id)
        return Surroundings(self._bot_id, self._own_name(guild), channel.parent if channel is not None else None)

    async def surroundings(self, payload: object) -> Surroundings:
        """What is known around a message object of an event."""
        guild_id, channel_id = "", ""
        if is_object(payload):
            guild_id, channel_id = identifier(payload.get("guild_id")), identifier(payload.get("channel_id"))
        parent = await self.parent(guild_id, channel_id)
        guild = self._client.get_guild(int(guild_id)) if guild_id else None
        if guild is None:
            return Surroundings(self._bot_id, self._bot_name, parent)
        channels = {number: self._cached(guild, number) for number in mentioned_channels(payload)}
        # Not `guild.roles`, which sorts them: one role whose position is no number would make every message unreadable.
        roles = list(guild._roles.values())
        return Surroundings(
            bot_id=self._bot_id,
            bot_name=self._own_name(guild),
            parent=parent,
            owner_id=str(guild.owner_id),
            own_roles=frozenset(str(role.id) for role in roles if _belongs_to(role, self._bot_id)),
            roles={str(role.id): string(role.name) for role in roles},
            channels={number: channel.name for number, channel in channels.items() if channel is not None},
            granted={str(role.id): role.permissions.value for role in roles},
            overwrites=_overwrites(guild, parent or channel_id),
            nicks={**self._nicks_in(guild_id, payload), self._bot_id: self._own_name(guild)},
        )

    def hear(self, payload: object) -> None:
        """Keep what an event says its people are called in the guild: what is read from history does not."""
        guild_id = identifier(payload.get("guild_id")) if is_object(payload) else ""
        for user_id, member in members_in(payload) if guild_id else ():
            if is_object(member) and "nick" in member:
                self._nicks[guild_id, user_id] = string(member["nick"])
                self._nicks.move_to_end((guild_id, user_id))
        while len(self._nicks) > HEARD:
            self._nicks.popitem(last=False)

    def _nicks_in(self, guild_id: str, payload: object) -> dict[str, str]:
        return {
            user_id: nick for user_id, _ in members_in(payload) if (nick := self._nicks.get((guild_id, user_id), ""))
        }

    async def place(self, address: Address) -> Place:
        """What a channel and its guild are called."""
        channel = await self._channel(address.workspace, address.channel)
        guild = self._client.get_guild(int(address.workspace)) if address.workspace.isdigit() else None
        name = channel.name
        if address.thread is not None:
            thread = await self._channel(address.workspace, address.thread)
            name = " › ".join(part for part in (name, thread.name) if part)
        return Place(
            channel_name=name,
            workspace_name=string(guild.name) if guild else "",
            topic=self._named(channel.topic, guild),
            bot_name=self._own_name(guild),
        )

    def _own_name(self, guild: discord.Guild | None) -> str:
        """What people of a guild see as the bot's name."""
        member = guild.get_member(int(self._bot_id)) if guild is not None else None
        return (string(member.nick) if member is not None else "") or self._bot_name

    def _named(self, topic: str, guild: discord.Guild | None) -> str:
        """A channel's topic with names for ids. Of people only the bot is in the cache: others are `@someone`."""
        channels: dict[str, str] = {}
        roles: dict[str, str] = {}
        if guild is not None:
            cached = {number: self._cached(guild, number) for number in mentioned_channels({"content": topic})}
            channels = {number: channel.name for number, channel in cached.items() if channel is not None}
            roles = {str(role.id): string(role.name) for role in guild._roles.values()}
        return markdown.to_markdown(topic, users={self._bot_id: self._own_name(guild)}, roles=roles, channels=channels)

    async def _channel(self, guild_id: str, channel_id: str) -> Channel:
        guild = self._client.get_guild(int(guild_id)) if guild_id.isdigit() else None
        cached = self._cached(guild, channel_id)
        if cached is not None:
            return cached
        now = time.monotonic()
        found, until = self._found.get(channel_id, (Channel(), 0.0))
        if now < until:
            return found
        try:
            said = await rest.call(self._client.http, self._client.http.get_channel(channel_id), rest.LUXURY_DEADLINE)
            found, until = _as_channel(said), now + FRESH_SECONDS
        except DeliveryFailure as failure:
            log.info("channel_unknown", channel=channel_id, code=failure.code)
            # What was known of it is better than nothing.
            until = now + (FAILED_SECONDS if isinstance(failure, DeliveryRefused | MessageGone) else PASSING_SECONDS)
        self._found[channel_id] = (found, until)
        self._found.move_to_end(channel_id)
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return found

    def _cached(self, guild: discord.Guild | None, channel_id: str) -> Channel | None:
        channel = guild.get_channel_or_thread(int(channel_id)) if guild is not None and channel_id.isdigit() else None
        if channel is None:
            return None
        if isinstance(channel, discord.Thread):
            return Channel(string(channel.name), parent=str(channel.parent_id))
        return Channel(string(channel.name), topic=string(getattr(channel, "topic", None)))


def _as_channel(said: Any) -> Channel:
    if not is_object(said):
        return Channel()
    is_thread = said.get("type") in THREAD_TYPES
    return Channel(
        string(said.get("name")),
        string(said.get("topic")),
        (identifier(said.get("parent_id")) or None) if is_thread else None,
    )


def _belongs_to(role: discord.Role, bot_id: str) -> bool:
    return role.tags is not None and str(role.tags.bot_id) == bot_id


def _overwrites(guild: discord.Guild, channel_id: str) -> dict[str, Overwrite] | None:
    channel = guild.get_channel(int(channel_id)) if channel_id.isdigit() else None
    if channel is None:
        return None
    # Not `channel.overwrites`, which leaves out members that are not in the cache: none are kept there.
    return {str(each.id): Overwrite(each.allow, each.deny) for each in channel._overwrites}
