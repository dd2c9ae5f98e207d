"""chat.startStream, chat.appendStream, chat.stopStream and assistant.threads.setStatus: text while it is being written.

A stream lives `Timing.stream_life` seconds from its start whether or not it is appended to, and holds
12,000 characters in all.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from emulators.slack import chat, events
from emulators.slack.method import Method
from emulators.slack.model import Channel, Json, Message, SlackError, Stream

if TYPE_CHECKING:
    from emulators.slack.core import Core

MOST_LOADING_MESSAGES = 10
_TASK_STATES = ("pending", "in_progress", "complete", "error")
_CHUNK_KEYS = {
    "markdown_text": ({"text"}, {"text"}),
    "plan_update": ({"title"}, {"title"}),
    "task_update": ({"id", "title", "status"}, {"id", "title", "status", "details", "output", "sources"}),
    "blocks": ({"blocks"}, {"blocks"}),
}

_START = {
    "channel": "str!",
    "thread_ts": "ts",
    "markdown_text": "str",
    "chunks": "list",
    "recipient_user_id": "str",
    "recipient_team_id": "str",
    "task_display_mode": "str",
    "username": "str",
    "icon_emoji": "str",
    "icon_url": "str",
}
_APPEND = {"channel": "str!", "ts": "ts!", "markdown_text": "str", "chunks": "list"}
_STOP = {**_APPEND, "blocks": "json", "metadata": "json?"}
_STATUS = {
    "channel_id": "str!",
    "thread_ts": "ts!",
    "status": "str",
    "loading_messages": "list",
    "username": "str",
    "icon_emoji": "str",
    "icon_url": "str",
}


def _added(arguments: Json) -> tuple[str, list[Json]]:
    """The text a call adds and its other chunks; raises invalid_chunks."""
    text = arguments.get("markdown_text") or ""
    others: list[Json] = []
    for chunk in arguments.get("chunks") or []:
        if not isinstance(chunk, dict) or chunk.get("type") not in _CHUNK_KEYS:
            raise SlackError("invalid_chunks")
        needed, known = _CHUNK_KEYS[chunk["type"]]
        if not needed <= set(chunk) or set(chunk) - known - {"type"}:
            raise SlackError("invalid_chunks")
        if chunk["type"] == "markdown_text":
            if not isinstance(chunk["text"], str) or not chunk["text"]:
                raise SlackError("invalid_chunks")
            text += chunk["text"]
            continue
        if chunk["type"] == "task_update" and chunk["status"] not in _TASK_STATES:
            raise SlackError("invalid_chunks")
        if chunk["type"] == "blocks":
            chat.check_blocks(chat.structured(chunk["blocks"], "invalid_chunks"))
        others.append(chunk)
    return text, others


def _grow(message: Message, stream: Stream, text: str, chunks: list[Json]) -> None:
    if len(stream.text) + len(text) > chat.MOST_MARKDOWN:
        raise SlackError("msg_too_long")
    stream.text += text
    stream.chunks += chunks
    message.text = stream.text
    message.blocks = [{"type": "markdown", "text": stream.text}] if stream.text else []


def _streaming(core: Core, channel: Channel, ts: str) -> tuple[Message, Stream]:
    message = core.message(channel, ts)
    if message.user != core.bot.id:
        raise SlackError("message_not_owned_by_app")
    stream = message.stream
    if stream is None:
        raise SlackError("message_not_in_streaming_state")
    if stream.state == "stopped":
        raise SlackError("stopped_by_user")
    if not core.streaming(message):
        raise SlackError("message_not_in_streaming_state")
    return message, stream


def start(core: Core, arguments: Json) -> Json:
    channel = core.writable(arguments["channel"])
    if any(arguments.get(name) for name in ("username", "icon_emoji", "icon_url")):
        core.require("chat:write.customize")
    if channel.kind not in ("im", "mpim"):
        if not arguments.get("recipient_user_id"):
            raise SlackError("missing_recipient_user_id")
        if not arguments.get("recipient_team_id"):
            raise SlackError("missing_recipient_team_id")
    recipient = arguments.get("recipient_user_id")
    if recipient and recipient not in core.users:
        raise SlackError("user_not_found")
    if (team := arguments.get("recipient_team_id")) and team != core.team_id:
        raise SlackError("team_not_found")
    if arguments.get("task_display_mode", "timeline") not in ("timeline", "plan", "dense"):
        raise SlackError("invalid_arguments", messages=("[ERROR] invalid value for task_display_mode",))
    thread_ts = chat.parent(core, channel, arguments.get("thread_ts"))
    text, chunks = _added(arguments)
    stream = Stream(time.monotonic())
    message = Message(channel.id, core.new_ts(), core.bot.id, "", core.bot.bot_id, thread_ts, stream=stream)
    _grow(message, stream, text, chunks)
    core.post(message, "chat.startStream")
    return {"channel": channel.id, "ts": message.ts}


def append(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"])
    text, chunks = _added(arguments)
    if not text and not chunks:
        raise SlackError("no_text")
    message, stream = _streaming(core, channel, arguments["ts"])
    _grow(message, stream, text, chunks)
    stream.appends += 1
    core.note(message, "chat.appendStream")
    return {"channel": channel.id, "ts": message.ts}


def stop(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel"])
    text, chunks = _added(arguments)
    blocks = chat.structured(arguments.get("blocks"), "invalid_blocks_format")
    chat.check_blocks(blocks)
    metadata = chat.metadata(arguments)
    message, stream = _streaming(core, channel, arguments["ts"])
    before = events.message_json(core, message)
    _grow(message, stream, text, chunks)
    stream.state = "done"
    message.blocks += blocks
    message.metadata = metadata or message.metadata
    core.change(message, "chat.stopStream", edited_by=None, before=before)
    return {"channel": channel.id, "ts": message.ts, "message": events.message_json(core, message)}


def set_status(core: Core, arguments: Json) -> Json:
    channel = core.channel(arguments["channel_id"])
    found = core.store[channel.id].get(arguments["thread_ts"])
    if found is None or found.deleted:
        raise SlackError("invalid_thread_ts")
    if "status" not in arguments:
        raise SlackError("invalid_arguments", messages=("[ERROR] missing required field: status",))
    loading = arguments.get("loading_messages") or []
    if len(loading) > MOST_LOADING_MESSAGES or not all(isinstance(line, str) for line in loading):
        raise SlackError(
            "invalid_arguments", messages=("[ERROR] no more than 10 items allowed [json-pointer:/loading_messages]",)
        )
    if any(arguments.get(name) for name in ("username", "icon_emoji", "icon_url")):
        core.require("chat:write.customize")
    core.set_status(channel.id, arguments["thread_ts"], arguments["status"])
    return {}


METHODS = [
    Method("chat.startStream", _START, start, "t2", "chat:write"),
    Method("chat.appendStream", _APPEND, append, "t4", "chat:write"),
    Method("chat.stopStream", _STOP, stop, "t2", "chat:write"),
    Method("assistant.threads.setStatus", _STATUS, set_status, "t5", "chat:write"),
]
