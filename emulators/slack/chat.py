"""chat.postMessage, chat.update, chat.delete, chat.postEphemeral, and the checks of content and metadata they share."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from emulators.slack import blocks as blockkit
from emulators.slack import events
from emulators.slack.method import Method
from emulators.slack.model import Channel, Json, Message, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

MOST_TEXT = 4_000
"""chat.update answers msg_too_long past it (published); users saw the same of chat.postMessage."""
MOST_MARKDOWN = 12_000
MOST_METADATA = 16_000
MOST_ATTACHMENTS = 100
_TS = re.compile(r"\d{9,}\.\d{6}")

_CONTENT = {"text": "str?", "blocks": "json?", "attachments": "json?", "markdown_text": "str", "metadata": "json?"}
_STYLE = {"username": "str?", "icon_emoji": "str?", "icon_url": "str?", "as_user": "bool"}
_POST = {
    "channel": "str!",
    **_CONTENT,
    **_STYLE,
    "thread_ts": "ts?",
    "reply_broadcast": "bool",
    "unfurl_links": "bool",
    "unfurl_media": "bool",
    "mrkdwn": "bool",
    "link_names": "bool",
    "parse": "str?",
}
_UPDATE = {
    "channel": "str!",
    "ts": "ts!",
    **_CONTENT,
    "as_user": "bool?",
    "link_names": "bool?",
    "parse": "str?",
    "reply_broadcast": "bool",
    "file_ids": "json",
}
_EPHEMERAL = {
    "channel": "str!",
    "user": "str!",
    **_CONTENT,
    **_STYLE,
    "thread_ts": "ts?",
    "link_names": "bool",
    "parse": "str?",
}


def structured(value: Any, error: str) -> list[Json]:
    """A list of objects given as such or as JSON; raises `error` for anything else."""
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise SlackError(error)
    return [dict(item) for item in value]


def content(arguments: Json, *, must: bool = True) -> Json:
    """The fields text, blocks, attachments of a message, judged; raises the errors the chat methods share."""
    text, markdown = arguments.get("text") or "", arguments.get("markdown_text") or ""
    blocks = structured(arguments.get("blocks"), "invalid_blocks_format")
    attachments = structured(arguments.get("attachments"), "invalid_attachments")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if must and not (text.strip() or markdown.strip() or blocks or attachments):
        raise SlackError("no_text")
    if len(text) > MOST_TEXT or len(markdown) > MOST_MARKDOWN:
        raise SlackError("msg_too_long")
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    check_blocks(blocks)
    for attachment in attachments:
        check_blocks(structured(attachment.get("blocks"), "invalid_blocks_format"))
    if markdown:
        text, blocks = markdown, [{"type": "markdown", "text": markdown}]
    return {"text": text, "blocks": blocks, "attachments": attachments}


def check_blocks(blocks: list[Json]) -> None:
    """Raises invalid_blocks with what is wrong, or msg_blocks_too_long for more than 12,000 characters of markdown."""
    if found := blockkit.problems(blocks):
        raise SlackError("invalid_blocks", messages=tuple(found), extra={"errors": found})
    if blockkit.markdown_length(blocks) > blockkit.MARKDOWN_TOTAL:
        raise SlackError("msg_blocks_too_long")


def metadata(arguments: Json) -> Json | None:
    """The message's metadata, None where none was given; raises the three errors of metadata."""
    value = arguments.get("metadata")
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        raise SlackError("invalid_metadata_format")
    if not value:
        return {}
    if not isinstance(value.get("event_type"), str) or not isinstance(value.get("event_payload"), dict):
        raise SlackError("invalid_metadata_schema")
    if set(value) - {"event_type", "event_payload", "entities"}:
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(value)) > MOST_METADATA:
        raise SlackError("metadata_too_large")
    return value


def parent(core: Core, channel: Channel, thread_ts: str | None) -> str | None:
    """The thread a post goes to; raises thread_not_found, or cannot_reply_to_message for a reply's own ts."""
    if not thread_ts:
        return None
    if not _TS.fullmatch(thread_ts):
        raise SlackError("invalid_thread_ts")
    found = core.store[channel.id].get(thread_ts)
    if found is None or found.deleted:
        raise SlackError("thread_not_found")
    if found.thread_ts not in (None, found.ts):
        core.complain(f"thread_ts {thread_ts} is a reply's ts, not its parent's")
        raise SlackError("cannot_reply_to_message")
    return thread_ts


def _style(core: Core, arguments: Json) -> None:
    if arguments.get("as_user"):
        raise SlackError("as_user_not_supported")
    if any(arguments.get(name) for name in ("username", "icon_emoji", "icon_url")):
        core.require("chat:write.customize")


def names_linked(arguments: Json) -> bool:
    """Whether plain `@channel` and the like notify: `link_names`, or `parse` full."""
    return bool(arguments.get("link_names")) or arguments.get("parse") == "full"


def post_message(core: Core, arguments: Json) -> Json:
    channel = core.writable(arguments["channel"])
    _style(core, arguments)
    fields = content(arguments)
    thread_ts = parent(core, channel, arguments.get("thread_ts"))
    message = Message(
        channel=channel.id,
        ts=core.new_ts(),
        user=core.bot.id,
        bot_id=core.bot.bot_id,
        thread_ts=thread_ts,
        subtype="thread_broadcast" if thread_ts and arguments.get("reply_broadcast") else None,
        metadata=metadata(arguments) or None,
        username=arguments.get("username"),
        unfurl_links=arguments.get("unfurl_links"),
        unfurl_media=arguments.get("unfurl_media"),
        **fields,
    )
    core.post(message, "chat.postMessage", link_names=names_linked(arguments))
    return {"channel": channel.id, "ts": message.ts, "message": events.message_json(core, message)}


def update(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"])
    message = core.message(channel, arguments["ts"])
    if channel.archived:
        raise SlackError("is_inactive")
    if message.user != core.bot.id:
        raise SlackError("cant_update_message")
    if core.streaming(message):
        raise SlackError("streaming_state_conflict")
    if arguments.get("as_user"):
        raise SlackError("as_user_not_supported")
    fields = content(arguments, must=arguments.get("attachments") is None or not (message.text or message.blocks))
    new_metadata = metadata(arguments)
    before = events.message_json(core, message)
    if fields["text"] or fields["blocks"]:
        # Blocks stay only when the text is not given anew; attachments and metadata stay until given anew.
        message.text, message.blocks = fields["text"], fields["blocks"]
    if arguments.get("attachments") is not None:
        message.attachments = fields["attachments"]
    if new_metadata is not None:
        message.metadata = new_metadata or None
    edited_by = None if message.blocks else core.bot.id  # "(edited)" is not shown on blocks
    core.change(message, "chat.update", edited_by=edited_by, before=before, link_names=names_linked(arguments))
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": events.message_json(core, message),
    }


def delete(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"])
    message = core.message(channel, arguments["ts"])
    if message.user != core.bot.id:
        raise SlackError("cant_delete_message")
    core.remove(message, "chat.delete")
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"], by_name=True)
    if channel.archived:
        raise SlackError("is_archived")
    if core.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    _style(core, arguments)
    if arguments["user"] not in channel.members:
        raise SlackError("user_not_in_channel")
    thread_ts = parent(core, channel, arguments.get("thread_ts"))
    message = Message(
        channel=channel.id,
        ts=core.new_ts(),
        user=core.bot.id,
        bot_id=core.bot.bot_id,
        thread_ts=thread_ts,
        ephemeral_to=arguments["user"],
        metadata=metadata(arguments) or None,
        **content(arguments),
    )
    core.post(message, "chat.postEphemeral", link_names=names_linked(arguments))
    return {"message_ts": message.ts}


METHODS = [
    Method("chat.postMessage", _POST, post_message, "t5", "chat:write"),
    Method("chat.update", _UPDATE, update, "t3", "chat:write"),
    Method("chat.delete", {"channel": "str!", "ts": "ts!", "as_user": "bool"}, delete, "t3", "chat:write"),
    Method("chat.postEphemeral", _EPHEMERAL, post_ephemeral, "t4", "chat:write"),
]
