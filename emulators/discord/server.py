"""The emulated Discord as a server on loopback: HTTP, gateway, CDN, and the outages one can order.

This is the object tests and the demo hold; the bot only ever sees its sockets.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from emulators.discord import commands, interactions, rest_application, rest_channels, rest_messages
from emulators.discord.invocations import Invocations
from emulators.discord.opcodes import announce
from emulators.discord.payloads import JSON
from emulators.discord.rest import Api
from emulators.discord.sessions import GUILDS, Connection, Manner
from emulators.discord.state import Guild
from emulators.recording import record

TABLE = [
    *rest_application.TABLE,
    *rest_channels.TABLE,
    *rest_messages.TABLE,
    *commands.TABLE,
    *interactions.TABLE,
]
PUBLIC = {"GET /gateway", *(f"{method} {template}" for method, template, _ in interactions.TABLE)}
"""Routes that need no bot token: interaction tokens speak for themselves."""


class DiscordServer(Invocations):
    """Discord on 127.0.0.1, used as `async with DiscordServer() as discord`; arguments as in `Core`."""

    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=128 * 1024 * 1024)
        api = Api(self, TABLE, PUBLIC)
        app.add_routes(api.routes())
        app.add_routes(
            [
                web.get("/gateway", self.gateway.handle),
                web.get("/gateway/", self.gateway.handle),
                web.get("/resume/", self.gateway.handle),
                web.get("/attachments/{channel_id}/{attachment_id}/{filename}", self._download),
            ]
        )

        @web.middleware
        async def unmatched(request: web.Request, handler: Any) -> web.StreamResponse:
            problem = request.match_info.http_exception
            if problem is not None:
                return await api.unmatched(request, problem.status)
            response: web.StreamResponse = await handler(request)
            return response

        app.middlewares.append(unmatched)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self.timers:
            timer.cancel()
        for connection in list(self.gateway.connections):
            connection.close(1001)
        assert self._runner is not None
        await self._runner.cleanup()

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """The CDN: attachments until they expire or their message is deleted. Faults are ordered for `cdn`."""
        recorded = await record("discord-cdn", request, self.requests)
        fault = self.faults.take("cdn")
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault is not None and fault.kind == "answer":
            recorded.status = fault.status
            return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)
        elif fault is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        number = request.match_info["attachment_id"]
        found = self.world.attachments.get(int(number)) if number.isdecimal() else None
        good = found is not None and f"{self.cdn_url}{request.path_qs}".rstrip("&") == found.url.rstrip("&")
        if found is None or not good or time.time() > found.expires:
            recorded.status = 404
            return web.Response(status=404, text="This content is no longer available.")
        recorded.status = 200
        return web.Response(body=found.data, headers={"Content-Type": found.content_type})

    # Outages

    def announce_guild(self, guild: Guild) -> None:
        """Send GUILD_CREATE to the sessions whose shard has the guild."""
        for session in list(self.sessions):
            shard, count = session.shard
            if session.wants(GUILDS) and (guild.id >> 22) % count == shard:
                announce(self, session, guild.id)

    @property
    def connections(self) -> list[Connection]:
        """The open gateway sockets, the silent ones included."""
        return self.gateway.connections

    async def drop_gateway(self, code: int | None = None) -> None:
        """Close every gateway socket, with a close code or (None) by cutting it without a word."""
        dropped = list(self.gateway.connections)
        for connection in dropped:
            connection.close(code)
        await self.wait_for(lambda: not any(c in self.gateway.connections for c in dropped))

    async def reconnect_clients(self) -> None:
        """Ask every client to reconnect and resume (op 7)."""
        self._broadcast({"t": None, "s": None, "op": 7, "d": None})

    async def invalidate_sessions(self, resumable: bool = False) -> None:
        """Tell every client its session is invalid (op 9); unless `resumable`, the sessions are forgotten."""
        self._broadcast({"t": None, "s": None, "op": 9, "d": resumable})
        if not resumable:
            for session in list(self.sessions):
                if session.connection is not None:
                    session.connection.session = None
                self.sessions_store.end(session)

    async def send_raw(self, frame: JSON | str | bytes) -> None:
        """Send a frame, or what need not be JSON, to every client as it is; no sequence, not replayed."""
        self._broadcast(frame)

    def _broadcast(self, frame: JSON | str | bytes) -> None:
        sent = self.encode(frame) if isinstance(frame, dict) else frame
        for connection in self.gateway.connections:
            if connection.session is not None:
                connection.send(sent)

    async def dispatch_raw(self, name: str, data: Any) -> None:
        """Dispatch an event with any payload, numbered and replayed like a real one."""
        for session in list(self.sessions):
            self.sessions_store.send(session, name, data)

    def go_silent(self) -> None:
        """The present sockets stay open but nothing comes any more: no dispatch, no heartbeat ack."""
        for connection in self.gateway.connections:
            connection.manner = "silent"

    def go_deaf(self) -> None:
        """The present sockets go on dispatching, but read nothing and acknowledge no heartbeat."""
        for connection in self.gateway.connections:
            connection.manner = "deaf"

    def next_sockets(self, *manners: Manner) -> None:
        """How the next sockets behave from their opening on, one each: a `silent` one never even says hello."""
        self.gateway.next_manners.extend(manners)

    def refuse_gateway(self, *, seconds: float = 0.0, times: int = 0) -> None:
        """Answer the websocket handshakes of the next `seconds`, or the next `times`, with 503."""
        self.gateway.refuse_until = time.monotonic() + seconds
        self.gateway.refuse_next = times
