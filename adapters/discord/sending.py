"""Posting, changing and deleting messages: the requests, and what is done where Discord takes only a part of it.

How the bodies look lives in `outgoing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from discord.http import HTTPClient

from adapters.discord import outgoing, rest, threads
from adapters.discord.failures import refuses_reference
from adapters.discord.values import identifier, is_object
from bot.errors import DeliveryRefused, DeliveryUncertain, MessageGone, StandsUnchanged
from bot.messages import Button, PartKey, Reply

log = structlog.get_logger(__name__)


async def send(http: HTTPClient, channel: str, reply: Reply, key: PartKey, reply_to: str | None) -> str:
    """Post a message and return its id; without the reference where that alone is refused.

    With a key that was sent minutes ago it is the message of then, whose text is made this one. Raises a
    `DeliveryFailure`, of which `StandsUnchanged` says that this was refused.
    """
    body = outgoing.new_message(reply, key, reply_to)
    try:
        sent = await rest.call(http, http.send_message(channel, params=rest.body(body)))
    except DeliveryRefused as refused:
        if body.pop("message_reference", None) is None or not refuses_reference(refused):
            raise
        log.info("reply_not_possible", code=refused.code)
        sent = await rest.call(http, http.send_message(channel, params=rest.body(body)))
    message_id = identifier(sent.get("id")) if is_object(sent) else ""
    if not message_id:
        raise DeliveryUncertain("no_id")
    if outgoing.is_older_state(sent, body):
        try:
            await edit(http, channel, message_id, reply)
        except DeliveryRefused as refused:
            raise StandsUnchanged(refused.code, message_id) from None
    return message_id


async def edit(http: HTTPClient, channel: str, message_id: str, reply: Reply) -> None:
    """Give one of the bot's messages a new text. Raises a `DeliveryFailure`."""
    await _change(http, channel, message_id, outgoing.changed_message(reply))


async def set_buttons(http: HTTPClient, channel: str, message_id: str, wanted: Sequence[Button]) -> None:
    """Give one of the bot's messages other buttons; what is not named stays. Raises a `DeliveryFailure`."""
    await _change(http, channel, message_id, {"components": outgoing.rows(wanted)})


async def delete(http: HTTPClient, channel: str, message_id: str) -> None:
    """Take a message back; one that is gone already is no error. Raises a `DeliveryFailure`."""
    try:
        await threads.opened(http, channel, lambda: http.delete_message(channel, message_id))
    except MessageGone:
        log.debug("message_gone_already", message=message_id)


async def _change(http: HTTPClient, channel: str, message_id: str, body: dict[str, Any]) -> None:
    await threads.opened(http, channel, lambda: http.edit_message(channel, message_id, params=rest.body(body)))
