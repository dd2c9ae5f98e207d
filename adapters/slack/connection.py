"""Socket Mode: one websocket (`Connection`), and staying connected through whatever ends one (`stay_connected`).

The SDK's own client closes the old socket before it opens the new one, retries a spent URL for ever, acknowledges on
another socket than the one that asked, and loses sight of its tasks; so each socket here is an object of its own, and a
successor is up before it goes. What an envelope means is not known here.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.socket_mode.response import SocketModeResponse

from adapters.slack.failures import SlackFault
from adapters.slack.web import proxy_for, word
from bot.adapter import Missed

log = structlog.get_logger(__name__)

# Far above what Slack sends; a frame past it ends the socket instead of filling the memory.
MAX_FRAME = 16 * 1024 * 1024

Handle = Callable[[dict[str, Any]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait of the adapter, in seconds.

    `ping`: between two pings, each of which must be answered in half that; `hello`: for a new socket to say hello;
    `settle`: for what is under way when a socket or the adapter ends; `pause_first` to `pause_most`: backoff between
    attempts, doubling; `steady`: a socket that lived as long needs no backoff after it; `call`: one Web API call;
    `lookup`: people's names, before an event is stored (Slack waits 3 s for the ack) or a history is given;
    `status`: one status call, or a place's names.
    """

    ping: float = 10.0
    hello: float = 10.0
    settle: float = 2.0
    pause_first: float = 0.5
    pause_most: float = 30.0
    steady: float = 10.0
    call: float = 10.0
    lookup: float = 1.5
    status: float = 1.0

    def pause(self, attempt: int, at_least: float | None = None) -> float:
        """How long to wait before attempt number `attempt`, from 1 on; `at_least` is what the other side asked for."""
        longest = min(self.pause_most, self.pause_first * 2.0 ** min(attempt - 1, 16))
        return max(at_least or 0.0, random.uniform(longest / 2, longest))


class Connection:
    """One websocket from its URL to its end. `handle` says of each envelope whether to acknowledge it."""

    def __init__(self, session: aiohttp.ClientSession, handle: Handle, timing: Timing) -> None:
        self._session = session
        self._handle = handle
        self._timing = timing
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._running: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.ending = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether envelopes may still come on it."""
        return self._socket is not None and not self._socket.closed

    async def ready(self) -> bool:
        """Wait for Slack's hello; False where it does not come."""
        try:
            async with asyncio.timeout(self._timing.hello):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            log.warning("slack_no_hello")
            return False

    async def run(self, url: str) -> None:
        """Read until the socket ends. `ending` is set from the moment a successor is needed."""
        try:
            async with self._session.ws_connect(
                url,
                heartbeat=self._timing.ping,
                timeout=aiohttp.ClientWSTimeout(ws_close=self._timing.settle),
                proxy=proxy_for(url),
                max_msg_size=MAX_FRAME,
            ) as socket:
                self._socket = socket
                await self._read(socket)
                self._end()
                await self._settle()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("slack_socket_failed", error=type(error).__name__)
        finally:
            self._end()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def retire(self) -> None:
        """Let what is under way finish and be acknowledged, then close."""
        self._end()
        await self._settle()
        if self._socket is not None:
            await self._socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = _read_json(frame.data)
            if message is None:
                log.warning("slack_frame_unreadable", characters=len(frame.data))
            elif message.get("envelope_id") is not None:
                self._welcome()
                task = asyncio.create_task(self._answer(socket, message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            elif message.get("type") == "hello":
                log.info("slack_hello", connections=_number(message.get("num_connections")))
                self._welcome()
            elif message.get("type") == "disconnect":
                log.info("slack_disconnect_announced", reason=word(message.get("reason")))
                self._end()

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, envelope: dict[str, Any]) -> None:
        if not await self._handle(envelope):
            return
        response = SocketModeResponse(envelope["envelope_id"]).to_dict()
        try:
            await socket.send_json(response)
        except (aiohttp.ClientError, OSError) as error:
            log.info("slack_ack_lost", error=type(error).__name__)  # Slack sends it again, and it is known by then

    def _welcome(self) -> None:
        if not self._ready.done():
            self._ready.set_result(True)

    def _end(self) -> None:
        self.ending.set()
        if not self._ready.done():
            self._ready.set_result(False)

    async def _settle(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self._timing.settle)


async def stay_connected(
    open_url: Callable[[], Awaitable[str]],
    session: aiohttp.ClientSession,
    handle: Handle,
    connected: Callable[[Missed], None],
    timing: Timing,
) -> None:
    """Keep one socket up until cancelled, and its successor before it goes. Raises only what `open_url` raises.

    `open_url` asks for a fresh URL: a URL is good for one connection. `SlackFault`s of it are waited out.
    """
    loop = asyncio.get_running_loop()
    live: dict[Connection, asyncio.Task[None]] = {}
    attempt = 0
    try:
        while True:
            if attempt:
                await asyncio.sleep(timing.pause(attempt))
            try:
                url = await open_url()
            except SlackFault as fault:
                attempt += 1
                log.warning("slack_unreachable", attempt=attempt, code=fault.code, status=fault.status)
                await asyncio.sleep(fault.retry_after or 0.0)
                continue
            connection = Connection(session, handle, timing)
            live[connection] = asyncio.create_task(connection.run(url))
            opened = loop.time()
            if not await connection.ready():
                attempt += 1
                await _retire(live, connection)
                continue
            connected("perhaps" if any(older.open for older in live if older is not connection) else "gap")
            await _retire(live, *(older for older in live if older is not connection))
            await connection.ending.wait()
            attempt = 0 if loop.time() - opened >= timing.steady else attempt + 1
    finally:
        await _retire(live, *live)


async def _retire(live: dict[Connection, asyncio.Task[None]], *connections: Connection) -> None:
    """Close these connections and wait for their tasks."""
    await asyncio.gather(*(connection.retire() for connection in connections))
    tasks = [live.pop(connection) for connection in connections]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _read_json(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
