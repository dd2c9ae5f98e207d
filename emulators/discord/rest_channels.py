"""REST: channels, direct messages, threads and their members."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from emulators.discord import events, posting
from emulators.discord.errors import (
    CANNOT_DM,
    MISSING_PERMISSIONS,
    THREAD_ARCHIVED,
    THREAD_EXISTS,
    UNKNOWN_MEMBER,
    UNKNOWN_USER,
    WRONG_CHANNEL_TYPE,
    FormErrors,
    fail,
)
from emulators.discord.payloads import (
    channel_payload,
    stamp,
    thread_member_payload,
    thread_payload,
)
from emulators.discord.rest import Call, Handler, answer, nothing
from emulators.discord.state import Channel, Permission, User, send_permission

DURATIONS = (60, 1440, 4320, 10080)


async def read(call: Call) -> web.Response:
    """GET /channels/{channel_id}."""
    return answer(channel_payload(call.channel(), call.server.bot))


async def open_dm(call: Call) -> web.Response:
    """POST /users/@me/channels."""
    raw = call.object().get("recipient_id")
    errors = FormErrors()
    if not str(raw).isdecimal():
        errors.required("recipient_id")
    errors.check()
    user = call.server.world.users.get(int(str(raw)))
    if user is None:
        raise fail(UNKNOWN_USER)
    if user.bot:
        raise fail(CANNOT_DM)
    return answer(channel_payload(call.server.open_dm(user), call.server.bot))


def check_thread(body: dict[str, Any]) -> None:
    """A thread's name has 1 to 100 characters, its archive delay is one of four."""
    errors = FormErrors()
    name = body.get("name")
    if not isinstance(name, str):
        errors.required("name")
    elif not 1 <= len(name.strip()) <= 100 or len(name) > 100:
        errors.bad_length("name", 1, 100)
    duration = body.get("auto_archive_duration")
    if duration is not None and duration not in DURATIONS:
        errors.choice("auto_archive_duration", duration, DURATIONS)
    if body.get("type") is not None and body["type"] not in {11, 12}:
        errors.choice("type", body["type"], (11, 12))
    errors.check()


async def thread_from_message(call: Call) -> web.Response:
    """POST /channels/{channel_id}/messages/{message_id}/threads: the thread takes the message's id."""
    channel = call.channel(Permission.CREATE_PUBLIC_THREADS)
    message = call.message(channel)
    body = call.object()
    call.unknown_fields({"name", "auto_archive_duration", "rate_limit_per_user"}, body)
    check_thread(body)
    if channel.is_thread or channel.is_dm or message.type not in posting.REPLYABLE:
        raise fail(WRONG_CHANNEL_TYPE)
    if message.thread is not None:
        raise fail(THREAD_EXISTS)
    return start(call, channel, body, message=message, kind=11)


async def thread_without_message(call: Call) -> web.Response:
    """POST /channels/{channel_id}/threads: private (12) unless `type` says 11."""
    channel = call.channel()
    body = call.object()
    call.unknown_fields({"name", "auto_archive_duration", "rate_limit_per_user", "type", "invitable"}, body)
    check_thread(body)
    if channel.is_thread or channel.is_dm:
        raise fail(WRONG_CHANNEL_TYPE)
    kind = body.get("type") or 12
    needed = Permission.CREATE_PUBLIC_THREADS if kind == 11 else Permission.CREATE_PRIVATE_THREADS
    call.channel(needed)
    return start(call, channel, body, message=None, kind=kind)


def start(call: Call, channel: Channel, body: dict[str, Any], *, message: Any, kind: int) -> web.Response:
    """Open the thread for the bot and answer 201."""
    thread = posting.open_thread(
        call.server,
        channel,
        call.server.bot,
        body["name"],
        starter=message,
        kind=kind,
        auto_archive_duration=body.get("auto_archive_duration") or 4320,
    )
    return answer(thread_payload(thread, call.server.bot), 201)


def thread_of(call: Call, *needed: Permission) -> Channel:
    """The channel of the path, which must be a thread."""
    thread = call.channel(*needed)
    if not thread.is_thread:
        raise fail(WRONG_CHANNEL_TYPE)
    return thread


async def change(call: Call) -> web.Response:
    """PATCH /channels/{channel_id}: name, archived, locked and archive delay of a thread.

    Whoever may write in a thread may open it again, unless it is locked.
    """
    thread = thread_of(call)
    body = call.object()
    allowed = call.server.world.allowed(call.server.bot, thread)
    opens = body.keys() == {"archived"} and body.get("archived") is False
    is_free = thread.owner is call.server.bot or (opens and allowed & send_permission(thread))
    if not allowed & Permission.MANAGE_THREADS and (thread.locked or not is_free):
        raise fail(MISSING_PERMISSIONS)
    known = {"name", "archived", "locked", "auto_archive_duration"}
    call.unknown_fields(known | {"rate_limit_per_user", "invitable", "flags", "applied_tags"}, body)
    if thread.archived and body.get("archived") is not False:
        raise fail(THREAD_ARCHIVED)
    check_thread({"name": thread.name, **{key: body[key] for key in body.keys() & known}})
    for key in body.keys() & known:
        setattr(thread, key, body[key])
    events.thread_changed(call.server, "THREAD_UPDATE", thread)
    return answer(thread_payload(thread, call.server.bot))


async def delete(call: Call) -> web.Response:
    """DELETE /channels/{channel_id}: a thread, by those who manage threads."""
    thread = thread_of(call, Permission.MANAGE_THREADS)
    payload = thread_payload(thread, call.server.bot)
    events.delete_thread(call.server, thread)
    return answer(payload)


def member_of(call: Call) -> User:
    """The user of the path, `@me` being the bot."""
    if "user_id" not in call.request.match_info:
        return call.server.bot
    user = call.server.world.users.get(call.snowflake("user_id"))
    if user is None:
        raise fail(UNKNOWN_USER)
    return user


async def members(call: Call) -> web.Response:
    """GET /channels/{channel_id}/thread-members."""
    thread = thread_of(call)
    return answer([thread_member_payload(thread, user_id) for user_id in thread.members])


async def member(call: Call) -> web.Response:
    """GET /channels/{channel_id}/thread-members/{user_id}."""
    thread, user = thread_of(call), member_of(call)
    if user.id not in thread.members:
        raise fail(UNKNOWN_MEMBER)
    return answer(thread_member_payload(thread, user.id))


async def join(call: Call) -> web.Response:
    """PUT /channels/{channel_id}/thread-members/@me or /{user_id}."""
    thread, user = thread_of(call), member_of(call)
    if thread.archived:
        raise fail(THREAD_ARCHIVED)
    if user.id not in thread.members:
        thread.members[user.id] = datetime.now(UTC)
        events.members_changed(call.server, thread, added=[user], removed=[])
    return nothing()


async def leave(call: Call) -> web.Response:
    """DELETE /channels/{channel_id}/thread-members/@me or /{user_id}."""
    user = member_of(call)
    thread = thread_of(call) if user is call.server.bot else thread_of(call, Permission.MANAGE_THREADS)
    if thread.archived:
        raise fail(THREAD_ARCHIVED)
    if thread.members.pop(user.id, None) is not None:
        events.members_changed(call.server, thread, added=[], removed=[user])
    return nothing()


async def archived(call: Call) -> web.Response:
    """GET /channels/{channel_id}/threads/archived/public, newest first; paged by `before` and `limit`."""
    channel = call.channel(Permission.READ_MESSAGE_HISTORY)
    limit = min(int(call.request.query.get("limit", "50")), 100)
    before = call.request.query.get("before")
    found = [
        c
        for c in call.server.world.channels.values()
        if c.parent is channel and c.type == 11 and c.archived and (before is None or stamp(c.created_at) < before)
    ]
    found.sort(key=lambda c: c.created_at, reverse=True)
    bot = call.server.bot
    return answer(
        {
            "threads": [thread_payload(c, bot) for c in found[:limit]],
            "members": [thread_member_payload(c, bot.id) for c in found[:limit] if bot.id in c.members],
            "has_more": len(found) > limit,
        }
    )


CHANNEL = "/channels/{channel_id}"
TABLE: list[tuple[str, str, Handler]] = [
    ("GET", CHANNEL, read),
    ("PATCH", CHANNEL, change),
    ("DELETE", CHANNEL, delete),
    ("POST", "/users/@me/channels", open_dm),
    ("POST", CHANNEL + "/messages/{message_id}/threads", thread_from_message),
    ("POST", CHANNEL + "/threads", thread_without_message),
    ("GET", CHANNEL + "/threads/archived/public", archived),
    ("GET", CHANNEL + "/thread-members", members),
    ("PUT", CHANNEL + "/thread-members/@me", join),
    ("DELETE", CHANNEL + "/thread-members/@me", leave),
    ("GET", CHANNEL + "/thread-members/{user_id}", member),
    ("PUT", CHANNEL + "/thread-members/{user_id}", join),
    ("DELETE", CHANNEL + "/thread-members/{user_id}", leave),
]
