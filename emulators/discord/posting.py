"""Making, editing and deleting messages: what their bodies do to the world, and the events that follow.

Users' messages and the bot's take the same way. Bodies are checked by `validation.py` before they come here.
"""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emulators.discord import events, mentions
from emulators.discord.errors import (
    EMPTY_MESSAGE,
    NO_HISTORY_FOR_REPLY,
    THREAD_ARCHIVED,
    TOO_LARGE,
    UNKNOWN_MESSAGE,
    fail,
    form_error,
)
from emulators.discord.payloads import message_payload, snapshot_payload
from emulators.discord.sessions import DM_MESSAGES, GUILD_MESSAGES
from emulators.discord.state import Attachment, Channel, Message, Permission, Upload, User, Version
from emulators.discord.validation import COMPONENTS_V2, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, UPLOAD_BYTES, walk

if TYPE_CHECKING:
    from emulators.discord.core import Core

LINK = re.compile(r"(?<![<\w])https?://[^\s<>]+")
REPLYABLE = {0, 19, 20, 23}
HAS_SNAPSHOT = 1 << 14


def compose(
    server: Core,
    channel: Channel,
    author: User,
    body: dict[str, Any],
    files: dict[int, Upload],
    *,
    flags: int = 0,
    kind: int = 0,
    interaction: dict[str, Any] | None = None,
) -> Message:
    """Make a message from a checked body and publish it; raises the answers Discord gives to impossible ones."""
    existing = same_nonce(server, author, body)
    if existing is not None:
        return existing
    allowed_flags = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
    message = Message(
        id=server.world.snowflake(),
        channel=channel,
        author=author,
        content=body.get("content") or "",
        type=kind,
        embeds=rich(body.get("embeds")),
        components=number_components(list(body.get("components") or [])),
        flags=int(body.get("flags") or 0) & allowed_flags | flags,
        tts=bool(body.get("tts")),
        nonce=body.get("nonce"),
        interaction=interaction,
    )
    refer(server, message, body.get("message_reference"))
    if channel.archived and channel.locked and not server.world.allowed(author, channel) & Permission.MANAGE_THREADS:
        raise fail(THREAD_ARCHIVED)
    message.attachments = attach(server, channel, body.get("attachments"), files)
    if is_empty(message) and not message.loading:
        raise fail(EMPTY_MESSAGE)
    remember_nonce(server, message, body)
    publish(server, message, allowed=body.get("allowed_mentions"))
    return message


def forward(server: Core, channel: Channel, author: User, original: Message) -> Message:
    """Publish a message that forwards another: without words of its own, without its author."""
    message = Message(server.world.snowflake(), channel, author, "", flags=HAS_SNAPSHOT)
    message.reference = {"type": 1, "channel_id": str(original.channel.id), "message_id": str(original.id)}
    if original.channel.guild is not None:
        message.reference["guild_id"] = str(original.channel.guild.id)
    message.snapshot = snapshot_payload(original)
    publish(server, message, allowed=None)
    return message


def publish(server: Core, message: Message, *, allowed: dict[str, Any] | None) -> None:
    """Put a finished message into its channel, notify whom it pings, tell the sessions."""
    channel = message.channel
    if not message.loading:
        server.world.pings.extend(mentions.apply(message, allowed, server.world, reply_pings=True))
    message.unfurled = previews(message)
    message.versions.append(version(message))
    if channel.is_thread:
        message.position = len(channel.messages)
        if message.author.id not in channel.members:
            channel.members[message.author.id] = message.timestamp
            events.members_changed(server, channel, added=[message.author], removed=[])
        if channel.archived:
            channel.archived = False
            events.thread_changed(server, "THREAD_UPDATE", channel)
    channel.messages.append(message)
    if not message.ephemeral:
        dispatch_message(server, "MESSAGE_CREATE", message)
    server.changed()


def dispatch_message(server: Core, name: str, message: Message) -> None:
    """Dispatch MESSAGE_CREATE or MESSAGE_UPDATE for a message."""
    server.sessions_store.dispatch(
        name,
        message.channel,
        message_payload(message, server.bot, event=True),
        guild_intent=GUILD_MESSAGES,
        dm_intent=DM_MESSAGES,
        message=True,
    )


def version(message: Message) -> Version:
    """What the message says now."""
    return Version(time.monotonic(), message.content, message.embeds, message.components)


def is_empty(message: Message) -> bool:
    """Whether there is nothing to show."""
    return not (message.content.strip() or message.embeds or message.attachments or message.components)


def rich(embeds: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Embeds as Discord keeps them: bots make rich ones only, and every field says whether it is inline."""
    kept = [{**embed, "type": "rich"} for embed in embeds or []]
    for embed in kept:
        if embed.get("fields"):
            embed["fields"] = [{"inline": False, **field} for field in embed["fields"]]
    return kept


def number_components(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every component the `id` Discord gives it."""
    for number, component in enumerate(walk(components), 1):
        component.setdefault("id", number)
    return components


def previews(message: Message) -> list[str]:
    """The links that draw a preview: outside code, not in angle brackets, not suppressed."""
    if message.flags & SUPPRESS_EMBEDS:
        return []
    return LINK.findall(mentions.CODE.sub(" ", message.content))


def same_nonce(server: Core, author: User, body: dict[str, Any]) -> Message | None:
    """The message an enforced nonce already stands for. One deleted meanwhile is answered with 10008."""
    nonce = body.get("nonce")
    if nonce is None or not body.get("enforce_nonce"):
        return None
    known = server.nonces.get((author.id, str(nonce)))
    if known is None or time.monotonic() - known.at > server.timing.nonce_window:
        return None
    if known.deleted:
        raise fail(UNKNOWN_MESSAGE)
    return known


def remember_nonce(server: Core, message: Message, body: dict[str, Any]) -> None:
    """Keep a nonce's message for the window in which the nonce may come again."""
    nonce = body.get("nonce")
    if nonce is not None:
        server.nonces[message.author.id, str(nonce)] = message


def refer(server: Core, message: Message, reference: Any) -> None:
    """Make the message a reply (type 19) to what `message_reference` names."""
    if reference is None:
        return
    if not isinstance(reference, dict) or not str(reference.get("message_id")).isdecimal():
        raise form_error("message_reference.message_id", "BASE_TYPE_REQUIRED", "This field is required")
    if reference.get("type", 0) != 0:
        raise form_error("message_reference.type", "BASE_TYPE_CHOICES", "Value must be one of {0}.")
    channel = message.channel
    elsewhere = str(reference.get("channel_id", channel.id)) != str(channel.id)
    target = None if elsewhere else server.world.message(channel, int(str(reference["message_id"])))
    if target is None:
        if reference.get("fail_if_not_exists", True):
            raise form_error("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return
    if target.type not in REPLYABLE:
        raise form_error(
            "message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message"
        )
    if not server.world.allowed(message.author, channel) & Permission.READ_MESSAGE_HISTORY:
        raise fail(NO_HISTORY_FOR_REPLY)
    message.type, message.referenced = 19, target
    message.reference = {"type": 0, "channel_id": str(channel.id), "message_id": str(target.id)}
    if channel.guild is not None:
        message.reference["guild_id"] = str(channel.guild.id)


def attach(server: Core, channel: Channel, described: Any, files: dict[int, Upload]) -> list[Attachment]:
    """Store uploaded files and give them their CDN addresses; over 10 MiB is refused."""
    descriptions = {int(str(entry["id"])): entry for entry in described or [] if str(entry.get("id")).isdecimal()}
    kept: list[Attachment] = []
    for number, upload in sorted(files.items()):
        if len(upload.data) > UPLOAD_BYTES:
            raise fail(TOO_LARGE)
        entry = descriptions.get(number, {})
        filename = re.sub(r"[^A-Za-z0-9_.-]", "_", str(entry.get("filename") or upload.filename))
        guessed = upload.content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        attachment_id = server.world.snowflake()
        attachment = Attachment(
            id=attachment_id,
            channel_id=channel.id,
            filename=filename,
            data=upload.data,
            content_type=guessed,
            path=f"{server.cdn_url}/attachments/{channel.id}/{attachment_id}/{filename}",
            lifetime=server.timing.attachment_expiry,
            description=entry.get("description"),
        )
        server.world.attachments[attachment_id] = attachment
        kept.append(attachment)
    return kept


def amend(
    server: Core, message: Message, body: dict[str, Any], files: dict[int, Upload], *, filling: bool = False
) -> None:
    """Carry out a checked edit and dispatch MESSAGE_UPDATE.

    `filling` marks the edit that turns "thinking…" into an answer: it notifies like a new message and leaves no
    edited timestamp.
    """
    if "content" in body:
        message.content = body["content"] or ""
    if "embeds" in body:
        message.embeds = rich(body["embeds"])
    if "components" in body:
        message.components = number_components(list(body["components"] or []))
    if body.get("flags") is not None:
        message.flags = message.flags & ~SUPPRESS_EMBEDS | int(body["flags"]) & (SUPPRESS_EMBEDS | COMPONENTS_V2)
    if body.get("attachments") is not None:
        keep = {str(entry["id"]) for entry in body["attachments"]}
        message.attachments = [a for a in message.attachments if str(a.id) in keep]
    message.attachments += attach(server, message.channel, body.get("attachments"), files)
    if is_empty(message):
        raise fail(EMPTY_MESSAGE)
    message.flags &= ~128
    replied = message.referenced is not None and message.referenced.author in message.mentions
    pings = mentions.apply(message, body.get("allowed_mentions"), server.world, reply_pings=filling or replied)
    if filling:
        server.world.pings.extend(pings)
    elif {"content", "embeds", "components", "attachments"} & body.keys() or files:
        message.edited_timestamp = datetime.now(UTC)
    message.unfurled = previews(message)
    message.versions.append(version(message))
    if not message.ephemeral:
        dispatch_message(server, "MESSAGE_UPDATE", message)
    server.changed()


def remove(server: Core, message: Message) -> None:
    """Delete a message and its files, and dispatch MESSAGE_DELETE."""
    _vanish(server, message)
    if not message.ephemeral:
        data: dict[str, Any] = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild is not None:
            data["guild_id"] = str(message.channel.guild.id)
        server.sessions_store.dispatch(
            "MESSAGE_DELETE", message.channel, data, guild_intent=GUILD_MESSAGES, dm_intent=DM_MESSAGES
        )
    server.changed()


def remove_many(server: Core, messages: Sequence[Message]) -> None:
    """Delete messages of one channel at once, and dispatch MESSAGE_DELETE_BULK."""
    channel = messages[0].channel
    assert all(message.channel is channel for message in messages), "messages of one channel are deleted at once"
    for message in messages:
        _vanish(server, message)
    data: dict[str, Any] = {"ids": [str(message.id) for message in messages], "channel_id": str(channel.id)}
    if channel.guild is not None:
        data["guild_id"] = str(channel.guild.id)
    # https://discord.com/developers/docs/events/gateway#list-of-intents: of guilds alone
    server.sessions_store.dispatch("MESSAGE_DELETE_BULK", channel, data, guild_intent=GUILD_MESSAGES)
    server.changed()


def _vanish(server: Core, message: Message) -> None:
    message.deleted = True
    for attachment in message.attachments:
        server.world.attachments.pop(attachment.id, None)


def open_thread(
    server: Core,
    parent: Channel,
    owner: User,
    name: str,
    *,
    starter: Message | None = None,
    kind: int = 11,
    auto_archive_duration: int = 4320,
) -> Channel:
    """Start a thread and dispatch THREAD_CREATE; one on a message has the message's id."""
    thread = Channel(
        id=starter.id if starter else server.world.snowflake(),
        type=kind,
        name=name,
        guild=parent.guild,
        parent=parent,
        owner=owner,
        auto_archive_duration=auto_archive_duration,
        starter=starter,
    )
    thread.members[owner.id] = datetime.now(UTC)
    server.world.channels[thread.id] = thread
    events.thread_changed(server, "THREAD_CREATE", thread, newly_created=True)
    if starter is not None:
        starter.thread = thread
        starter.flags |= 1 << 5
        dispatch_message(server, "MESSAGE_UPDATE", starter)
        opening = Message(server.world.snowflake(), thread, starter.author, "", type=21, referenced=starter)
        opening.reference = {"type": 0, "channel_id": str(parent.id), "message_id": str(starter.id)}
        opening.reference["guild_id"] = str(parent.guild.id) if parent.guild else ""
        thread.messages.append(opening)
        dispatch_message(server, "MESSAGE_CREATE", opening)
    elif kind == 11:
        notice = Message(server.world.snowflake(), parent, owner, name, type=18, flags=1 << 5)
        notice.reference = {"type": 0, "channel_id": str(thread.id)}
        notice.reference["guild_id"] = str(parent.guild.id) if parent.guild else ""
        parent.messages.append(notice)
        dispatch_message(server, "MESSAGE_CREATE", notice)
    server.changed()
    return thread
