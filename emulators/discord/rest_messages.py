"""REST: messages, reactions and typing of a channel."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from aiohttp import web

from emulators.discord import events, posting
from emulators.discord.errors import (
    CANNOT_DM,
    MISSING_PERMISSIONS,
    NOT_IN_A_DM,
    NOT_YOURS,
    OLD_EDITS,
    THREAD_ARCHIVED,
    UNKNOWN_EMOJI,
    UNKNOWN_USER,
    DiscordError,
    FormErrors,
    fail,
)
from emulators.discord.payloads import JSON, message_payload, user_payload, withhold
from emulators.discord.rest import Call, Handler, answer, nothing
from emulators.discord.state import Channel, Message, Permission, Typing, User, send_permission
from emulators.discord.validation import CREATE_FIELDS, EDIT_FIELDS, check_message


def seen(call: Call, message: Message) -> JSON:
    """The message as REST shows it: withheld like an event when the application lacks the intent."""
    payload = message_payload(message, call.server.bot)
    if call.server.message_content or message.channel.is_dm:
        return payload
    return withhold(payload, call.server.bot)


async def history(call: Call) -> web.Response:
    """GET /channels/{channel_id}/messages: newest first, at most 100, around, before or after an id."""
    channel = call.channel()
    query = call.request.query
    errors = FormErrors()
    anchors: dict[str, int] = {}
    for name in ("around", "before", "after"):
        if name in query:
            if query[name].isdecimal():
                anchors[name] = int(query[name])
            else:
                errors.add(name, "NUMBER_TYPE_COERCE", f'Value "{query[name]}" is not snowflake.')
    raw = query.get("limit", "50")
    limit = int(raw) if raw.isdecimal() else 0
    if not 1 <= limit <= 100:
        bound = "less than or equal to 100" if limit > 100 else "greater than or equal to 1"
        errors.add("limit", "NUMBER_TYPE_MAX" if limit > 100 else "NUMBER_TYPE_MIN", f"int value should be {bound}.")
    errors.check()
    if not call.server.world.allowed(call.server.bot, channel) & Permission.READ_MESSAGE_HISTORY:
        return answer([])
    shown = [m for m in channel.messages if not m.deleted and not m.ephemeral]
    return answer([seen(call, m) for m in reversed(page(shown, anchors, limit))])


def page(messages: list[Message], anchors: dict[str, int], limit: int) -> list[Message]:
    """The slice of `messages` (oldest first) that Discord answers with."""
    if "around" in anchors:
        anchor = anchors["around"]
        half = limit // 2
        older = [m for m in messages if m.id < anchor][-half:] if half else []
        return (older + [m for m in messages if m.id >= anchor])[:limit]
    if "before" in anchors:
        return [m for m in messages if m.id < anchors["before"]][-limit:]
    if "after" in anchors:
        return [m for m in messages if m.id > anchors["after"]][:limit]
    return messages[-limit:]


async def create(call: Call) -> web.Response:
    """POST /channels/{channel_id}/messages."""
    channel = call.server.world.channels.get(call.snowflake("channel_id"))
    channel = call.channel(send_permission(channel)) if channel is not None else call.channel()
    body = dict(call.object())
    call.unknown_fields(CREATE_FIELDS, body)
    check_message(body, call.files, editing=False)
    if channel.recipient is not None and not channel.recipient.accepts_dms:
        raise fail(CANNOT_DM)
    if call.files and not call.server.world.allowed(call.server.bot, channel) & Permission.ATTACH_FILES:
        raise fail(MISSING_PERMISSIONS)
    message = posting.compose(call.server, channel, call.server.bot, body, call.files)
    return answer(message_payload(message, call.server.bot, sent=True))


async def read(call: Call) -> web.Response:
    """GET /channels/{channel_id}/messages/{message_id}."""
    channel = call.channel(Permission.READ_MESSAGE_HISTORY)
    return answer(seen(call, call.message(channel)))


async def edit(call: Call) -> web.Response:
    """PATCH /channels/{channel_id}/messages/{message_id}: one's own only; old messages seldom."""
    channel = call.channel()
    message = call.message(channel)
    check_open(channel)
    body = dict(call.object())
    call.unknown_fields(EDIT_FIELDS | {"tts"}, body)
    check_message(body, call.files, editing=True)
    if message.author is not call.server.bot:
        raise fail(NOT_YOURS)
    spare_old(call, message)
    posting.amend(call.server, message, body, call.files)
    return answer(message_payload(message, call.server.bot))


def check_open(channel: Channel) -> None:
    """Refuse with 50083 what changes a message in an archived thread; posting is what opens one by itself."""
    if channel.archived:
        raise fail(THREAD_ARCHIVED)


def spare_old(call: Call, message: Message) -> None:
    """Refuse with 30046 when a channel's old messages are edited too often."""
    timing = call.server.timing
    if not call.server.limits_on or time.time() - message.timestamp.timestamp() < timing.old_message:
        return
    now = time.monotonic()
    recent = call.server.old_edits.setdefault(message.channel.id, deque())
    while recent and now - recent[0] > timing.old_edits_window:
        recent.popleft()
    if len(recent) >= timing.old_edits:
        wait = timing.old_edits_window - (now - recent[0])
        status, code, text = OLD_EDITS
        headers = {"Retry-After": str(int(wait) + 1), "X-RateLimit-Scope": "user"}
        raise DiscordError(status, code, text, headers=headers, extra={"retry_after": wait, "global": False})
    recent.append(now)


async def delete(call: Call) -> web.Response:
    """DELETE /channels/{channel_id}/messages/{message_id}."""
    channel = call.channel()
    message = call.message(channel)
    check_open(channel)
    manages = call.server.world.allowed(call.server.bot, channel) & Permission.MANAGE_MESSAGES
    if message.author is not call.server.bot and channel.is_dm:
        raise fail(NOT_IN_A_DM)
    if message.author is not call.server.bot and not manages:
        raise fail(MISSING_PERMISSIONS)
    posting.remove(call.server, message)
    return nothing()


async def typing(call: Call) -> web.Response:
    """POST /channels/{channel_id}/typing."""
    known = call.server.world.channels.get(call.snowflake("channel_id"))
    channel = call.channel(send_permission(known)) if known is not None else call.channel()
    call.server.world.typing.append(Typing(channel, call.server.bot, time.monotonic()))
    events.typing_started(call.server, channel, call.server.bot)
    return nothing()


def emoji_of(call: Call) -> str:
    """The emoji of the path: Unicode, or `name:id`; anything else is unknown."""
    emoji = call.request.match_info["emoji"]
    name, _, number = emoji.partition(":")
    if emoji.isascii() and not (name and number.isdecimal()):
        raise fail(UNKNOWN_EMOJI)
    return emoji


async def react(call: Call) -> web.Response:
    """PUT …/reactions/{emoji}/@me."""
    channel = call.channel(Permission.READ_MESSAGE_HISTORY)
    message, emoji = call.message(channel), emoji_of(call)
    new = not message.reactions.get(emoji)
    if new and not call.server.world.allowed(call.server.bot, channel) & Permission.ADD_REACTIONS:
        raise fail(MISSING_PERMISSIONS)
    events.set_reaction(call.server, message, call.server.bot, emoji, present=True)
    return nothing()


async def unreact(call: Call) -> web.Response:
    """DELETE …/reactions/{emoji}/@me or /{user_id}."""
    channel = call.channel()
    message, emoji = call.message(channel), emoji_of(call)
    user: User | None = call.server.bot
    if call.request.match_info.get("user_id") is not None:
        user = call.server.world.users.get(call.snowflake("user_id"))
        if not call.server.world.allowed(call.server.bot, channel) & Permission.MANAGE_MESSAGES:
            raise fail(MISSING_PERMISSIONS)
    if user is None:
        raise fail(UNKNOWN_USER)
    events.set_reaction(call.server, message, user, emoji, present=False)
    return nothing()


async def reactors(call: Call) -> web.Response:
    """GET …/reactions/{emoji}."""
    channel = call.channel(Permission.READ_MESSAGE_HISTORY)
    users: list[Any] = call.message(channel).reactions.get(emoji_of(call), [])
    return answer([user_payload(user) for user in users])


MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
TABLE: list[tuple[str, str, Handler]] = [
    ("GET", MESSAGES, history),
    ("POST", MESSAGES, create),
    ("GET", MESSAGE, read),
    ("PATCH", MESSAGE, edit),
    ("DELETE", MESSAGE, delete),
    ("POST", "/channels/{channel_id}/typing", typing),
    ("PUT", MESSAGE + "/reactions/{emoji}/@me", react),
    ("DELETE", MESSAGE + "/reactions/{emoji}/@me", unreact),
    ("DELETE", MESSAGE + "/reactions/{emoji}/{user_id}", unreact),
    ("GET", MESSAGE + "/reactions/{emoji}", reactors),
]
