"""One HTTP exchange with a model: the request out, the stream in, the timeouts, and whether its end was its end.

No retry and no policy in here: what goes wrong is raised as a diagnosis. The SDK sends the request and reads its
refusals; the events are read from the body of its response, because the SDK's own stream hides the `[DONE]` by which
alone a whole answer without a finish reason is told from a cut one, and builds a model object per token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import httpx2
import openai

from bot.backend.chunks import Chunk, joined, read_chunk
from bot.backend.completion import FinishReason, Usage
from bot.backend.failures import Diagnosis, diagnose, diagnose_event
from bot.backend.parameters import dispensable
from bot.backend.readings import Readings
from bot.backend.sse import Decoder, Event
from bot.backend.surrogates import Mender, loads
from bot.errors import ModelUnavailable, StreamCut, StreamStalled

WIRE = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What the layers below raise when a request or a stream fails."""
TRAILER = 5.0
"""Seconds that the usage may take after the finish reason; without it the answer is whole all the same."""
GOODBYE = 0.1
"""Seconds that a server has to end the response after `[DONE]`, so that the connection can be used again."""
WHOLE = 600.0
"""Seconds for an answer that is not streamed: the SDK's own timeout."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Timeouts in seconds: for the first token, for the first token once an answer is opened, and between tokens."""

    first_token: float
    opened: float
    idle: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken the request; these are its answer's headers."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a whole answer. `thought`: from opening to first token it took longer than the idle timeout."""

    reason: FinishReason
    usage: Usage | None
    model: str
    thought: bool


class ExchangeFailed(Exception):
    """The exchange gave no whole answer."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(str(diagnosis.failure))
        self.diagnosis = diagnosis


async def exchange(
    client: openai.AsyncOpenAI,
    body: dict[str, Any],
    windows: Windows,
    now: datetime,
    readings: Readings | None = None,
) -> AsyncGenerator[Accepted | Chunk | Ending, None]:
    """Send `body` and yield what comes: `Accepted` when the provider has taken it, chunks, one `Ending` at the end.

    `readings` are those of all streams that are open. Closing the generator closes the connection. Raises
    `ExchangeFailed`, without the SDK's own exception: its message may quote a key or a prompt.
    """
    state = _State(windows, asyncio.get_running_loop())
    if "stream" not in body:
        state.until(WHOLE)
    diagnosis = None
    try:
        async with aclosing(_events(client, body, state, readings or Readings())) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Chunk):
                    yield state.take(chunk)
                else:
                    yield chunk
                state.go_on()
    except TimeoutError:
        state.silent = not state.token
        state.cut = StreamStalled("no token in time") if state.accepted else ModelUnavailable("no answer in time")
    except StreamCut as cut:
        state.cut = cut
    except openai.APIStatusError as error:
        diagnosis = diagnose(error, dispensable(body), now)
    except WIRE as error:
        state.cut = StreamCut(type(error).__name__) if state.accepted else ModelUnavailable(type(error).__name__)
    except _ErrorEvent as error:
        diagnosis = diagnose_event(error.body, dispensable(body), state.request_id)
    # Raised out here so that the exception has no context to print.
    if diagnosis is not None:
        raise ExchangeFailed(diagnosis)
    if not state.whole:
        failure = state.cut or StreamCut("ended without an end")
        raise ExchangeFailed(Diagnosis(failure, request_id=state.request_id, silent=state.silent))
    torn = state.mender.end()
    if torn:
        yield Chunk(torn)
    yield Ending(state.reason or "stop", state.usage, state.model, state.thought)


class _ErrorEvent(Exception):
    def __init__(self, body: object) -> None:
        super().__init__()
        self.body = body


class _State:
    """What has come so far, and until when the next event has to."""

    def __init__(self, windows: Windows, loop: asyncio.AbstractEventLoop) -> None:
        self.windows = windows
        self.loop = loop
        self.deadline = loop.time() + windows.first_token
        self.opened_at: float | None = None
        self.accepted = False
        self.request_id = ""
        self.token = False
        self.said = False
        self.in_pieces = False
        self.mender = Mender()
        self.done = False
        self.counted = False
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.model = ""
        self.thought = False
        self.silent = False
        self.cut: ModelUnavailable | None = None
        self._moved = False

    @property
    def whole(self) -> bool:
        """Whether the end was the end: a finish reason, or after some text `[DONE]`, or a chunk of usage alone.

        Some compatible servers never send a finish reason; one that gives up in the middle sends none of the three.
        Others (Gemini) count in each chunk: usage beside a choice ends nothing, nor one after which the stream broke.
        """
        return self.reason is not None or (self.said and (self.done or (self.counted and self.cut is None)))

    def until(self, seconds: float) -> None:
        """The next event has to come within `seconds`."""
        self.deadline = self.loop.time() + seconds

    def take(self, chunk: Chunk) -> Chunk:
        """Note what `chunk` says, and return what of it is new. Raises `_ErrorEvent` for an error in mid-stream."""
        if self.reason is None and (chunk.error or chunk.broken):
            raise _ErrorEvent(chunk.error or {"code": "server_error"})
        if chunk.opened and self.opened_at is None:
            self.opened_at = self.loop.time()
            self.until(self.windows.opened)
        if chunk.token and not self.token:
            self.token = True
            self.thought = self.loop.time() - (self.opened_at or 0.0) > self.windows.idle
        if chunk.message and self.in_pieces:
            chunk = chunk._replace(text="")
        elif chunk.text:
            self.said = True
            self.in_pieces = not chunk.message
            text = self.mender.feed(chunk.text)
            if text is not chunk.text:
                chunk = chunk._replace(text=text)
        self.reason = chunk.finish or self.reason
        self.usage = chunk.usage or self.usage
        self.counted = not chunk.opened and (self.counted or chunk.usage is not None)
        self.model = chunk.model or self.model
        self._moved = chunk.token or chunk.finish is not None
        return chunk

    def go_on(self) -> None:
        """The consumer is back: from now on the next event may take its time. Empty chunks are no sign of life."""
        if self._moved:
            self.until(TRAILER if self.reason else self.windows.idle)
            self._moved = False


async def _events(
    client: openai.AsyncOpenAI, body: dict[str, Any], state: _State, readings: Readings
) -> AsyncGenerator[Accepted | Chunk, None]:
    async with asyncio.timeout_at(state.deadline):
        # `chat.completions.create` would walk through each message of a thread to rename keys that have no other name.
        stream = await client.post(
            "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
        )
    try:
        http = stream.response
        state.accepted = True
        state.request_id = http.headers.get("x-request-id", "")
        yield Accepted(http.headers)
        if "json" in http.headers.get("content-type", ""):  # the server does not stream, or was asked not to
            async with asyncio.timeout_at(state.deadline):
                raw = await http.aread()
            state.done = True  # what was cut is no JSON
            yield _parsed(raw)
            return
        with readings.stream():
            async with aclosing(_arriving(http, state, readings)) as arrivals:
                async for events in arrivals:
                    for chunk in joined(_parsed(data, name) for data, name in events if data and not _is_last(data)):
                        yield chunk
                    if any(_is_last(data) for data, _ in events):
                        state.done = True
                        state.until(GOODBYE)
    finally:
        await stream.close()


async def _arriving(http: httpx2.Response, state: _State, readings: Readings) -> AsyncGenerator[list[Event], None]:
    """The events of the body, those that have come at once together.

    Raises `TimeoutError` where nothing comes before the deadline, whenever that is by then, and `StreamCut`.
    """
    decoder = Decoder()
    async with aclosing(http.aiter_bytes()) as pieces:
        while True:
            try:
                async with asyncio.timeout_at(state.deadline):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                yield decoder.end()
                return
            yield decoder.feed(piece)
            if not state.done:
                await readings.pause(len(piece))


def _is_last(data: str) -> bool:
    return data.startswith("[DONE]")


def _parsed(data: str | bytes, event: str = "") -> Chunk:
    try:
        value = loads(data)
    except ValueError:
        return Chunk(broken=True)
    return read_chunk(value, event)
