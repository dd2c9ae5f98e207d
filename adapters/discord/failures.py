"""What Discord and the network say when a request fails → the delivery failures of `bot/errors.py`."""

from __future__ import annotations

import json
import math
from typing import Any

import aiohttp
import discord

from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone

UNKNOWN_MESSAGE = 10008
"""Discord's error code for a message that is no longer there."""

ALREADY_ACKNOWLEDGED = "40060"
"""Discord's error code for an interaction that has been answered."""

NOT_CONNECTED = "not_connected"

MOST_SECONDS = 3600.0
"""No wait that Discord asks for is taken to be longer."""


def delivery_failure(error: Exception) -> DeliveryFailure:
    """The failure that an exception of discord.py's HTTP client comes to.

    Error codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
    """
    if isinstance(error, discord.RateLimited):
        return DeliveryDelayed("429", _seconds(error.retry_after))
    if isinstance(error, discord.HTTPException):
        return _answered(error)
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
        # aiohttp's word for a closed session: the connection is being built anew, nothing was sent.
        return DeliveryDelayed(NOT_CONNECTED)
    if isinstance(error, aiohttp.ClientConnectorError):
        return DeliveryUncertain("unreachable")
    return DeliveryUncertain(type(error).__name__)


def _answered(error: discord.HTTPException) -> DeliveryFailure:
    body = _body(error)
    code = str(body.get("code") or error.code or error.status)
    if error.status == 429:
        return DeliveryDelayed("429", _retry_after(error, body))
    if error.status >= 500 or error.status == 408:
        return DeliveryUncertain(str(error.status))
    return MessageGone(code) if code == str(UNKNOWN_MESSAGE) else DeliveryRefused(code)


def _retry_after(error: discord.HTTPException, body: dict[str, Any]) -> float:
    headers = error.response.headers
    for value in (body.get("retry_after"), headers.get("Retry-After"), headers.get("X-RateLimit-Reset-After")):
        try:
            return _seconds(float(str(value)))
        except ValueError:
            continue
    return 1.0


def _seconds(value: float) -> float:
    return min(max(value, 0.0), MOST_SECONDS) if math.isfinite(value) else 1.0


def _body(error: discord.HTTPException) -> dict[str, Any]:
    """The answer's JSON. The exception keeps the code and the message of it alone, the response keeps it whole."""
    try:
        body = json.loads(getattr(error.response, "_body", None) or b"")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
