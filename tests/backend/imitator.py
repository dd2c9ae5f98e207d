"""A server that speaks OpenAI's protocol in its own way: each request gets the next of the answers it was given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Event = Mapping[str, Any] | str | float


@dataclass(slots=True)
class Plain:
    """A whole response."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    """Events as an event stream: mappings as JSON data, texts as they are, numbers as seconds of silence.

    `done`: `[DONE]` comes last; `reset`: then the connection is aborted, and not ended.
    """

    events: tuple[Event, ...]
    content_type: str | None = "text/event-stream"
    done: bool = True
    reset: bool = False


@dataclass(slots=True)
class Imitator:
    """What it was asked, and what it will answer."""

    answers: list[Plain | Stream]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        answer = self.answers.pop(0)
        if isinstance(answer, Plain):
            if isinstance(answer.body, bytes):
                return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
            if isinstance(answer.body, str):
                return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
            return web.json_response(answer.body, status=answer.status, headers=answer.headers)
        response = web.StreamResponse()
        if answer.content_type:
            response.content_type = answer.content_type
        await response.prepare(request)
        for event in (*answer.events, *(["data: [DONE]"] if answer.done else [])):
            if isinstance(event, float):
                await asyncio.sleep(event)
                continue
            line = event if isinstance(event, str) else "data: " + json.dumps(event)
            await response.write(line.encode() + b"\n\n")
        if answer.reset:
            assert request.transport is not None
            await asyncio.sleep(0.05)  # what was written is read by then
            request.transport.abort()
        else:
            await response.write_eof()
        return response


@asynccontextmanager
async def imitating(*answers: Plain | Stream, at: str = "/v1") -> AsyncIterator[Imitator]:
    """Run the server, its paths below `at`, for as long as the block lasts; all answers have to be used."""
    imitator = Imitator(list(answers))
    app = web.Application()
    app.router.add_post(f"{at}/chat/completions", imitator.handle)
    async with TestServer(app) as server:
        imitator.url = str(server.make_url(at or "/")).rstrip("/")
        yield imitator
    assert imitator.answers == []


def delta(content: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    said = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "model": "llama", **more, "choices": [choice]}
