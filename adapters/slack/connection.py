"""Socket Mode: one websocket (`Connection`), and staying connected through whatever ends one (`stay_connected`).

The SDK's own client closes the old socket before it opens the new one, retries a spent URL for ever, acknowledges on
another socket than the one that asked, and loses sight of its tasks; so each socket here is an object of its own, and a
successor is up before it goes. What an envelope means is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from adapters.vitals import Pulse
from bot.adapter import Missed, Reason

log = structlog.get_logger(__name__)

# Far above what Slack sends; a frame past it ends the socket instead of filling the memory.
MAX_FRAME = 16 * 1024 * 1024

# What to acknowledge an envelope with: nothing to add is an empty payload, None leaves it unacknowledged.
Handle = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait of the adapter, in seconds.

    `ping`: between two pings; after how many of them a socket is given up is said below. `hello`: for a new socket to
    say hello; `settle`: for what is under way when a socket or the adapter ends; `pause_first` to `pause_most`: backoff
    between attempts, doubling; `steady`: a socket that lived as long needs no backoff after it; `call`: one Web API
    call; `lookup`: people's names, before an event is stored (Slack waits 3 s for the ack) or a history is given;
    `status`: one status call, or a place's names; `trigger`: how long after a command or a press a form is still
    opened, and `submission`: how long a form that was sent is waited for, of the three seconds that Slack gives either;
    `rights`: how long it is believed what somebody may do.

    A socket is given up when, for so many pings' time, nothing at all came on it (`silent`), none of them was answered,
    whatever else came (`deaf`), or where Slack pings of its own accord, neither a ping of its nor an envelope came
    (`mute`). The Python SDK pings
    every 5 s and waits for four; an answer can take Slack more than 5 s (github.com/slackapi/bolt-js/issues/2496);
    Slack's Node SDK gives a socket up when no ping of Slack's came for 30 s.
    """

    ping: float = 5.0
    silent: int = 3
    deaf: int = 6
    mute: int = 18
    hello: float = 10.0
    settle: float = 2.0
    pause_first: float = 0.5
    pause_most: float = 30.0
    steady: float = 10.0
    call: float = 10.0
    lookup: float = 1.5
    status: float = 1.0
    trigger: float = 2.5
    submission: float = 2.0
    rights: float = 60.0

    def pause(self, attempt: int, at_least: float | None = None) -> float:
        """How long to wait before attempt number `attempt`, from 1 on; `at_least` is what the other side asked for."""
        longest = min(self.pause_most, self.pause_first * 2.0 ** min(attempt - 1, 16))
        return max(at_least or 0.0, random.uniform(longest / 2, longest))


class Connection:
    """One websocket from its URL to its end. `handle` says of each envelope whether to acknowledge it, and with what.

    From the moment that a successor is needed, `ending` is set, and `reason` and `detail` say why.
    """

    def __init__(self, session: aiohttp.ClientSession, handle: Handle, timing: Timing, pulse: Pulse) -> None:
        self._session = session
        self._handle = handle
        self._timing = timing
        self._pulse = pulse
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._running: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        # How many pings ago something came: anything, the answer to one, anything of Slack's own accord.
        self._unheard = self._unanswered = self._unasked = 0
        self._is_pinged = False
        self.ending = asyncio.Event()
        self.reason: Reason = "closed"
        self.detail = ""

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
            self._end("silent", "no_hello")
            return False

    async def run(self, url: str) -> None:
        """Read until the socket ends."""
        try:
            async with self._session.ws_connect(
                url,
                autoping=False,  # or Slack's own pings, and the answers to ours, would not be seen here
                timeout=aiohttp.ClientWSTimeout(ws_close=self._timing.settle),
                proxy=proxy_for(url),
                max_msg_size=MAX_FRAME,
            ) as socket:
                self._socket = socket
                watching = asyncio.create_task(self._watch(socket))
                try:
                    await self._read(socket)
                    self._end("closed", str(socket.close_code or ""))
                    await self._settle()
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
                    await self._close(socket)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._end("refused" if self._socket is None else "closed", type(error).__name__)
        finally:
            self._end("closed")
            self._pulse.down(self)
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def retire(self) -> None:
        """Let what is under way finish and be acknowledged, then close."""
        self._end("closed")
        await self._settle()
        if self._socket is not None:
            await self._close(self._socket)

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ping, and give the socket up where it does not live.

        Pings are counted, not seconds: when this process itself stood still, what came meanwhile is read first.
        """
        while True:
            await asyncio.sleep(self._timing.ping)
            self._unheard += 1
            self._unanswered += 1
            self._unasked += 1
            if self._unheard >= self._timing.silent:
                self._end("silent", "nothing_heard")
                await self._close(socket)
                return
            # These two still bring, or take, something: they may stay until the successor is there.
            if self._unanswered >= self._timing.deaf:
                self._end("silent", "does_not_hear")
            elif self._is_pinged and self._unasked >= self._timing.mute:
                self._end("silent", "says_nothing")
            try:
                async with asyncio.timeout(self._timing.ping):
                    await socket.ping()
            except TimeoutError:
                continue  # it takes nothing any more: the next counts tell
            except (aiohttp.ClientError, OSError):
                return  # closed: its reader knows

    async def _close(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Close, without waiting for a peer that takes no farewell."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timing.settle):
                await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            self._hear(frame.type)
            if frame.type is aiohttp.WSMsgType.PING:
                self._is_pinged = True
                await socket.pong(frame.data)
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
                self._end("asked_to" if self._ready.done() else "refused", word(message.get("reason")))

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, envelope: dict[str, Any]) -> None:
        payload = await self._handle(envelope)
        if payload is None:
            return
        response = SocketModeResponse(envelope["envelope_id"], payload or None).to_dict()
        try:
            await socket.send_json(response)
        except (aiohttp.ClientError, OSError) as error:
            log.info("slack_ack_lost", error=type(error).__name__)  # Slack sends it again, and it is known by then

    def _hear(self, kind: aiohttp.WSMsgType) -> None:
        self._pulse.heard()
        self._unheard = 0
        if kind is aiohttp.WSMsgType.PONG:
            self._unanswered = 0
        else:
            self._unasked = 0

    def _welcome(self) -> None:
        if not self._ready.done():
            self._ready.set_result(True)
            self._pulse.up(self)

    def _end(self, reason: Reason, detail: str = "") -> None:
        """A successor is needed; the first to say so says why."""
        if self.ending.is_set():
            return
        self.ending.set()
        self.reason, self.detail = reason, detail
        if reason == "silent":
            self._pulse.down(self)
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
    *,
    pulse: Pulse,
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
                refused = pulse.lost("refused")
                log.warning("slack_unreachable", attempt=attempt, code=fault.code, status=fault.status, count=refused)
                await asyncio.sleep(fault.retry_after or 0.0)
                continue
            connection = Connection(session, handle, timing, pulse)
            live[connection] = asyncio.create_task(connection.run(url))
            opened = loop.time()
            if not await connection.ready():
                attempt += 1
                _tell(connection, pulse)
                await _retire(live, connection)
                continue
            connected("perhaps" if any(older.open for older in live if older is not connection) else "gap")
            await _retire(live, *(older for older in live if older is not connection))
            await connection.ending.wait()
            _tell(connection, pulse)
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


def _tell(connection: Connection, pulse: Pulse) -> None:
    """Count the connection that needs a successor, and say so once."""
    tell = log.info if connection.reason == "asked_to" else log.warning
    tell("slack_reconnecting", reason=connection.reason, detail=connection.detail, count=pulse.lost(connection.reason))


def _read_json(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
