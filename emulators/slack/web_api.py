"""The HTTP side: an endpoint for all Web API methods (token, tier, arguments, faults), and the routes beside it.

What a method does stands in the modules of methods; this room decides whether it is reached and how its answer looks.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.faults import Fault
from emulators.recording import RecordedRequest, record
from emulators.slack import arguments, chat, conversations, directory, files, response_urls, sessions, streams, views
from emulators.slack.method import Method
from emulators.slack.model import Json, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

METHODS: dict[str, Method] = {
    method.name: method
    for module in (chat, streams, sessions, conversations, directory, files, views)
    for method in module.METHODS
}

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(core: Core) -> web.Application:
    """The aiohttp application of one workspace."""
    app = web.Application(client_max_size=64 * 1024 * 1024)

    async def api(request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        return await _observed(core, request, "slack", name, lambda r: _call(core, r, name))

    async def upload(request: web.Request) -> web.StreamResponse:
        return await _observed(core, request, "slack-files", "upload", lambda r: files.upload(core, r))

    async def download(request: web.Request) -> web.StreamResponse:
        return await _observed(core, request, "slack-files", "download", lambda r: files.download(core, r))

    async def respond(request: web.Request) -> web.StreamResponse:
        return await _observed(
            core, request, "slack-response-url", "response_url", lambda r: response_urls.respond(core, r)
        )

    async def link(request: web.Request) -> web.StreamResponse:
        return await _observed(core, request, "slack-socket", "link", core.socket.link)

    async def lost(request: web.Request) -> web.StreamResponse:
        core.complain(f"no such path: {request.method} {request.path}")
        return web.Response(status=404, text="not found")

    app.router.add_route("*", "/api/{method}", api)
    app.router.add_post("/upload/v1/{file_id}", upload)
    app.router.add_get("/files-pri/{file}/{name}", download)
    app.router.add_get("/files-pri/{file}/download/{name}", download)
    app.router.add_post("/commands/{team}/{key}", respond)
    app.router.add_get("/link/", link)
    app.router.add_route("*", "/{rest:.*}", lost)
    return app


async def _observed(core: Core, request: web.Request, service: str, name: str, handle: Handle) -> web.StreamResponse:
    """Record the request, apply a fault ordered for it, and note the status of the answer."""
    recorded = await record(service, request, core.requests)
    core.changed()
    fault = core.faults.take(name)
    if fault is not None and fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    elif fault is not None and fault.kind not in ("lost_reply", "late_reply"):
        return _faulty(core, request, recorded, fault)
    response = await handle(request)
    if fault is not None and fault.kind == "lost_reply":
        return _cut(request, response)
    if fault is not None and fault.kind == "late_reply":
        core.changed()
        await asyncio.sleep(fault.seconds)
    recorded.status = response.status
    core.changed()
    return response


def _faulty(core: Core, request: web.Request, recorded: RecordedRequest, fault: Fault) -> web.StreamResponse:
    if fault.kind == "reset":
        return _cut(request, web.Response())
    recorded.status = fault.status
    core.changed()
    if isinstance(fault.body, bytes):
        return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)
    if isinstance(fault.body, str):
        return web.Response(status=fault.status, headers=dict(fault.headers), text=fault.body, content_type="text/html")
    body = {"ok": False, "error": "internal_error"} if fault.body is None else fault.body
    return web.json_response(body, status=fault.status, headers=dict(fault.headers))


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response


async def _call(core: Core, request: web.Request, name: str) -> web.Response:
    headers = {"x-slack-req-id": uuid.uuid4().hex, "x-oauth-scopes": ",".join(sorted(core.scopes))}
    try:
        answer = {"ok": True, **await _answer(core, request, name, headers)}
    except SlackError as error:
        return web.json_response(error.body(), status=error.status, headers=headers | error.headers)
    return web.json_response(answer, headers=headers)


async def _answer(core: Core, request: web.Request, name: str, headers: dict[str, str]) -> Json:
    method = METHODS.get(name)
    if method is None:
        core.complain(f"{name}: a method this workspace does not know")
        raise SlackError("unknown_method", extra={"req_method": name})
    raw, warnings = await arguments.read(request, json_input=method.json_input)
    _authenticate(core, request, method, raw)
    if method.scope is not None:
        headers["x-accepted-oauth-scopes"] = method.scope
        core.require(method.scope)
    values, unknown = arguments.check(raw, method.arguments)
    for argument in unknown:
        core.complain(f"{name}: unknown argument {argument}")
    channel = str(values.get("channel") or values.get("channel_id") or "")
    if (wait := core.limits.admit(name, method.tier, channel)) is not None:
        raise SlackError("ratelimited", status=429, headers={"Retry-After": str(wait)})
    answer = method.handler(core, values)
    if warnings:
        answer = {**answer, "warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
    return answer


def _authenticate(core: Core, request: web.Request, method: Method, raw: Json) -> None:
    """The token of the header, else of the arguments; raises not_authed, invalid_auth, not_allowed_token_type."""
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ") if header.startswith("Bearer ") else raw.get("token", "")
    if "token" in request.query:
        core.complain(f"{method.name}: a token in the query string")
    if not token:
        raise SlackError("not_authed")
    if token not in (core.bot_token, core.app_token):
        raise SlackError("invalid_auth")
    if core.auth_error is not None:
        raise SlackError(core.auth_error)
    if (token == core.app_token) != method.app_level and not (method.name == "auth.test"):
        raise SlackError("not_allowed_token_type")
