"""Discord's gateway and REST payloads → the common message model. Pure: no SDK, no I/O, and no JSON makes it raise.

What a payload does not say (is the channel a thread, who runs the guild, what a role is called) comes in as
`Surroundings`; finding that out lives in `places.py`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

from adapters.discord import markdown
from adapters.discord.permissions import RUNS_CHANNEL, RUNS_GUILD, Overwrite, bits, runs_channel, runs_guild
from adapters.endings import without_mentions_at_end
from bot.messages import (
    Address,
    Attachment,
    Author,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    Quoted,
    ReactionAdded,
    ReactionRemoved,
)

PLATFORM = "discord"

DISCORD_EPOCH_MS = 1_420_070_400_000
"""Snowflakes count milliseconds from 2015-01-01."""

SPEECH = frozenset({0, 19, 20, 23})
"""Message types that are speech: default, reply, and the two kinds of answers to commands. The rest is notices."""

THREAD_TYPES = (10, 11, 12)
"""Channel types of threads: announcement, public, private."""

THREAD_STARTER = 21
"""The first message of a thread that grew from a message: a pointer to that message."""

REPLIED_CHARACTERS = 300
"""Of a message that is replied to in the same conversation, so much says which one is meant."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a message beside its own payload; everything unknown is empty.

    `bot_name` is what people see there: on a server the bot may have a name of its own.
    `parent` is the parent's id where the message's channel is a thread. `own_roles` are the bot's managed roles.
    `roles` and `channels` map ids to names, `granted` the roles' ids to their permission bits. `overwrites` are those
    of the channel, or of the thread's parent; None where they are not known. `nicks`: by user id, what the guild calls
    those of whom the payload may not say it.
    """

    bot_id: str
    bot_name: str
    parent: str | None = None
    owner_id: str = ""
    own_roles: frozenset[str] = frozenset()
    roles: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    granted: Mapping[str, int] = field(default_factory=dict)
    overwrites: Mapping[str, Overwrite] | None = None
    nicks: Mapping[str, str] = field(default_factory=dict)


def parse_message(payload: object, around: Surroundings) -> IncomingMessage | None:
    """A message object (of MESSAGE_CREATE, MESSAGE_UPDATE or REST); None where it is no speech or not readable."""
    if not is_object(payload) or not _is_speech(payload):
        return None
    message_id, sent_at = identifier(payload.get("id")), _sent_at(payload)
    author = parse_author(payload.get("author"), payload.get("member"), payload, around)
    where = parse_address(payload, around.parent)
    if not message_id or sent_at is None or author is None or where is None:
        return None
    content = string(payload.get("content"))
    mentioned = set(markdown.mentioned_ids(content))
    mentions_bot = around.bot_id in mentioned or _own_role_mentioned(payload, content, around)
    quoted = _quoted(payload, around, explicit=around.bot_id in mentioned)
    others = (mentioned | {identifier(user.get("id")) for user in objects(payload.get("mentions"))}) - {around.bot_id}
    to_others = bool(others) or payload.get("mention_everyone") is True or bool(strings(payload.get("mention_roles")))
    return IncomingMessage(
        address=where,
        id=message_id,
        author=author,
        text=_text(payload, content, author, around),
        mentions_bot=mentions_bot,
        sent_at=sent_at,
        attachments=attachments(payload),
        quoted=quoted,
        edited=isinstance(payload.get("edited_timestamp"), str),
        edited_at=_moment(payload.get("edited_timestamp")),
        direct=not where.workspace,
        mentions_others=to_others and not mentions_bot,
        carried=_carried(payload, where, quoted, around),
        own_name=around.bot_name,
    )


def parse_history_entry(payload: object, around: Surroundings) -> IncomingMessage | None:
    """A message object of a channel's history: like `parse_message`, and a thread's starter is the message it is."""
    if is_object(payload) and payload.get("type") == THREAD_STARTER and is_object(payload.get("referenced_message")):
        here = {name: payload.get(name) for name in ("channel_id", "guild_id")}
        starter = {**payload["referenced_message"], **here}
        return parse_message(starter, around)
    return parse_message(payload, around)


def parse_edit(payload: object, around: Surroundings) -> MessageEdited | None:
    """MESSAGE_UPDATE; None unless somebody gave the message a new wording (Discord also tells of link previews)."""
    if not is_object(payload) or not isinstance(payload.get("edited_timestamp"), str) or "content" not in payload:
        return None
    message = parse_message(payload, around)
    return None if message is None else MessageEdited(message)


def parse_deletions(payload: object, parent: str | None) -> tuple[MessageDeleted, ...]:
    """MESSAGE_DELETE and MESSAGE_DELETE_BULK."""
    if not is_object(payload) or (where := parse_address(payload, parent)) is None:
        return ()
    ids = payload["ids"] if isinstance(payload.get("ids"), list) else [payload.get("id")]
    return tuple(MessageDeleted(where, message_id) for message_id in map(identifier, ids) if message_id)


def parse_reaction(payload: object, around: Surroundings, *, added: bool) -> ReactionAdded | ReactionRemoved | None:
    """MESSAGE_REACTION_ADD or, with less in it, MESSAGE_REACTION_REMOVE; None where it can't be about an answer.

    A server's own emoji say nothing to us, whatever they are called.
    """
    if not is_object(payload) or not is_object(emoji := payload.get("emoji")):
        return None
    user_id, message_id = identifier(payload.get("user_id")), identifier(payload.get("message_id"))
    if emoji.get("id") is not None or not (name := string(emoji.get("name"))) or not message_id:
        return None
    if user_id == around.bot_id or payload.get("message_author_id") not in (None, around.bot_id):
        return None
    member = payload.get("member")
    user = member.get("user") if is_object(member) else None
    author = parse_author(user if is_object(user) else {"id": user_id}, member, payload, around)
    where = parse_address(payload, around.parent)
    if author is None or where is None:
        return None
    return (ReactionAdded if added else ReactionRemoved)(where, author, message_id, name)


def parse_address(payload: Mapping[str, Any], parent: str | None) -> Address | None:
    """Where a payload with `channel_id` and perhaps `guild_id` belongs; None where either cannot be read.

    Only a payload without a guild is of a direct message: one that names a guild in some odd way is not.
    """
    channel, workspace = identifier(payload.get("channel_id")), identifier(payload.get("guild_id"))
    if not channel or (payload.get("guild_id") is not None and not workspace):
        return None
    if workspace and parent:
        return Address(PLATFORM, workspace, parent, channel)
    return Address(PLATFORM, workspace, channel)


def parse_author(
    user: object, member: object, payload: Mapping[str, Any], around: Surroundings | None = None
) -> Author | None:
    """A user object with its guild member object; a webhook counts as a bot. None without an id.

    Whether they run the channel or the guild is read from the member's computed permissions (interactions carry them;
    no channel's overwrite gives Manage Server or Administrator), else from the surroundings; what is not known is no.
    In a direct message nobody does.
    """
    if not is_object(user) or not (user_id := identifier(user.get("id"))):
        return None
    guild_id = identifier(payload.get("guild_id"))
    said_of, member = member, member if is_object(member) else {}
    roles = frozenset(strings(member["roles"])) if guild_id and isinstance(member.get("roles"), list) else None
    is_admin = runs_workspace = False
    if guild_id:
        computed = bits(member.get("permissions"))
        is_admin, runs_workspace = bool(computed & RUNS_CHANNEL), bool(computed & RUNS_GUILD)
        if around is not None and not runs_workspace:
            held = roles or ()
            runs_workspace = user_id == around.owner_id or runs_guild(guild_id, held, around.granted)
            is_admin = (
                is_admin or runs_workspace or runs_channel(user_id, guild_id, held, around.granted, around.overwrites)
            )
    return Author(
        id=user_id,
        name=_name(user, said_of, around),
        is_bot=user.get("bot") is True or user.get("system") is True or bool(identifier(payload.get("webhook_id"))),
        is_admin=is_admin,
        runs_workspace=runs_workspace,
        roles=roles,
    )


def display_name(user: Mapping[str, Any], member: object = None) -> str:
    """What people see: the nickname in the guild, else the global name, else the user name; never an id."""
    nick = string(member.get("nick")) if is_object(member) else ""
    return nick or string(user.get("global_name")) or string(user.get("username"))


def _name(user: Mapping[str, Any], member: object, around: Surroundings | None) -> str:
    """The same, where what REST gives says nothing of members: by what an event said of them last."""
    known = around.nicks.get(identifier(user.get("id"))) if around is not None and not is_object(member) else None
    return known or display_name(user, member)


def members_in(payload: object) -> Iterator[tuple[str, object]]:
    """The people of a message object and of what it replies to: their ids, each with the member object if any."""
    for message in (payload, payload.get("referenced_message") if is_object(payload) else None):
        if not is_object(message):
            continue
        if is_object(author := message.get("author")) and not message.get("webhook_id"):
            yield identifier(author.get("id")), message.get("member")
        for user in objects(message.get("mentions")):
            yield identifier(user.get("id")), user.get("member")


def reply_target(payload: object) -> str | None:
    """The id of the message that this one replies to in the same channel, if it is a reply."""
    if not is_object(payload) or not is_object(reference := payload.get("message_reference")):
        return None
    if not _is_speech(payload) or reference.get("type") not in (0, None):
        return None
    elsewhere = identifier(reference.get("channel_id")) not in {"", identifier(payload.get("channel_id"))}
    return None if elsewhere else identifier(reference.get("message_id")) or None


def mentioned_channels(payload: object) -> set[str]:
    """Ids of the channels that a message and the one it replies to name."""
    if not is_object(payload):
        return set()
    found = set(re.findall(r"<#(\d{1,20})>", string(payload.get("content"))))
    for message in (payload.get("referenced_message"), *_forwarded(payload)):
        found |= mentioned_channels(message)
    return found


def _text(payload: Mapping[str, Any], content: str, author: Author, around: Surroundings) -> str:
    """What the message says; an application may say it in embeds."""
    text = _to_markdown(_without_own_mention(content, around), payload, around)
    embedded = _embedded(payload, around) if author.is_bot else ""
    return "\n".join(part for part in (text, embedded) if part)


def _embedded(payload: Mapping[str, Any], around: Surroundings) -> str:
    """The words of the embeds that an application made; those of other kinds are what Discord shows of a link."""
    lines: list[str] = []
    for embed in objects(payload.get("embeds")):
        if embed.get("type", "rich") == "rich":
            fields = [(string(each.get("name")), string(each.get("value"))) for each in objects(embed.get("fields"))]
            said = [string(embed.get("title")), string(embed.get("description")), *map(": ".join, fields)]
            lines += [line for line in said if line.strip(": ")]
    return _to_markdown("\n".join(lines), payload, around)


def _carried(payload: Mapping[str, Any], where: Address, quoted: Quoted | None, around: Surroundings) -> str:
    """What the message forwards, whose author Discord keeps to itself; and in a thread or a direct message, where all
    is one conversation, which part of it it replies to."""
    parts = [
        _quote("Forwarded message", said)
        for message in _forwarded(payload)
        if (said := "\n".join(filter(None, (_snapshot_text(message, around), _embedded(message, around)))))
    ]
    if quoted is not None and quoted.text and (where.thread is not None or not where.workspace):
        name = quoted.author.name if quoted.author is not None else ""
        said = quoted.text if len(quoted.text) <= REPLIED_CHARACTERS else f"{quoted.text[:REPLIED_CHARACTERS]}…"
        parts.insert(0, _quote(f"In reply to {name or 'someone'}", said))
    return "\n\n".join(parts)


def _quote(head: str, said: str) -> str:
    return "\n".join([f"{head}:", *(f"> {line}".rstrip() for line in said.splitlines())])


def _snapshot_text(message: Mapping[str, Any], around: Surroundings) -> str:
    return _to_markdown(string(message.get("content")), message, around)


def _forwarded(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The copies of messages that a message forwards."""
    return [
        message
        for snapshot in objects(payload.get("message_snapshots"))
        if is_object(message := snapshot.get("message"))
    ]


def _to_markdown(content: str, payload: Mapping[str, Any], around: Surroundings) -> str:
    users = {
        identifier(user.get("id")): _name(user, user.get("member"), around) for user in objects(payload.get("mentions"))
    }
    users[around.bot_id] = around.bot_name
    return markdown.to_markdown(content, users=users, roles=around.roles, channels=around.channels)


def _without_own_mention(content: str, around: Surroundings) -> str:
    """At either end the mention is an address and goes; within a sentence it is a name and stays."""
    own = "|".join([f"<@!?{around.bot_id}>", *(f"<@&{role}>" for role in sorted(around.own_roles))])
    content = re.sub(rf"^(?:\s*(?:{own})\s*[,:;]?)+\s*", "", content)
    content, was_there = without_mentions_at_end(content, re.compile(own))
    return content.removesuffix(",").rstrip() if was_there else content


def _own_role_mentioned(payload: Mapping[str, Any], content: str, around: Surroundings) -> bool:
    named = set(strings(payload.get("mention_roles"))) | set(re.findall(r"<@&(\d{1,20})>", content))
    return not around.own_roles.isdisjoint(named)


def _quoted(payload: Mapping[str, Any], around: Surroundings, *, explicit: bool) -> Quoted | None:
    if (message_id := reply_target(payload)) is None:
        return None
    original = payload.get("referenced_message")
    if not is_object(original):
        # A reply with its ping on lists the author replied to among the mentions, though the text does not name them.
        pinged = {identifier(user.get("id")) for user in objects(payload.get("mentions"))}
        return Quoted(message_id, by_us=around.bot_id in pinged and not explicit)
    author = parse_author(original.get("author"), original.get("member"), original, around)
    text = _to_markdown(string(original.get("content")), original, around)
    return Quoted(message_id, author, text or None, by_us=author is not None and author.id == around.bot_id)


def attachments(payload: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """What is attached to a message object, and to what is forwarded in it."""
    sources = [payload, *_forwarded(payload)]
    return tuple(
        Attachment(
            name=(name := string(file.get("filename"))),
            media_type=_media_type(string(file.get("content_type")), name),
            size=size if isinstance(size := file.get("size"), int) and 0 <= size < 1 << 53 else 0,
            url=string(file.get("url")),
        )
        for source in sources
        for file in objects(source.get("attachments"))
    )


def _media_type(declared: str, name: str) -> str:
    return declared.partition(";")[0].strip() or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _sent_at(payload: Mapping[str, Any]) -> datetime | None:
    """The payload's own timestamp, else the one inside the message's snowflake."""
    if (moment := _moment(payload.get("timestamp"))) is not None:
        return moment
    try:
        return datetime.fromtimestamp(((int(payload["id"]) >> 22) + DISCORD_EPOCH_MS) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _moment(value: object) -> datetime | None:
    """A timestamp as Discord writes it; None where it is none."""
    try:
        moment = datetime.fromisoformat(string(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_speech(payload: Mapping[str, Any]) -> bool:
    kind = payload.get("type", 0)
    return isinstance(kind, int) and kind in SPEECH


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON array; nothing where it is no array."""
    return (entry for entry in value if is_object(entry)) if isinstance(value, list) else iter(())


def strings(value: object) -> list[str]:
    """The ids of a JSON array, as strings."""
    return [entry for entry in map(identifier, value) if entry] if isinstance(value, list) else []


def string(value: object) -> str:
    """A JSON string, else the empty one."""
    return value if isinstance(value, str) else ""


def identifier(value: object) -> str:
    """A snowflake: Discord writes it as a string of digits; a number is taken too. Empty where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 1 << 64 else ""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        return ""
    return value if len(value) <= 20 else ""
