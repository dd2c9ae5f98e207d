"""Requests through discord.py's HTTP client: one deadline each, failures as ours, and its global limit kept sound.

The client's own rate-limit buckets order and pace what goes out. What a request means lives with its caller.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from discord.http import HTTPClient, MultipartParameters

from adapters.discord.failures import NOT_SERVED, delivery_failure
from bot.errors import DeliveryRefused, DeliveryUncertain, ParleyError

DEADLINE = 45.0
"""Seconds for a request with all waiting in buckets and all of the library's own retries."""

LUXURY_DEADLINE = 3.0
"""Seconds for a request whose answer is good to have, no more."""

LOOKS, LOOK_AGAIN_SECONDS = 3, 1.0
"""How often an address is asked that says there is nothing, and how long after each other."""

LONGEST_WAIT = 30.0
"""Seconds: discord.py refuses longer rate limits at once (`max_ratelimit_timeout`, of which this is the least)."""


async def call(http: HTTPClient, request: Awaitable[Any], deadline: float = DEADLINE) -> Any:
    """Await one of the HTTP client's requests and return its JSON. Raises a `DeliveryFailure`."""
    try:
        async with asyncio.timeout(deadline):
            answer = await request
    except asyncio.CancelledError:
        _free_global_limit(http)
        raise
    except TimeoutError as error:
        _free_global_limit(http)
        raise DeliveryUncertain("timeout") from error
    except ParleyError:
        _free_global_limit(http)
        raise  # it was not sent, see `adapters.fencing`
    except Exception as error:
        raise delivery_failure(error) from error
    return decoded(answer)


async def read(http: HTTPClient, request: Callable[[], Awaitable[Any]]) -> Any:
    """As `call`, for what reads and may be repeated: an address that keeps saying there is nothing is a refusal.

    It may be a proxy's word for a moment. Messages that were posted to such an address are tried for longer.
    """
    for _ in range(LOOKS - 1):
        try:
            return await call(http, request())
        except DeliveryUncertain as failure:
            if failure.code not in NOT_SERVED:
                raise
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    try:
        return await call(http, request())
    except DeliveryUncertain as failure:
        if failure.code not in NOT_SERVED:
            raise
        raise DeliveryRefused(failure.code) from failure


def decoded(answer: Any) -> Any:
    """discord.py hands JSON through as text unless its content type is `application/json` to the letter."""
    if not isinstance(answer, str):
        return answer
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return answer


def body(payload: dict[str, Any]) -> MultipartParameters:
    """A JSON body as discord.py's message requests take it."""
    return MultipartParameters(payload=payload, multipart=None, files=None)


def _free_global_limit(http: HTTPClient) -> None:
    """Make sure that the global rate limit ends.

    discord.py closes a gate for all requests while one of them sleeps the global limit out; where that one is
    cancelled, nobody would open the gate again.
    """
    gate = getattr(http, "_global_over", None)
    if isinstance(gate, asyncio.Event) and not gate.is_set():
        asyncio.get_running_loop().call_later(LONGEST_WAIT, gate.set)
