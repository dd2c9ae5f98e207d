"""One HTTP request on its way through the service: what was read of it, and the headers that its answer gets."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from emulators.faults import Fault
from emulators.openai.calls import Call
from emulators.recording import RecordedRequest

PREFIX, CHAT, MODELS = "/v1", "/chat/completions", "/models"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its record and, where it asks for a completion, its call; `path` is below `/v1`."""

    request: web.Request
    recorded: RecordedRequest
    path: str
    key: str | None
    call: Call | None
    started: float = field(default_factory=time.monotonic)
    id: str = field(default_factory=lambda: f"req_{secrets.token_hex(16)}")

    @classmethod
    def of(cls, request: web.Request, recorded: RecordedRequest) -> Self:
        """Read the path, the key and, for completions, the body; nothing is judged yet."""
        path = request.path.removeprefix(PREFIX) if request.path.startswith(f"{PREFIX}/") else ""
        key = bearer(request.headers.get("Authorization", ""))
        asks = path == CHAT and request.method == "POST"
        return cls(request, recorded, path, key, Call(key or "", _leniently(recorded.body)) if asks else None)

    @property
    def route(self) -> str:
        """The name that faults are ordered by: a single model goes by "/models" too."""
        return MODELS if self.path.startswith(f"{MODELS}/") else self.path

    @property
    def gone(self) -> bool:
        """Whether the connection is closed, by either side."""
        return self.request.transport is None or self.request.transport.is_closing()

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of any answer, the time it took (milliseconds) included, and `more`."""
        return {
            "x-request-id": self.id,
            "openai-organization": "org-emulated",
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(max(1, round((time.monotonic() - self.started) * 1000))),
            **(more or {}),
        }

    def abort(self) -> web.StreamResponse:
        """Cut the connection at once; what is returned is never sent."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response()


def bearer(authorization: str) -> str | None:
    """The key in an Authorization header, or None where there is none."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def error_code(fault: Fault) -> str | None:
    """The `code` in a fault's body, where it has OpenAI's shape."""
    error = fault.body.get("error") if isinstance(fault.body, dict) else None
    return error.get("code") if isinstance(error, dict) else None


def _leniently(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
