"""Discord's gateway and REST payloads → the common message model. Pure: no SDK, no I/O, and no JSON makes it raise.

What a payload does not say comes in as `people.Surroundings`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from typing import Any

from adapters.discord import markdown
from adapters.discord.people import Surroundings, name_there, parse_author
from adapters.discord.values import identifier, is_object, moment_of, moment_sent, objects, string, strings
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

SPEECH = frozenset({0, 19, 20, 23})
"""Message types that are speech: default, reply, and the two kinds of answers to commands. The rest is notices."""

THREAD_TYPES = (10, 11, 12)
"""Channel types of threads: announcement, public, private."""

THREAD_STARTER = 21
"""The first message of a thread that grew from a message: a pointer to that message."""

REPLIED_CHARACTERS = 300
"""Of a message that is replied to in the same conversation, so much says which one is meant."""


def parse_message(payload: object, around: Surroundings) -> IncomingMessage | None:
    """A message object (of MESSAGE_CREATE, MESSAGE_UPDATE or REST); None where it is no speech or not readable."""
    if not is_object(payload) or not _is_speech(payload):
        return None
    message_id, sent_at = identifier(payload.get("id")), moment_sent(payload)
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
        edited_at=moment_of(payload.get("edited_timestamp")),
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
        identifier(user.get("id")): name_there(user, user.get("member"), around)
        for user in objects(payload.get("mentions"))
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


def _is_speech(payload: Mapping[str, Any]) -> bool:
    kind = payload.get("type", 0)
    return isinstance(kind, int) and kind in SPEECH
