"""Sending an answer: headers, the pace of a stream, and the ways it can break off on purpose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from emulators.openai import errors, tokens, wire
from emulators.openai.calls import Call
from emulators.openai.exchange import Exchange
from emulators.openai.reply import Reply, Speed
from emulators.openai.tokens import Usage
from emulators.openai.wire import Completion, Event

CUT_GRACE = 0.05  # seconds before a cut: clients throw away what they had not read when the connection broke
TICK = 0.005  # seconds: events due closer together than this leave in one write


@dataclass(frozen=True, slots=True)
class Sending:
    """An answer about to leave: `limits` are its `x-ratelimit-*` headers."""

    exchange: Exchange
    call: Call
    completion: Completion
    reply: Reply
    speed: Speed
    limits: Mapping[str, str]

    @property
    def first_token(self) -> float:
        """Seconds before the first byte."""
        own = self.reply.first_token_delay
        return self.speed.first_token if own is None else own

    def response(self, content_type: str) -> web.StreamResponse:
        """The head of the answer, not sent yet."""
        return web.StreamResponse(headers=self.exchange.headers({"Content-Type": content_type, **self.limits}))


def _break_off(reply: Reply, length: int) -> tuple[int, str] | None:
    """Where the reply breaks off, in characters, and how: the first of its breaks."""
    marks = ((reply.cut_after, reply.cut), (reply.stall_after, "stall"), (reply.error_after, "error"))
    breaks = [(min(mark, length), how) for mark, how in marks if mark is not None]
    return min(breaks, default=None)


def _due(events: list[Event], reply: Reply, speed: Speed, text: str) -> list[float]:
    """When each event leaves, in seconds after the first."""
    if reply.chunk_delay is not None:
        return [i * reply.chunk_delay for i in range(len(events))]
    duration, length = speed.duration(text), max(1, len(text))
    return [duration * event.chars / length for event in events]


async def send_stream(sending: Sending, changed: Callable[[], None]) -> web.StreamResponse:
    """Stream an answer to its end or to where it breaks off, keeping its call up to date as it goes."""
    call, completion, reply = sending.call, sending.completion, sending.reply
    options = call.body.get("stream_options") or {}
    events, ending = wire.events(completion, reply, options)
    broken = _break_off(reply, len(completion.said))
    if broken:
        events = [event for event in events if event.chars <= broken[0]]
    await asyncio.sleep(sending.first_token)
    response = sending.response("text/event-stream; charset=utf-8")
    await response.prepare(sending.exchange.request)
    call.status, call.first_byte = 200, time.monotonic()
    try:
        async for chars in _paced(response, events, _due(events, reply, sending.speed, completion.said)):
            call.text = completion.said[:chars]
            changed()
        if broken is None:
            call.finish_reason, call.usage = completion.finish_reason, completion.usage
            call.usage_reported = bool(options.get("include_usage"))
            await response.write(b"".join(ending))
        elif broken[1] == "abort":
            await asyncio.sleep(CUT_GRACE)
            return sending.exchange.abort()
        elif broken[1] == "stall":
            await asyncio.Event().wait()
        elif broken[1] == "error":
            body = dict(reply.error or errors.stream_error())
            await response.write(b"data: " + orjson.dumps(body) + b"\n\n")
        await response.write_eof()
        return response
    finally:
        call.usage = call.usage or _partly_used(completion, call.text, call.model)


async def _paced(response: web.StreamResponse, events: list[Event], due: list[float]) -> AsyncIterator[int]:
    """Write the events when they are due; yields after each write how many characters have been said."""
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    while sent < len(events):
        ready = sent
        while ready < len(events) and due[ready] <= loop.time() - start + TICK:
            ready += 1
        if ready > sent:
            await response.write(b"".join(event.data for event in events[sent:ready]))
            sent = ready
            yield events[sent - 1].chars
        if sent < len(events):
            await asyncio.sleep(due[sent] - (loop.time() - start))


def _partly_used(completion: Completion, text: str, model: str) -> Usage:
    """What an answer costs that broke off: the whole prompt, the reasoning, and what was said until then."""
    full = completion.usage
    completed = min(full.completion, full.reasoning + tokens.count(text, model))
    return Usage(full.prompt, completed, full.cached, full.reasoning)


async def send_whole(sending: Sending) -> web.StreamResponse:
    """Answer with one JSON object, after the time that writing it takes; breaks as `Reply` tells."""
    call, completion, reply = sending.call, sending.completion, sending.reply
    await asyncio.sleep(sending.first_token + sending.speed.duration(completion.said))
    broken = _break_off(reply, len(completion.said))
    if broken and broken[1] == "stall":
        await asyncio.Event().wait()
    if broken and broken[1] == "error":
        fault = errors.server_error()
        call.status = fault.status
        body = dict(reply.error or fault.body)
        return fault_response(body, fault.status, sending.exchange.headers(sending.limits))
    data = wire.whole(completion)
    response = sending.response("application/json")
    response.content_length = len(data)
    await response.prepare(sending.exchange.request)
    call.status, call.first_byte, call.usage = 200, time.monotonic(), completion.usage
    if broken:
        await response.write(data[: len(data) // 2])
        return sending.exchange.abort()
    call.text, call.finish_reason, call.usage_reported = completion.said, completion.finish_reason, True
    await response.write(data)
    await response.write_eof()
    return response


def fault_response(body: Any, status: int, headers: Mapping[str, str]) -> web.Response:
    """An ordered answer: a text goes as it is, anything else as JSON, None as an empty body."""
    kinds = {name.lower(): value for name, value in headers.items()}
    if body is None or isinstance(body, str):
        kinds.setdefault("content-type", "text/plain; charset=utf-8")
        return web.Response(body=(body or "").encode(), status=status, headers=kinds)
    kinds.setdefault("content-type", "application/json")
    return web.Response(body=orjson.dumps(body, option=orjson.OPT_INDENT_2), status=status, headers=kinds)
