"""Has a client of aiohttp's ask the core right before each request whether it may still be sent."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

from bot import fencing


def fence(trace: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    """The same trace, which lets no request begin that must not. What it raises is the request's failure."""
    trace.on_request_start.append(_check)
    return trace


async def _check(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
    await fencing.check()
