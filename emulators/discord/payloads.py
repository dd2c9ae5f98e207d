"""How the world looks on the wire: pure functions from state to Discord's JSON objects (API v10).

Whether somebody may see an object is decided by the callers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emulators.discord.state import (
    ADMINISTRATOR,
    MANAGE_GUILD,
    Attachment,
    Channel,
    Guild,
    Message,
    User,
    World,
)

JSON = dict[str, Any]


def stamp(moment: datetime) -> str:
    """ISO 8601 with microseconds and offset, as Discord writes it."""
    return moment.isoformat(timespec="microseconds")


def user_payload(user: User) -> JSON:
    """A user object."""
    payload: JSON = {
        "id": str(user.id),
        "username": user.name,
        "global_name": user.global_name,
        "discriminator": "4242" if user.bot else "0",
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "clan": None,
        "primary_guild": None,
    }
    if user.bot:
        payload["bot"] = True
    return payload


def member_payload(user: User, guild: Guild, *, with_user: bool = True, permissions: int | None = None) -> JSON:
    """A member of `guild`; `permissions` is given inside interactions."""
    payload: JSON = {
        "nick": user.nick,
        "avatar": None,
        "banner": None,
        "roles": [str(role.id) for role in user.roles if role.guild_id == guild.id],
        "joined_at": stamp(user.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    if with_user:
        payload["user"] = user_payload(user)
    if permissions is not None:
        payload["permissions"] = str(permissions)
    return payload


def last_message_id(channel: Channel) -> str | None:
    """The id of the newest message ever sent (Discord keeps it when that message is deleted)."""
    return str(channel.messages[-1].id) if channel.messages else None


def channel_payload(channel: Channel, bot: User, *, with_guild: bool = True) -> JSON:
    """A channel object; inside GUILD_CREATE the guild's id is left out."""
    if channel.is_thread:
        return thread_payload(channel, bot)
    if channel.is_dm:
        return {
            "id": str(channel.id),
            "type": 1,
            "last_message_id": last_message_id(channel),
            "flags": 0,
            "recipients": [user_payload(channel.recipient)] if channel.recipient else [],
        }
    denied = int(channel.denied)
    overwrites = [
        {"id": str(number), "type": int(each.is_member), "allow": str(int(each.allow)), "deny": str(int(each.deny))}
        for number, each in channel.overwrites.items()
    ]
    if denied:
        overwrites.append({"id": str(bot.id), "type": 1, "allow": "0", "deny": str(denied)})
    payload: JSON = {
        "id": str(channel.id),
        "type": 0,
        "name": channel.name,
        "topic": channel.topic,
        "position": 0,
        "nsfw": False,
        "parent_id": None,
        "rate_limit_per_user": 0,
        "last_message_id": last_message_id(channel),
        "permission_overwrites": overwrites,
        "flags": 0,
    }
    if with_guild and channel.guild is not None:
        payload["guild_id"] = str(channel.guild.id)
    return payload


def thread_member_payload(thread: Channel, user_id: int) -> JSON:
    """A thread member object."""
    joined = stamp(thread.members[user_id])
    return {"id": str(thread.id), "user_id": str(user_id), "join_timestamp": joined, "flags": 0}


def thread_payload(thread: Channel, bot: User) -> JSON:
    """A thread as a channel object; `member` is there when the bot has joined it."""
    assert thread.guild is not None
    assert thread.parent is not None
    assert thread.owner is not None
    count = sum(1 for m in thread.messages if not m.deleted and m.type != 21)
    payload: JSON = {
        "id": str(thread.id),
        "type": thread.type,
        "guild_id": str(thread.guild.id),
        "parent_id": str(thread.parent.id),
        "owner_id": str(thread.owner.id),
        "name": thread.name,
        "last_message_id": last_message_id(thread),
        "message_count": count,
        "member_count": min(len(thread.members), 50),
        "total_message_sent": sum(1 for m in thread.messages if m.type != 21),
        "rate_limit_per_user": 0,
        "flags": 0,
        "thread_metadata": {
            "archived": thread.archived,
            "auto_archive_duration": thread.auto_archive_duration,
            "archive_timestamp": stamp(thread.created_at),
            "locked": thread.locked,
            "create_timestamp": stamp(thread.created_at),
        },
    }
    if thread.type == 12:
        payload["thread_metadata"]["invitable"] = True
    if bot.id in thread.members:
        payload["member"] = thread_member_payload(thread, bot.id)
    return payload


def attachment_payload(attachment: Attachment, *, ephemeral: bool = False) -> JSON:
    """An attachment object."""
    payload: JSON = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.data),
        "url": attachment.signed(),
        "proxy_url": attachment.signed(),
        "content_type": attachment.content_type,
    }
    if attachment.description is not None:
        payload["description"] = attachment.description
    if ephemeral:
        payload["ephemeral"] = True
    return payload


def reactions_payload(message: Message, bot: User) -> list[JSON]:
    """The reactions of a message with their counts."""
    return [
        {
            "emoji": emoji_payload(emoji),
            "count": len(users),
            "count_details": {"burst": 0, "normal": len(users)},
            "burst_colors": [],
            "me": bot in users,
            "me_burst": False,
            "burst_me": False,
            "burst_count": 0,
        }
        for emoji, users in message.reactions.items()
        if users
    ]


def emoji_payload(emoji: str) -> JSON:
    """A partial emoji: a Unicode one, or `name:id`."""
    name, _, number = emoji.partition(":")
    return {"id": number or None, "name": name}


def mention_payload(user: User, guild: Guild | None, *, event: bool) -> JSON:
    """A mentioned user; events of guilds add the partial member."""
    payload = user_payload(user)
    if event and guild is not None:
        payload["member"] = member_payload(user, guild, with_user=False)
    return payload


def message_payload(
    message: Message, bot: User, *, event: bool = False, nested: bool = False, sent: bool = False
) -> JSON:
    """A message object. Events carry `guild_id` and the partial `member` in guilds, answers do not;
    a nested one (`referenced_message`) does not nest again.

    A nonce is told to who `sent` the message and in events; it is not kept with the message."""
    channel = message.channel
    payload: JSON = {
        "id": str(message.id),
        "channel_id": str(channel.id),
        "author": user_payload(message.author),
        "content": message.content,
        "timestamp": stamp(message.timestamp),
        "edited_timestamp": stamp(message.edited_timestamp) if message.edited_timestamp else None,
        "tts": message.tts,
        "mention_everyone": message.mention_everyone,
        "mentions": [mention_payload(u, channel.guild, event=event and not nested) for u in message.mentions],
        "mention_roles": [str(role.id) for role in message.mention_roles],
        "attachments": [attachment_payload(a, ephemeral=message.ephemeral) for a in message.attachments],
        "embeds": message.embeds,
        "components": message.components,
        "pinned": False,
        "type": message.type,
        "flags": message.flags,
    }
    if message.nonce is not None and (sent or event):
        payload["nonce"] = message.nonce
    if message.reactions and any(message.reactions.values()):
        payload["reactions"] = reactions_payload(message, bot)
    if message.position is not None:
        payload["position"] = message.position
    if message.reference is not None:
        payload["message_reference"] = message.reference
        if message.snapshot is not None:
            payload["message_snapshots"] = [{"message": message.snapshot}]
        elif not nested:
            known = message.referenced is not None and not message.referenced.deleted
            payload["referenced_message"] = (
                message_payload(message.referenced, bot, nested=True) if known and message.referenced else None
            )
    if message.thread is not None and not nested:
        payload["thread"] = thread_payload(message.thread, bot)
    if message.interaction is not None:
        payload["webhook_id"] = payload["application_id"] = message.interaction["application_id"]
        payload["interaction_metadata"] = {k: v for k, v in message.interaction.items() if k != "application_id"}
    if event:
        payload["channel_type"] = channel.type
        if channel.guild is not None:
            payload["guild_id"] = str(channel.guild.id)
            payload["member"] = member_payload(message.author, channel.guild, with_user=False)
    return payload


def snapshot_payload(message: Message) -> JSON:
    """What a forward holds of a message, as it stood then: all but whose it is and where."""
    payload: JSON = {
        "type": message.type,
        "content": message.content,
        "mentions": [user_payload(user) for user in message.mentions],
        "mention_roles": [str(role.id) for role in message.mention_roles],
        "attachments": [attachment_payload(each) for each in message.attachments],
        "embeds": message.embeds,
        "timestamp": stamp(message.timestamp),
        "edited_timestamp": stamp(message.edited_timestamp) if message.edited_timestamp else None,
        "flags": message.flags,
        "components": message.components,
    }
    return payload


def withhold(payload: JSON, bot: User) -> JSON:
    """The message without its content, as an application lacking the message content intent sees it.

    Spared are DMs' messages (the caller does not ask for those), the bot's own and those that mention it.
    """
    if "referenced_message" in payload and payload["referenced_message"] is not None:
        payload = {**payload, "referenced_message": withhold(payload["referenced_message"], bot)}
    mentioned = any(user["id"] == str(bot.id) for user in payload["mentions"])
    if payload["author"]["id"] == str(bot.id) or mentioned:
        return payload
    kept = {**payload, **_NOTHING}
    if "message_snapshots" in payload:
        kept["message_snapshots"] = [
            {"message": {**each["message"], **_NOTHING}} for each in payload["message_snapshots"]
        ]
    return kept


_NOTHING: JSON = {"content": "", "embeds": [], "attachments": [], "components": []}


def member_permissions(user: User, channel: Channel, world: World) -> int:
    """The `permissions` of a member inside an interaction."""
    bits = world.allowed(user, channel)
    return bits | ADMINISTRATOR | MANAGE_GUILD if user.admin else bits
