"""conversations.* and users.conversations: what the app may read of channels, threads and direct messages, in pages."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from emulators.slack import events
from emulators.slack.method import Method
from emulators.slack.model import Channel, Json, Message, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

_SCOPE_PREFIX = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
_TYPE_KINDS = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
_TS = re.compile(r"\d{1,12}(\.\d{1,6})?")
MOST_HISTORY = 999
MOST_REPLIES = 1_000
MOST_DM_USERS = 8

_WINDOW = {
    "channel": "str!",
    "cursor": "str",
    "inclusive": "bool",
    "latest": "str",
    "limit": "int",
    "oldest": "str",
    "include_all_metadata": "bool",
}


def channel_json(core: Core, channel: Channel) -> Json:
    """A conversation object."""
    body: Json = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.archived,
        "is_im": channel.kind == "im",
        "is_org_shared": False,
        "context_team_id": core.team_id,
        "updated": channel.created * 1000,
    }
    if channel.kind == "im":
        person = next(member for member in channel.members if member != core.bot.id)
        return body | {"user": person, "is_user_deleted": core.users[person].deleted, "priority": 0, "is_open": True}
    return body | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "channel",
        "is_general": channel.name == "general",
        "is_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "is_member": core.bot.id in channel.members,
        "creator": core.bot.id,
        "unlinked": 0,
        "topic": {"value": channel.topic, "creator": core.bot.id, "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "previous_names": [],
        "shared_team_ids": [core.team_id],
    }


def _scope(channel: Channel, verb: str) -> str:
    return f"{_SCOPE_PREFIX[channel.kind]}:{verb}"


def info(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"])
    core.require(_scope(channel, "read"))
    body = channel_json(core, channel)
    if arguments.get("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"channel": body}


def users_conversations(core: Core, arguments: Json) -> Json:
    kinds: list[str] = []
    for name in (arguments.get("types") or "public_channel").split(","):
        if name.strip() not in _TYPE_KINDS:
            raise SlackError("invalid_types")
        kinds.append(_TYPE_KINDS[name.strip()])
    for kind in kinds:
        core.require(f"{_SCOPE_PREFIX[kind]}:read")
    user = arguments.get("user") or core.bot.id
    found = [
        channel
        for channel in core.channels.values()
        if channel.kind in kinds
        and {user, core.bot.id} <= channel.members
        and not (channel.archived and arguments.get("exclude_archived"))
    ]
    limit = arguments.get("limit", 100)
    if not 1 <= limit <= MOST_REPLIES:
        raise SlackError("invalid_limit")
    start = int(_cursor(arguments, "index") or 0)
    page = found[start : start + limit]
    more = start + limit < len(found)
    return {
        "channels": [channel_json(core, channel) for channel in page],
        "response_metadata": {"next_cursor": _encode("index", str(start + limit)) if more else ""},
    }


def _encode(kind: str, value: str) -> str:
    return base64.b64encode(f"{kind}:{value}".encode()).decode()


def _cursor(arguments: Json, kind: str) -> str | None:
    cursor = arguments.get("cursor")
    if not cursor:
        return None
    try:
        name, _, value = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise SlackError("invalid_cursor") from None
    if name != kind or not re.fullmatch(r"[\d.]+", value):
        raise SlackError("invalid_cursor")
    return value


def _bounds(arguments: Json) -> tuple[float, float, bool]:
    for name in ("oldest", "latest"):
        value = arguments.get(name)
        if value and value != "now" and not _TS.fullmatch(value):
            raise SlackError(f"invalid_ts_{name}")
    latest = arguments.get("latest")
    until = float(latest) if latest and latest != "now" else float("inf")
    return float(arguments.get("oldest") or 0), until, bool(arguments.get("inclusive"))


def _within(message: Message, oldest: float, latest: float, inclusive: bool) -> bool:
    at = float(message.ts)
    return oldest < at < latest or (inclusive and at in (oldest, latest))


def _readable(core: Core, arguments: Json) -> Channel:
    channel = core.channel(arguments["channel"])
    core.require(_scope(channel, "history"))
    if core.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def history(core: Core, arguments: Json) -> Json:
    """Newest first; replies stay in their threads, but for those that were also sent to the channel."""
    channel = _readable(core, arguments)
    oldest, latest, inclusive = _bounds(arguments)
    limit = arguments.get("limit", 100)
    if not 1 <= limit <= MOST_HISTORY:
        raise SlackError("invalid_arguments", messages=("[ERROR] invalid limit [json-pointer:/limit]",))
    cursor = _cursor(arguments, "next_ts")
    found = [
        message
        for message in reversed(core.store[channel.id].values())
        if not message.deleted
        and (message.thread_ts in (None, message.ts) or message.subtype == "thread_broadcast")
        and _within(message, oldest, latest, inclusive)
        and (cursor is None or float(message.ts) <= float(cursor))
    ]
    page, rest = found[:limit], found[limit:]
    return {
        "messages": _json(core, page, arguments),
        "has_more": bool(rest),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
        **({"response_metadata": {"next_cursor": _encode("next_ts", rest[0].ts)}} if rest else {}),
    }


def replies(core: Core, arguments: Json) -> Json:
    """Oldest first. The parent heads the first page, whatever `oldest` says.

    Sources disagree on whether later pages repeat it: they do here while `State.parent_on_every_page`.
    """
    channel = _readable(core, arguments)
    oldest, latest, inclusive = _bounds(arguments)
    limit = arguments.get("limit", MOST_REPLIES)
    if not 1 <= limit <= MOST_REPLIES:
        raise SlackError("invalid_arguments", messages=("[ERROR] invalid limit [json-pointer:/limit]",))
    asked = core.store[channel.id].get(arguments["ts"])
    if asked is None or asked.deleted:
        raise SlackError("thread_not_found")
    if asked.thread_ts not in (None, asked.ts):
        return {"messages": _json(core, [asked], arguments), "has_more": False}
    cursor = _cursor(arguments, "next_ts")
    found = [
        message
        for message in core.thread(channel.id, asked.ts)
        if message is not asked
        and _within(message, oldest, latest, inclusive)
        and (cursor is None or float(message.ts) >= float(cursor))
    ]
    head = [asked] if cursor is None or core.parent_on_every_page else []
    room = max(1, limit - len(head))
    page, rest = found[:room], found[room:]
    return {
        "messages": _json(core, [*head, *page], arguments),
        "has_more": bool(rest),
        **({"response_metadata": {"next_cursor": _encode("next_ts", rest[0].ts)}} if rest else {}),
    }


def _json(core: Core, messages: list[Message], arguments: Json) -> list[Json]:
    with_metadata = bool(arguments.get("include_all_metadata"))
    return [events.message_json(core, message, with_metadata=with_metadata) for message in messages]


def open_conversation(core: Core, arguments: Json) -> Json:
    if arguments.get("channel"):
        channel = core.channel(arguments["channel"])
        if channel.kind not in ("im", "mpim"):
            raise SlackError("method_not_supported_for_channel_type")
        core.require(f"{_SCOPE_PREFIX[channel.kind]}:write")
        return _opened(core, channel, arguments, already=True)
    names = [name.strip() for name in (arguments.get("users") or "").split(",") if name.strip()]
    if not names:
        raise SlackError("users_list_not_supplied")
    if len(names) > MOST_DM_USERS:
        raise SlackError("too_many_users")
    core.require("im:write" if len(names) == 1 else "mpim:write")
    for name in names:
        if name not in core.users or name == core.bot.id:
            raise SlackError("user_not_found")
        if core.users[name].deleted:
            raise SlackError("user_disabled")
    before = set(core.channels)
    if len(names) == 1:
        channel = core.dm(core.users[names[0]])
    else:
        members = {*names, core.bot.id}
        standing = (c for c in core.channels.values() if c.kind == "mpim" and c.members == members)
        channel = next(standing, None) or core.add_conversation(
            Channel(
                core.new_id("G"), "mpdm-" + "--".join(core.users[name].name for name in names) + "-1", "mpim", members
            )
        )
    return _opened(core, channel, arguments, already=channel.id in before)


def _opened(core: Core, channel: Channel, arguments: Json, *, already: bool) -> Json:
    body = channel_json(core, channel) if arguments.get("return_im") else {"id": channel.id}
    return {"channel": body, **({"no_op": True, "already_open": True} if already else {})}


_LIST = {
    "cursor": "str",
    "exclude_archived": "bool",
    "exclude_muted": "bool",
    "limit": "int",
    "types": "str",
    "user": "str",
}
_OPEN = {"channel": "str?", "prevent_creation": "bool", "return_im": "bool", "users": "str"}

METHODS = [
    Method(
        "conversations.info",
        {"channel": "str!", "include_locale": "bool", "include_num_members": "bool"},
        info,
        "t3",
        json_input=False,
    ),
    Method("conversations.history", _WINDOW, history, "t3"),
    Method("conversations.replies", _WINDOW | {"ts": "ts!"}, replies, "t3", json_input=False),
    Method("conversations.open", _OPEN, open_conversation, "t3"),
    Method("users.conversations", _LIST, users_conversations, "t3", json_input=False),
]
