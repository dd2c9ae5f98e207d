"""Socket Mode: tickets, connections, envelopes with ack deadline and redelivery, pings, and how connections end.

What an envelope carries is made elsewhere; this room gets it to one of the open connections and keeps its fate.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSCloseCode, WSMsgType, web

from emulators.slack.model import Ack, Attempt, Delivery, Json, Timing

MOST_CONNECTIONS = 10
"""Open connections an app may have (docs.slack.dev, Socket Mode)."""

EnvelopeKind = Literal["events_api", "slash_commands", "interactive"]
DisconnectReason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


Manner = Literal["well", "silent", "mute", "deaf"]
"""How an open socket behaves: `silent` says and hears nothing, `mute` takes acks and answers pings but says nothing of
its own, `deaf` says everything and reads nothing."""


@dataclass(eq=False, slots=True)
class Connection:
    """One open websocket."""

    number: int
    websocket: web.WebSocketResponse
    request: web.Request
    opened: float = field(default_factory=time.monotonic)
    manner: Manner = "well"
    pongs: int = 0
    pings: int = 0

    def behave(self, manner: Manner) -> None:
        """From now on; bytes of a peer that is not read stay in the network's buffers."""
        transport = self.request.transport
        if transport is not None and manner == "deaf":
            transport.pause_reading()
        elif transport is not None and self.manner == "deaf":
            transport.resume_reading()
        self.manner = manner


class SocketMode:
    """The app's side of Slack's event delivery.

    `drop_unconnected`: what is sent while no connection is open is lost at once instead of following the retry schedule
    (sources disagree on which of the two Slack does).
    """

    def __init__(
        self,
        app_id: str,
        timing: Timing,
        changed: Callable[[], None],
        complaints: list[str],
        *,
        drop_unconnected: bool = False,
    ) -> None:
        self.accepting = True
        self.drop_unconnected = drop_unconnected
        self.connections: list[Connection] = []
        self.connections_made = 0
        self.deliveries: list[Delivery] = []
        self.acks: list[Ack] = []
        self._app_id, self._timing, self._changed, self._complaints = app_id, timing, changed, complaints
        self._tickets: set[str] = set()
        self._turn = 0
        self._manners: deque[Manner] = deque()
        self._waiting: dict[str, tuple[Delivery, asyncio.Future[Any]]] = {}
        self._envelopes: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    # ---- connections

    def ticket(self) -> str:
        """A new single-use ticket."""
        ticket = str(uuid.uuid4())
        self._tickets.add(ticket)
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """The websocket endpoint: `GET /link/?ticket=…&app_id=…`."""
        if not self.accepting:
            return web.Response(status=503, text="unavailable")
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or request.query.get("app_id") != self._app_id:
            self._complaints.append(f"a websocket with a ticket that is unknown or was used before: {ticket}")
            return web.Response(status=403, text="invalid ticket")
        self._tickets.discard(ticket)
        websocket = web.WebSocketResponse(autoping=False, timeout=1.0)
        await websocket.prepare(request)
        self.connections_made += 1
        connection = Connection(self.connections_made, websocket, request)
        if len(self.connections) >= MOST_CONNECTIONS:
            await self._say_goodbye(connection, "too_many_websockets")
            await websocket.close()
            return websocket
        self.connections.append(connection)
        if self._manners:
            connection.behave(self._manners.popleft())
        try:
            await self._serve(connection)
        finally:
            self._forget(connection)
        return websocket

    async def _serve(self, connection: Connection) -> None:
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "applink-loopback", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._app_id},
        }
        await self._send(connection, hello)
        self._changed()
        pinging = self._spawn(self._ping(connection))
        try:
            async for message in connection.websocket:
                if connection.manner == "silent":
                    continue
                if message.type is WSMsgType.PING:
                    await connection.websocket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    connection.pongs += 1
                elif message.type is WSMsgType.TEXT:
                    self._receive(connection, message.data)
        except ConnectionError:
            pass  # the peer is gone; its envelopes run into their deadline
        finally:
            pinging.cancel()

    async def _ping(self, connection: Connection) -> None:
        """Ping at intervals; a peer that never pongs for four intervals is closed, as the SDK does to us."""
        while True:
            await asyncio.sleep(self._timing.ping_interval)
            if connection.manner in {"silent", "mute"}:
                continue
            if connection.manner != "deaf" and connection.pings - connection.pongs >= 4:
                self._complaints.append(f"connection {connection.number} did not answer four pings")
                await connection.websocket.close(code=WSCloseCode.GOING_AWAY)
                return
            connection.pings += 1
            try:
                await connection.websocket.ping(f"Ping from applink {time.time()}".encode())
            except ConnectionError:
                return

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self._changed()

    async def _send(self, connection: Connection, frame: Any) -> bool:
        """Whether the frame left; a silent or mute connection swallows it."""
        if connection.manner in {"silent", "mute"}:
            return True
        try:
            await connection.websocket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
        except ConnectionError:
            return False
        return True

    # ---- acks

    def _receive(self, connection: Connection, data: str) -> None:
        try:
            frame = json.loads(data)
        except ValueError:
            self._complaints.append(f"a websocket frame that is not JSON: {data[:80]!r}")
            return
        envelope_id = frame.get("envelope_id") if isinstance(frame, dict) else None
        if not isinstance(envelope_id, str):
            self._complaints.append(f"a websocket frame without envelope_id: {data[:80]!r}")
            return
        payload = frame.get("payload")
        waiting = self._waiting.pop(envelope_id, None)
        delivery = self._envelopes.get(envelope_id)
        ack = Ack(
            envelope_id, payload, connection.number, time.monotonic(), late=waiting is None, known=delivery is not None
        )
        self.acks.append(ack)
        if delivery is None:
            self._complaints.append(f"an ack for an envelope that was never sent: {envelope_id}")
        elif payload is not None and not delivery.accepts_response_payload:
            self._complaints.append(
                f"an ack with a payload for a {delivery.kind} envelope that accepts none: {payload!r:.80}"
            )
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(payload)
        self._changed()

    # ---- deliveries

    def dispatch(self, kind: EnvelopeKind, payload: Json, *, accepts: bool = False) -> Delivery:
        """Send a payload in an envelope, by the schedule, until it is acknowledged; returns its record at once."""
        delivery = Delivery(kind, payload, accepts)
        self.deliveries.append(delivery)
        self.deliver(delivery)
        return delivery

    def deliver(self, delivery: Delivery) -> None:
        """Start (again) on a delivery's schedule."""
        self._spawn(self._deliver(delivery))
        self._changed()

    async def _deliver(self, delivery: Delivery) -> None:
        delivery.state = "pending"
        if self.drop_unconnected and not self.connections:
            delivery.state = "dropped"
            self._changed()
            return
        # Only events are redelivered: of an unanswered command or press the person is told, and that is all.
        waits = (0.0, *self._timing.redelivery) if delivery.kind == "events_api" else (0.0,)
        for number, wait in enumerate(waits):
            await asyncio.sleep(wait)
            if await self._attempt(delivery, number):
                delivery.state = "acked"
                self._changed()
                return
        delivery.state = "failed"
        self._changed()

    async def _attempt(self, delivery: Delivery, number: int) -> bool:
        envelope_id = str(uuid.uuid4())
        attempt = Attempt(number, envelope_id, None, time.monotonic())
        delivery.attempts.append(attempt)
        connection = self._next()
        if connection is None:
            attempt.fate = "no_connection"
            self._changed()
            return False
        attempt.connection = connection.number
        envelope: Json = {"envelope_id": envelope_id, "payload": delivery.payload, "type": delivery.kind}
        envelope["accepts_response_payload"] = delivery.accepts_response_payload
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = (delivery, answer)
        self._envelopes[envelope_id] = delivery
        await self._send(connection, envelope)
        self._changed()
        try:
            async with asyncio.timeout(self._timing.ack_deadline):
                delivery.response = await answer
        except TimeoutError:
            self._waiting.pop(envelope_id, None)
            attempt.fate = "timeout"
            self._changed()
            return False
        attempt.fate = "acked"
        return True

    def _next(self) -> Connection | None:
        """Any one of the open connections: they take turns."""
        if not self.connections:
            return None
        self._turn += 1
        return self.connections[self._turn % len(self.connections)]

    async def send_raw(self, frame: str | Json) -> bool:
        """Put a frame on one connection as it is, with no record and no retry; False where none is open."""
        connection = self._next()
        return connection is not None and await self._send(connection, frame)

    # ---- ends of connections

    async def _say_goodbye(self, connection: Connection, reason: DisconnectReason) -> None:
        await self._send(
            connection, {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-loopback"}}
        )

    async def disconnect(self, reason: DisconnectReason = "refresh_requested", *, close: bool = True) -> None:
        """Announce the end to every open connection, then close it.

        `warning` comes `Timing.disconnect_warning` seconds ahead of the refresh_requested and the close, and this
        returns right after the warning; with `close=False` the sockets stay open for the app to leave.
        """
        for connection in list(self.connections):
            await self._say_goodbye(connection, reason)
            if reason == "warning":
                self._spawn(self._refresh_later(connection))
            elif close:
                self._forget(connection)
                self._spawn(self._close(connection))

    async def _refresh_later(self, connection: Connection) -> None:
        await asyncio.sleep(self._timing.disconnect_warning)
        if connection in self.connections:
            await self._say_goodbye(connection, "refresh_requested")
            self._forget(connection)
            await self._close(connection)

    async def _close(self, connection: Connection) -> None:
        await connection.websocket.close()

    def drop(self) -> int:
        """Cut every open connection without a word, as a lost network does; returns how many there were."""
        dropped = list(self.connections)
        for connection in dropped:
            self._forget(connection)
            if connection.request.transport is not None:
                connection.request.transport.abort()
        return len(dropped)

    def behave(self, manner: Manner) -> None:
        """How every open connection behaves from now on."""
        for connection in self.connections:
            connection.behave(manner)

    def next_behave(self, *manners: Manner) -> None:
        """How the next connections behave from their opening on, one each; those after them behave well."""
        self._manners.extend(manners)

    # ---- tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)

    async def close(self) -> None:
        """End every delivery and connection; raises what a task of this room failed with."""
        self.accepting = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self.connections):
            await connection.websocket.close(code=WSCloseCode.GOING_AWAY)
        if self._failures:
            raise BaseExceptionGroup("the emulated Socket Mode failed", self._failures)
