"""The requests that answer an interaction: its first response in time, later ones for the 15 minutes after.

What is said, and when, is decided in `commands.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from discord.http import HTTPClient, Route

from adapters.discord import rest
from adapters.discord.failures import ALREADY_ACKNOWLEDGED
from adapters.discord.interactions import Ticket
from adapters.discord.uploads import with_file
from bot.errors import DeliveryFailure, DeliveryUncertain
from bot.interactions import OutgoingFile

MESSAGE, DEFERRED, UNCHANGED, SUGGESTIONS, MODAL = 4, 5, 6, 8, 9
"""Interaction callback types. A deferral says that an answer follows; only this first response fixes who sees it. Of a
button, `UNCHANGED` says that its message is changed later, if at all, and nothing more."""


async def respond(http: HTTPClient, ticket: Ticket, response: dict[str, Any], due: float) -> None:
    """Give the first response, in two tries until `due` (the loop's time).

    Raises a `DeliveryFailure` where it is too late or another worker has the interaction.
    """
    # Named as discord.py's own rate limiter wants it: each interaction is a bucket of its own.
    route = Route(
        "POST",
        "/interactions/{webhook_id}/{webhook_token}/callback",
        webhook_id=int(ticket.id),
        webhook_token=ticket.token,
    )
    lost = False
    for tries in (2, 1):
        seconds = (due - asyncio.get_running_loop().time()) / tries
        if seconds <= 0:
            break
        try:
            await rest.call(http, http.request(route, json=response), seconds)
        except DeliveryUncertain:
            lost = True
        except DeliveryFailure as failure:
            if lost and failure.code == ALREADY_ACKNOWLEDGED:
                return  # by our own first try, whose answer did not come through
            raise
        else:
            return
    raise DeliveryUncertain("timeout")


async def edit_original(
    http: HTTPClient, ticket: Ticket, message: dict[str, Any], file: OutgoingFile | None = None
) -> None:
    """Put an answer where the deferral stands. Raises a `DeliveryFailure`."""
    await _send(http, _webhook("PATCH", "/messages/@original", ticket), message, file)


async def follow_up(http: HTTPClient, ticket: Ticket, message: dict[str, Any]) -> None:
    """Say more after the first answer. Raises a `DeliveryFailure`."""
    await _send(http, _webhook("POST", "", ticket), message, None)


def _webhook(method: str, tail: str, ticket: Ticket) -> Route:
    return Route(
        method,
        "/webhooks/{webhook_id}/{webhook_token}" + tail,
        webhook_id=int(ticket.application_id),
        webhook_token=ticket.token,
    )


async def _send(http: HTTPClient, route: Route, message: dict[str, Any], file: OutgoingFile | None) -> None:
    if file is None:
        await rest.call(http, http.request(route, json=message))
        return
    with with_file(message, file) as params:
        await rest.call(http, http.request(route, form=params.multipart, files=params.files))
