"""The way every REST call takes: recorded, fault, ban, route, token, client, rate limit, body, handler, answer.

The handlers themselves are in the `rest_*` modules and `interactions.py`; each gets a `Call`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from emulators.discord.errors import (
    BLOCKED_CLIENT,
    INVALID_JSON,
    METHOD_NOT_ALLOWED,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    NOT_FOUND,
    UNAUTHORIZED,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    DiscordError,
    fail,
    form_error,
)
from emulators.discord.state import Channel, Message, Permission, Upload
from emulators.faults import Fault
from emulators.recording import record

if TYPE_CHECKING:
    from emulators.discord.core import Core

PREFIX = "/api/v10"
USER_AGENT = re.compile(r"DiscordBot \(.+[ ,].+\)")
RACES = {50083, 160004, 160005}
"""Codes a correct client meets when others were faster."""
JSON_ONLY = {"application/json"}


@dataclass(slots=True)
class Call:
    """One request on its way through a handler; `files` are the multipart uploads by number."""

    server: Core
    request: web.Request
    body: Any = None
    files: dict[int, Upload] = field(default_factory=dict)

    def snowflake(self, name: str) -> int:
        """A path parameter as an id, or 50035."""
        raw = self.request.match_info[name]
        if not raw.isdecimal() or int(raw) >= 1 << 64:
            raise form_error(name, "NUMBER_TYPE_COERCE", f'Value "{raw}" is not snowflake.')
        return int(raw)

    def channel(self, *needed: Permission) -> Channel:
        """The channel of the path, if the bot sees it (else 10003, 50001) and has the permissions (50013)."""
        channel = self.server.world.channels.get(self.snowflake("channel_id"))
        if channel is None:
            raise fail(UNKNOWN_CHANNEL)
        if not self.server.sessions_store.sees(channel):
            raise fail(MISSING_ACCESS)
        allowed = self.server.world.allowed(self.server.bot, channel)
        if any(not allowed & permission for permission in needed):
            raise fail(MISSING_PERMISSIONS)
        return channel

    def message(self, channel: Channel) -> Message:
        """The message of the path, or 10008; ephemeral ones cannot be had this way."""
        message = self.server.world.message(channel, self.snowflake("message_id"))
        if message is None or message.ephemeral:
            raise fail(UNKNOWN_MESSAGE)
        return message

    def object(self) -> dict[str, Any]:
        """The JSON body as an object, or 50035."""
        if not isinstance(self.body, dict):
            raise form_error("", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return self.body

    def unknown_fields(self, known: set[str], body: dict[str, Any]) -> None:
        """Complain about fields Discord would pass over in silence."""
        for name in body.keys() - known:
            self.server.complain(f"{self.request.method} {self.request.path}: field {name!r} is not known")


Handler = Callable[[Call], Awaitable[web.Response]]


def answer(data: Any, status: int = 200) -> web.Response:
    """A JSON answer whose content type is exactly `application/json`."""
    return web.Response(body=json.dumps(data).encode(), status=status, content_type="application/json")


def nothing() -> web.Response:
    """204."""
    return web.Response(status=204)


class Api:
    """The `aiohttp` handlers around the table of routes."""

    def __init__(self, server: Core, table: list[tuple[str, str, Handler]], public: set[str]) -> None:
        self.server = server
        self._table = table
        self._public = public

    def routes(self) -> list[web.RouteDef]:
        """The routes, as they are registered with aiohttp."""

        def wrap(template: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
            async def serve(request: web.Request) -> web.StreamResponse:
                return await self._serve(request, template, handler)

            return serve

        return [web.route(m, PREFIX + template, wrap(template, handler)) for m, template, handler in self._table]

    async def unmatched(self, request: web.Request, status: int) -> web.StreamResponse:
        """A path or method Discord does not have."""

        async def refuse(_call: Call) -> web.Response:
            raise fail(METHOD_NOT_ALLOWED if status == 405 else NOT_FOUND)

        return await self._serve(request, request.path.removeprefix(PREFIX), refuse, known=False)

    async def _serve(
        self, request: web.Request, template: str, handler: Handler, *, known: bool = True
    ) -> web.StreamResponse:
        server = self.server
        recorded = await record("discord", request, server.requests)
        fault = server.faults.take(f"{request.method} {template}")
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset":
            return self._cut(request)
        if fault is not None and fault.kind == "answer":
            response = self._faulty(fault)
        else:
            response = await self._attempt(request, template, handler, known=known)
        if fault is not None and fault.kind == "lost_reply":
            server.changed()
            return self._cut(request)
        if fault is not None and fault.kind == "late_reply":
            server.changed()
            await asyncio.sleep(fault.seconds)
        server.rate_limits.count_invalid(response.status, response.headers.get("X-RateLimit-Scope"))
        recorded.status = response.status
        server.changed()
        return response

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        """Cut the connection; the response that is returned has nowhere to go."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _faulty(self, fault: Fault) -> web.Response:
        """An ordered answer. A 429 without a body gets Discord's; `Via: ""` in the fault's headers leaves Via out."""
        body = fault.body
        headers = dict(fault.headers)
        if fault.status == 429:
            wait = float(headers.get("Retry-After", "1"))
            headers.setdefault("Retry-After", str(math.ceil(wait)))
            headers.setdefault("X-RateLimit-Scope", "user")
            if body is None:
                body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
        if body is None:
            body = {"message": f"{fault.status}: emulated fault", "code": 0}
        response = (
            web.Response(body=body if isinstance(body, bytes) else body.encode(), status=fault.status)
            if isinstance(body, bytes | str)
            else answer(body, fault.status)
        )
        if isinstance(body, str):
            response.content_type, response.charset = "text/plain", "utf-8"
        response.headers.update(headers)
        self._via(response)
        if response.headers.get("Via") == "":
            del response.headers["Via"]
        return response

    def _via(self, response: web.Response) -> None:
        if self.server.via:
            response.headers.setdefault("Via", "1.1 google")

    async def _attempt(self, request: web.Request, template: str, handler: Handler, *, known: bool) -> web.Response:
        server = self.server
        if server.rate_limits.banned:
            server.complain("REST: request while banned for too many invalid requests")
            return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "600"})
        headers: dict[str, str] = {}
        where = f"{request.method} {template}"
        try:
            self._admit(request, where)
            if known:
                verdict = server.rate_limits.take(where, dict(request.match_info))
                headers = verdict.headers
                if not verdict.passes:
                    return self._limited(where, verdict.retry_after, verdict.scope, headers)
            call = Call(server, request)
            call.body, call.files = await read_body(request)
            response = await handler(call)
        except DiscordError as error:
            if not known or is_complaint(error):
                server.complain(f"{where}: {error.code} {error.message} {json.dumps(error.errors or {})}")
            response = answer(error.body(), error.status)
            response.headers.update(error.headers)
        response.headers.update(headers)
        self._via(response)
        return response

    def _admit(self, request: web.Request, where: str) -> None:
        """Check the token and the client's name; interaction tokens stand for themselves."""
        if where in self._public:
            return
        if not USER_AGENT.match(request.headers.get("User-Agent", "")):
            raise fail(BLOCKED_CLIENT)
        if request.headers.get("Authorization") != f"Bot {self.server.token}" or self.server.token_reset:
            raise fail(UNAUTHORIZED)

    def _limited(self, where: str, wait: float, scope: str, headers: dict[str, str]) -> web.Response:
        self.server.complain(f"{where}: 429, {scope} limit, {wait:.3f} s to wait")
        body = {"message": "You are being rate limited.", "retry_after": round(wait, 3), "global": scope == "global"}
        response = answer(body, 429)
        response.headers.update(headers)
        response.headers["Retry-After"] = str(math.ceil(wait))
        response.headers["X-RateLimit-Scope"] = scope
        self._via(response)
        return response


def is_complaint(error: DiscordError) -> bool:
    """Whether an error shows a client off protocol, rather than one overtaken by events."""
    if error.errors and error.errors.keys() == {"message_reference"}:
        return False
    if error.code in {10062, 40333}:
        return True
    return error.status in {400, 401, 405, 413, 429} and error.code not in RACES


async def read_body(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    """The JSON body and the uploads of a request; other content types and broken JSON are refused."""
    raw = await request.read()
    if not raw:
        return None, {}
    content_type = request.headers.get("Content-Type", "")
    if content_type == "application/json":
        return parse_json(raw), {}
    if content_type.startswith("multipart/form-data; boundary="):
        return await read_multipart(request, raw)
    raise form_error("", "CONTENT_TYPE_INVALID", f'Expected "Content-Type" header to be one of {JSON_ONLY}.')


def parse_json(raw: bytes) -> Any:
    """JSON, or 50109."""
    try:
        return json.loads(raw)
    except ValueError:
        raise fail(INVALID_JSON) from None


async def read_multipart(request: web.Request, raw: bytes) -> tuple[Any, dict[int, Upload]]:
    """`payload_json` and `files[n]` of a form."""
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), len(raw) + 1, loop=loop)
    stream.feed_data(raw)
    stream.feed_eof()
    body: Any = {}
    files: dict[int, Upload] = {}
    reader = aiohttp.MultipartReader(request.headers, stream)
    while (part := await reader.next()) is not None:
        if not isinstance(part, aiohttp.BodyPartReader):
            raise form_error("", "CONTENT_TYPE_INVALID", "Nested forms are not read")
        data = bytes(await part.read())
        number = re.fullmatch(r"files\[(\d+)\]", part.name or "")
        if part.name == "payload_json":
            body = parse_json(data)
        elif number and part.filename:
            files[int(number[1])] = Upload(part.filename, data)
        else:
            raise form_error(str(part.name), "FORM_FIELD_UNKNOWN", "Only payload_json and files[n] are read")
    return body, files
