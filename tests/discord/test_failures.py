"""What Discord and the network say comes to one of the four delivery failures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from adapters.discord.failures import delivery_failure
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone


def said(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> discord.HTTPException:
    """The library's exception for an answer, as it makes it of a response that was read."""
    response: Any = SimpleNamespace(status=status, reason="", headers=headers or {}, _body=body)
    return discord.HTTPException(response, body.decode())


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (said(400, b'{"code": 50035}'), DeliveryRefused, "50035"),
        (said(400, b'{"code": 30046}'), MessageGone, "30046"),
        (said(429, b'{"code": 30046}'), DeliveryDelayed, "429"),
        (said(400, b'{"code": 160002}'), DeliveryRefused, "160002"),
        (said(403, b'{"code": 40001}'), DeliveryRefused, "40001"),
        (said(401, b'{"code": 0}'), DeliveryDelayed, "401"),
        (said(401, b'{"code": 40001}'), DeliveryDelayed, "401"),
        (said(404, b'{"message": "404: Not Found", "code": 0}'), DeliveryRefused, "404"),
        (said(404, b"<html>"), DeliveryUncertain, "404"),
        (said(403, b"<html>"), DeliveryUncertain, "403"),
        (said(400), DeliveryUncertain, "400"),
        (said(409, b"[]"), DeliveryUncertain, "409"),
        (said(403, b'{"message": "internal network error", "code": 40333}'), DeliveryUncertain, "40333"),
        (said(404, b'{"code": 10008}'), MessageGone, "10008"),
        (said(403, b'{"code": "what people said"}'), DeliveryRefused, "403"),
        (said(403, b'{"code": {"said": "secret"}}'), DeliveryRefused, "403"),
        (said(403, b'{"code": "' + b"x" * 65 + b'"}'), DeliveryRefused, "403"),
        (said(404, b"[" * 100_000), DeliveryUncertain, "404"),
        (said(500), DeliveryUncertain, "500"),
        (said(599, b'{"code": 50001}'), DeliveryUncertain, "599"),
        (said(408), DeliveryUncertain, "408"),
        (TimeoutError(), DeliveryUncertain, "TimeoutError"),
        (ConnectionResetError(), DeliveryUncertain, "ConnectionResetError"),
        (aiohttp.ServerDisconnectedError(), DeliveryUncertain, "ServerDisconnectedError"),
        (KeyError("x"), DeliveryUncertain, "KeyError"),
        (RuntimeError("Session is closed"), DeliveryDelayed, "not_connected"),
        (RecursionError(), DeliveryUncertain, "RecursionError"),
    ],
)
def test_every_error_has_its_failure(error: Exception, kind: type[DeliveryFailure], code: str) -> None:
    failure = delivery_failure(error)
    assert type(failure) is kind
    assert failure.code == code


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (b'{"retry_after": 2.5}', {"Retry-After": "9"}, 2.5),
        (b'{"retry_after": "2.5"}', {}, 2.5),
        (b'{"retry_after": null}', {"Retry-After": "9"}, 9.0),
        (b"", {"X-RateLimit-Reset-After": "3.5"}, 3.5),
        (b"", {"Retry-After": "soon", "X-RateLimit-Reset-After": "3.5"}, 3.5),
        (b"", {"Retry-After": "nan"}, 1.0),
        (b"", {"Retry-After": "inf"}, 1.0),
        (b"", {"Retry-After": "-4"}, 0.25),
        (b'{"retry_after": 0.0}', {}, 0.25),
        (b"", {"Retry-After": "99999999"}, 3600.0),
        (b"", {}, 1.0),
    ],
)
def test_the_wait_is_taken_from_wherever_discord_names_it(body: bytes, headers: dict[str, str], seconds: float) -> None:
    failure = delivery_failure(said(429, body, headers))
    assert isinstance(failure, DeliveryDelayed)
    assert failure.retry_after == seconds


def test_a_wait_the_library_refuses_is_handed_on() -> None:
    failure = delivery_failure(discord.RateLimited(75.0))
    assert isinstance(failure, DeliveryDelayed)
    assert failure.retry_after == 75.0
