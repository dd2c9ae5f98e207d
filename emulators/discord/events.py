"""Changes to threads and reactions, and typing, with the events they dispatch; messages are in `posting.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emulators.discord.payloads import JSON, emoji_payload, member_payload, thread_member_payload, thread_payload
from emulators.discord.sessions import DM_REACTIONS, DM_TYPING, GUILD_MEMBERS, GUILD_REACTIONS, GUILD_TYPING, GUILDS
from emulators.discord.state import Channel, Message, User

if TYPE_CHECKING:
    from emulators.discord.core import Core


def thread_changed(server: Core, name: str, thread: Channel, *, newly_created: bool = False) -> None:
    """Dispatch THREAD_CREATE or THREAD_UPDATE."""
    data = thread_payload(thread, server.bot)
    if newly_created:
        data["newly_created"] = True
    server.sessions_store.dispatch(name, thread, data, guild_intent=GUILDS)
    server.changed()


def delete_thread(server: Core, thread: Channel) -> None:
    """Delete a thread and dispatch THREAD_DELETE."""
    assert thread.guild is not None
    assert thread.parent is not None
    data = {
        "id": str(thread.id),
        "guild_id": str(thread.guild.id),
        "parent_id": str(thread.parent.id),
        "type": thread.type,
    }
    server.sessions_store.dispatch("THREAD_DELETE", thread, data, guild_intent=GUILDS)
    del server.world.channels[thread.id]
    if thread.starter is not None:
        thread.starter.thread = None
    server.changed()


def members_changed(server: Core, thread: Channel, *, added: list[User], removed: list[User]) -> None:
    """Dispatch THREAD_MEMBERS_UPDATE; without the members intent only the bot's own changes show."""
    assert thread.guild is not None
    data: JSON = {
        "id": str(thread.id),
        "guild_id": str(thread.guild.id),
        "member_count": min(len(thread.members), 50),
    }
    if added:
        data["added_members"] = [
            {
                **thread_member_payload(thread, user.id),
                "member": member_payload(user, thread.guild),
                "presence": None,
            }
            for user in added
        ]
    if removed:
        data["removed_member_ids"] = [str(user.id) for user in removed]
    own = server.bot in [*added, *removed]
    intent = GUILDS | GUILD_MEMBERS if own else GUILD_MEMBERS
    server.sessions_store.dispatch("THREAD_MEMBERS_UPDATE", thread, data, guild_intent=intent)
    server.changed()


def typing_started(server: Core, channel: Channel, user: User) -> None:
    """Dispatch TYPING_START."""
    data: JSON = {
        "channel_id": str(channel.id),
        "user_id": str(user.id),
        "timestamp": int(datetime.now(UTC).timestamp()),
    }
    if channel.guild is not None:
        data["guild_id"] = str(channel.guild.id)
        data["member"] = member_payload(user, channel.guild)
    server.sessions_store.dispatch("TYPING_START", channel, data, guild_intent=GUILD_TYPING, dm_intent=DM_TYPING)
    server.changed()


def set_reaction(server: Core, message: Message, user: User, emoji: str, *, present: bool) -> None:
    """Add or take away a reaction and dispatch the event, if that changes anything."""
    users = message.reactions.setdefault(emoji, [])
    if (user in users) is present:
        return
    if present:
        users.append(user)
    else:
        users.remove(user)
    channel = message.channel
    data: JSON = {
        "user_id": str(user.id),
        "channel_id": str(channel.id),
        "message_id": str(message.id),
        "emoji": emoji_payload(emoji),
        "burst": False,
        "type": 0,
    }
    if channel.guild is not None:
        data["guild_id"] = str(channel.guild.id)
    if present:
        data["message_author_id"] = str(message.author.id)
        if channel.guild is not None:
            data["member"] = member_payload(user, channel.guild)
    name = "MESSAGE_REACTION_ADD" if present else "MESSAGE_REACTION_REMOVE"
    server.sessions_store.dispatch(name, channel, data, guild_intent=GUILD_REACTIONS, dm_intent=DM_REACTIONS)
    server.changed()
