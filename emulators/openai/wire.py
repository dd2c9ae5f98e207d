"""Completions as OpenAI writes them: one JSON object, or the events of a stream.

Pure functions from a reply to bytes; when the bytes leave, and what cuts them short, is in `streaming.py`.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from emulators.openai import tokens
from emulators.openai.models import Model
from emulators.openai.reply import FinishReason, Reply, ToolCall
from emulators.openai.tokens import Usage

REASONING = {"none": 0, "minimal": 0, "low": 64, "medium": 192, "high": 512, "xhigh": 1_024, "max": 2_048}
PADDING = secrets.token_urlsafe(64)
PAD_TO = 16
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with everything decided: what is said, why it ends, what it costs; `created` in Unix seconds."""

    id: str
    created: int
    model: str
    text: str
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage

    @property
    def said(self) -> str:
        """Every character the model wrote, in the order of the stream; positions in a reply count in it."""
        return (self.refusal or "") + self.text + "".join(call.arguments for call in self.tool_calls)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, and how many characters of `Completion.said` have been sent with it."""

    data: bytes
    chars: int


def complete(reply: Reply, body: Mapping[str, Any], model: Model, prompt: int, cached: int) -> Completion:
    """Decide a reply: cut at the stop sequences and at the token limits, count it, and name its end."""
    text, finish = reply.text, reply.finish_reason
    stops = body.get("stop") or ()
    for stop in (stops,) if isinstance(stops, str) else stops:
        text = text.split(stop, 1)[0]
    room = model.window - prompt
    for limit in (body.get("max_completion_tokens"), body.get("max_tokens"), model.max_output):
        room = min(room, limit) if limit else room
    effort = body.get("reasoning_effort") or (model.efforts[0] if model.reasons else "none")
    reasoning = REASONING[effort] if reply.reasoning_tokens is None else reply.reasoning_tokens
    reasoning = min(reasoning, room)
    if reply.refusal is None:
        text, used = tokens.cut(text, model.id, room - reasoning)
        cut_short = len(text) < len(reply.text) and used == room - reasoning
        refusal = None
    else:
        refusal, used = tokens.cut(reply.refusal, model.id, room - reasoning)
        cut_short = len(refusal) < len(reply.refusal)
    calls = tuple(replace(call, id=call.id or f"call_{secrets.token_urlsafe(18)[:24]}") for call in reply.tool_calls)
    for call in calls:
        used += tokens.count(call.name, model.id) + tokens.count(call.arguments, model.id)
    if finish is None:
        finish = "length" if cut_short else "tool_calls" if calls else "stop"
    return Completion(
        id=f"chatcmpl-{secrets.token_hex(15)[:29]}",
        created=int(time.time()),
        model=model.snapshot,
        text=text,
        refusal=refusal,
        tool_calls=calls,
        finish_reason=finish,
        usage=reply.usage or Usage(prompt, used + reasoning, cached, reasoning),
    )


def fingerprint(model: str) -> str:
    """The `system_fingerprint` of a model: the same as long as its name is."""
    return f"fp_{hashlib.blake2b(model.encode(), digest_size=5).hexdigest()}"


def whole(completion: Completion) -> bytes:
    """The completion as one `chat.completion` object."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": completion.text if completion.text or not completion.tool_calls else None,
        "refusal": completion.refusal,
        "annotations": [],
    }
    if completion.refusal is not None:
        message["content"] = None
    if completion.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in completion.tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish_reason}
    return orjson.dumps(
        {
            "id": completion.id,
            "object": "chat.completion",
            "created": completion.created,
            "model": completion.model,
            "choices": [choice],
            "usage": completion.usage.described(),
            "service_tier": "default",
            "system_fingerprint": fingerprint(completion.model),
        },
        option=orjson.OPT_INDENT_2,
    )


def _parts(text: str, reply: Reply, model: str, start: int) -> list[str]:
    """A text in the pieces of the stream, one of them ending exactly where the reply is to break off."""
    marks = {mark - start for mark in (reply.cut_after, reply.stall_after, reply.error_after) if mark is not None}
    if reply.chunk_chars:
        found = [text[i : i + reply.chunk_chars] for i in range(0, len(text), reply.chunk_chars)]
    elif reply.by_words:
        found = re.findall(r"\s*\S+|\s+$", text)
    else:
        found = tokens.pieces(text, model)
    if not marks:
        return found
    parts, at = [], 0
    for piece in found:
        edges = sorted({0, len(piece)} | {mark - at for mark in marks if 0 < mark - at < len(piece)})
        parts += [piece[low:high] for low, high in itertools.pairwise(edges)]
        at += len(piece)
    return parts


def _deltas(completion: Completion, reply: Reply) -> Iterator[tuple[dict[str, Any], str]]:
    """Each `delta` of the stream with the text that it carries."""
    empty = None if completion.tool_calls and not completion.text else ""
    yield {"role": "assistant", "content": empty, "refusal": None}, ""
    at = 0
    for field, text in (("refusal", completion.refusal or ""), ("content", completion.text)):
        for part in _parts(text, reply, completion.model, at):
            yield {field: part}, part
        at += len(text)
    for index, call in enumerate(completion.tool_calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}, ""
        for part in _parts(call.arguments, reply, completion.model, at):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}, part
        at += len(call.arguments)


def events(completion: Completion, reply: Reply, options: Mapping[str, Any]) -> tuple[list[Event], list[bytes]]:
    """The events of a stream: those that carry what is said, and those that end it (finish, usage, `[DONE]`).

    `options` is the request's `stream_options`: `include_usage` adds the usage event and `usage: null` to all others;
    `include_obfuscation`, true by default, pads every event.
    """
    head = {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
        "service_tier": "default",
        "system_fingerprint": fingerprint(completion.model),
    }
    include_usage = bool(options.get("include_usage"))
    pad = options.get("include_obfuscation") is not False
    opening = b"data: " + orjson.dumps(head).removesuffix(b"}") + b","

    def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None, length: int = 0) -> bytes:
        chunk: dict[str, Any] = {"choices": choices}
        if include_usage:
            chunk["usage"] = usage
        if pad:
            chunk["obfuscation"] = PADDING[: PAD_TO - length % PAD_TO]
        # What is the same in all of them is written once.
        return opening + orjson.dumps(chunk).removeprefix(b"{") + b"\n\n"

    def choice(delta: dict[str, Any], finish: FinishReason | None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    said, chars = [], 0
    for delta, text in _deltas(completion, reply):
        chars += len(text)
        said.append(Event(event(choice(delta, None), length=len(text)), chars))
    ending = [event(choice({}, completion.finish_reason))]
    if include_usage:
        ending.append(event([], completion.usage.described()))
    return said, [*ending, DONE]
