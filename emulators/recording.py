"""What an emulator has been asked: every HTTP request, kept whole, so that tests can judge it afterwards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class RecordedRequest:
    """One request as it came over the wire.

    `status` is filled in when the answer leaves: 0 while the request is open or was cut.
    """

    service: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    status: int = 0


async def record(service: str, request: web.Request, into: list[RecordedRequest]) -> RecordedRequest:
    """Read the request's body (aiohttp caches it for the handler) and append the request to `into`."""
    recorded = RecordedRequest(
        service=service,
        method=request.method,
        path=request.path,
        query=request.query_string,
        headers=dict(request.headers),
        body=await request.read(),
    )
    into.append(recorded)
    return recorded
