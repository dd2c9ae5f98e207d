"""The gateway's websocket: hello, heartbeats, identify, resume, and the ways a connection ends.

What a session is sent lives in `sessions.py`; this file speaks the opcodes (API v10, JSON) and enforces the
gateway's rules: 120 frames a minute, 4,096 bytes a frame, known intents, one identify per five seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from emulators.discord.compression import Encoder, encoder
from emulators.discord.opcodes import Closing, receive
from emulators.discord.sessions import Connection, Manner

if TYPE_CHECKING:
    from emulators.discord.core import Core

CLOSE_REASONS = {
    4001: "Unknown opcode",
    4002: "Error while decoding payload.",
    4003: "Not authenticated.",
    4004: "Authentication failed.",
    4005: "Already authenticated.",
    4007: "Invalid seq.",
    4008: "Rate limited.",
    4009: "Session timed out.",
    4010: "Invalid shard.",
    4012: "Invalid API version.",
    4013: "Invalid intent(s).",
    4014: "Disallowed intent(s).",
}
FRAMES_PER_MINUTE = 120
FRAME_BYTES = 4_096


class Gateway:
    """All connections of clients, and the identify budget they share."""

    def __init__(self, server: Core) -> None:
        self.server = server
        self.connections: list[Connection] = []
        self.next_manners: deque[Manner] = deque()
        self.refuse_until = 0.0
        self.refuse_next = 0
        self.session_starts_left = server.session_start_limit
        self.identified_at: dict[int, float] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket until it ends."""
        if self.refuse_next > 0 or time.monotonic() < self.refuse_until:
            self.refuse_next = max(0, self.refuse_next - 1)
            return web.Response(status=503, text="upstream connect error")
        if "websocket" not in request.headers.get("Upgrade", "").lower():
            return web.Response(status=400, text='Can "Upgrade" only to "WebSocket".')
        ws = web.WebSocketResponse(max_msg_size=0, timeout=1.0, compress=False)
        await ws.prepare(request)
        manner = self.next_manners.popleft() if self.next_manners else "well"
        connection = Connection(path=request.path, manner=manner)
        self.connections.append(connection)
        current = asyncio.current_task()
        assert current is not None
        task: asyncio.Task[Any] = current
        ended: list[int | None] = []

        def close(code: int | None) -> None:
            if not ended:
                ended.append(code)
                task.cancel()

        connection.close = close
        try:
            await self._serve(request, ws, connection)
        except asyncio.CancelledError:
            if not ended:
                raise
            task.uncancel()
            await self._end(request, ws, connection, ended[0])
        finally:
            self.connections.remove(connection)
            self._detach(connection)
            self.server.changed()
        return ws

    async def _serve(self, request: web.Request, ws: web.WebSocketResponse, connection: Connection) -> None:
        try:
            encode = self._negotiate(request)
        except Closing as closing:
            await self._refuse(ws, connection, closing)
            return
        writer = asyncio.create_task(self._write(ws, connection, encode))
        interval = int(self.server.timing.heartbeat_interval * 1000)
        connection.send(self.server.encode({"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": interval}}))
        self.server.changed()
        try:
            await self._read(ws, connection)
        except Closing as closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await connection.outgoing.join()
            await self._refuse(ws, connection, closing)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _negotiate(self, request: web.Request) -> Encoder | None:
        if request.query.get("v", "10") != "10":
            raise Closing(4012, f"API version {request.query.get('v')}")
        if request.query.get("encoding", "json") != "json":
            raise Closing(4002, f"encoding {request.query.get('encoding')}")
        kind = request.query.get("compress")
        if kind is None:
            return None
        found = encoder(kind)
        if found is None:
            raise Closing(4002, f"compression {kind}")
        return found

    async def _write(self, ws: web.WebSocketResponse, connection: Connection, encode: Encoder | None) -> None:
        while True:
            text = await connection.outgoing.get()
            try:
                if encode is None:
                    await ws.send_str(text)
                else:
                    await ws.send_bytes(encode(text))
            except ConnectionError:
                return
            finally:
                connection.outgoing.task_done()

    async def _refuse(self, ws: web.WebSocketResponse, connection: Connection, closing: Closing) -> None:
        connection.close_code = closing.code
        reason = CLOSE_REASONS.get(closing.code, "")
        self.server.complain(f"gateway: closed with {closing.code} {reason} {closing.why}".rstrip())
        if connection.session is not None and closing.code in {4004, 4007, 4009, 4010, 4013, 4014}:
            self.server.sessions_store.end(connection.session)
        await ws.close(code=closing.code, message=reason.encode())

    async def _end(
        self, request: web.Request, ws: web.WebSocketResponse, connection: Connection, code: int | None
    ) -> None:
        connection.close_code = code
        if code is None:
            if request.transport is not None:
                request.transport.abort()
        else:
            await ws.close(code=code, message=CLOSE_REASONS.get(code, "").encode())

    def _detach(self, connection: Connection) -> None:
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        session.lost_at = time.monotonic()
        if connection.client_code in {1000, 1001}:
            self.server.sessions_store.end(session)

    async def _read(self, ws: web.WebSocketResponse, connection: Connection) -> None:
        timing = self.server.timing
        deadline = timing.heartbeat_interval + timing.heartbeat_grace
        last_beat = time.monotonic()
        sent_at: deque[float] = deque(maxlen=FRAMES_PER_MINUTE)
        while True:
            try:
                async with asyncio.timeout(max(0.0, last_beat + deadline - time.monotonic())):
                    message = await ws.receive()
            except TimeoutError:
                if connection.manner in {"silent", "deaf"}:
                    last_beat = time.monotonic()
                    continue
                raise Closing(4009, "no heartbeat") from None
            if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                connection.client_code = message.data if message.type is aiohttp.WSMsgType.CLOSE else None
                return
            if connection.manner in {"silent", "deaf"}:
                continue
            now = time.monotonic()
            if self.server.limits_on and len(sent_at) == FRAMES_PER_MINUTE and now - sent_at[0] < 60:
                raise Closing(4008, "over 120 frames in 60 s")
            sent_at.append(now)
            frame = self._parse(message.data)
            self.server.frames.append(frame)
            if frame["op"] == 1:
                last_beat = now
                self._heartbeat(connection, frame.get("d"))
            else:
                receive(self, connection, frame["op"], frame.get("d"))
            self.server.changed()

    def _parse(self, data: str | bytes) -> dict[str, Any]:
        size = len(data.encode() if isinstance(data, str) else data)
        if size > FRAME_BYTES:
            raise Closing(4002, f"frame of {size} bytes")
        try:
            frame = json.loads(data)
        except ValueError:
            raise Closing(4002, "not JSON") from None
        if not isinstance(frame, dict) or not isinstance(frame.get("op"), int):
            raise Closing(4002, "no opcode")
        return frame

    def _heartbeat(self, connection: Connection, seq: Any) -> None:
        session = connection.session
        if session is not None and seq is not None and (not isinstance(seq, int) or seq > session.seq):
            self.server.complain(f"gateway: heartbeat with sequence {seq!r} that was never sent")
        connection.send(self.server.encode({"t": None, "s": None, "op": 11, "d": None}))
