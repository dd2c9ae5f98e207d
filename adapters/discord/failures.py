"""What Discord and the network say when a request fails → the delivery failures of `bot/errors.py`."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import aiohttp
import discord

from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone

EDITS_NO_MORE = frozenset({"10008", "30046"})
"""Discord's error codes for a message that is no longer there, and for one over an hour old edited too often."""

NO_HISTORY_TO_REPLY_IN = "160002"
"""Discord's error code for a reply by one who may not read the channel's history."""

INVALID_BODY = "50035"
"""Discord's error code for a body it does not take; its `errors` name the fields."""

UNAUTHORIZED = "401"
"""The code of a `DeliveryDelayed` that stands for a refused token."""

UNAUTHORIZED_SECONDS = 30.0
"""The wait after one: 10,000 refused requests in ten minutes would ban the address."""

ALREADY_ACKNOWLEDGED = "40060"
"""Discord's error code for an interaction that has been answered."""

_CODE = re.compile(r"[\w.-]{1,64}")
"""What a code may look like: it is logged and stored, and anything may stand in its field."""

NOT_CONNECTED = "not_connected"

LEAST_SECONDS, MOST_SECONDS = 0.25, 3600.0
"""No wait that Discord asks for is taken to be shorter or longer: asked again at once, a limit that says 0 would be
met until the address is banned."""

PASSING = frozenset({"40333"})
"""Discord's error codes for what Cloudflare refused in front of it: https://github.com/discord/discord-api-docs/issues/6473"""

NOT_SERVED = frozenset({"404", "405", "410", "501"})
"""HTTP's own, where no word of Discord's comes with them: there is no such address, or not for this method."""

THREAD_ARCHIVED = "50083"
"""Discord's error code for a message in a thread that has been closed, or was silent for long."""


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


def refuses_reference(failure: DeliveryFailure) -> bool:
    """Whether a message was refused for what it replies to alone; `failure` as `rest.call` raised it."""
    if failure.code == NO_HISTORY_TO_REPLY_IN:
        return True
    error = failure.__cause__
    if failure.code != INVALID_BODY or not isinstance(error, discord.HTTPException):
        return False
    fields = _body(error).get("errors")
    return isinstance(fields, dict) and fields.keys() == {"message_reference"}


def _answered(error: discord.HTTPException) -> DeliveryFailure:
    body = _body(error)
    its_own = body.get("code")
    code = next((c for c in (its_own, error.code) if c and isinstance(c, int | str)), error.status)
    code = code if _CODE.fullmatch(code := str(code)) else str(error.status)
    if error.status == 429:
        return DeliveryDelayed("429", _retry_after(error, body))
    if error.status >= 500 or error.status == 408:
        return DeliveryUncertain(str(error.status))
    if error.status == 401:
        return DeliveryDelayed(UNAUTHORIZED, UNAUTHORIZED_SECONDS)
    if its_own is None or code in PASSING:
        # A page by Cloudflare or a proxy, with any status: each refusal of Discord's own has a code, be it 0.
        return DeliveryUncertain(code)
    return MessageGone(code) if code in EDITS_NO_MORE else DeliveryRefused(code)


def _retry_after(error: discord.HTTPException, body: dict[str, Any]) -> float:
    headers = error.response.headers
    for value in (body.get("retry_after"), headers.get("Retry-After"), headers.get("X-RateLimit-Reset-After")):
        try:
            return _seconds(float(str(value)))
        except ValueError:
            continue
    return 1.0


def _seconds(value: float) -> float:
    return min(max(value, LEAST_SECONDS), MOST_SECONDS) if math.isfinite(value) else 1.0


def _body(error: discord.HTTPException) -> dict[str, Any]:
    """The answer's JSON. The exception keeps the code and the message of it alone, the response keeps it whole."""
    try:
        body = json.loads(getattr(error.response, "_body", None) or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
