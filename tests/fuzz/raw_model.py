"""A model that answers byte for byte as told: first whatever is ordered, then whole answers that say `SOUND`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fuzz.model_streams import USAGE, chunk

SOUND = "A whole answer."


@dataclass(frozen=True, slots=True)
class Raw:
    """One answer: its status, its content type (none where empty), and its body in the pieces it is written in.

    `cut`: the connection is aborted after them, in the midst of the response.
    """

    pieces: list[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    retry_after: str | None = None
    cut: bool = False


def sound(text: str = SOUND) -> Raw:
    """A whole answer."""
    events = [chunk({"content": text}), chunk({}, "stop"), {**chunk({}), "choices": [], "usage": USAGE}]
    return Raw([b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"])


@dataclass(slots=True)
class RawModel:
    """What it will answer next; `asked` counts the requests."""

    ordered: deque[Raw] = field(default_factory=deque)
    asked: int = 0
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One completion."""
        await request.read()
        self.asked += 1
        answer = self.ordered.popleft() if self.ordered else sound()
        response = web.StreamResponse(status=answer.status)
        if answer.content_type:
            response.headers["Content-Type"] = answer.content_type
        if answer.retry_after is not None:
            response.headers["Retry-After"] = answer.retry_after
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who asked has read enough of it
            for piece in answer.pieces:
                await response.write(piece)
                await asyncio.sleep(0)
            if answer.cut and request.transport is not None:
                request.transport.abort()
            else:
                await response.write_eof()
        return response


@asynccontextmanager
async def raw_model() -> AsyncIterator[RawModel]:
    """Run it for as long as the block lasts."""
    model = RawModel()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.handle)
    async with TestServer(app, handler_cancellation=True, shutdown_timeout=0.5) as server:
        model.url = str(server.make_url("/v1"))
        yield model
