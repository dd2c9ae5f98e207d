"""Threads that the bot begins at a message of a channel. Such a thread's id is the message's own."""

from __future__ import annotations

from typing import Final

import structlog
from discord.http import HTTPClient

from adapters.discord import rest
from bot.errors import DeliveryRefused

log = structlog.get_logger(__name__)

EXISTS_ALREADY = "160004"
"""Discord's error code for a message that has its thread."""

LONGEST_NAME = 100
UNNAMED = "Conversation"
MINUTES_TO_ARCHIVE: Final = 1440
"""After a day of silence it leaves the channel list; who writes in it brings it back."""


async def open_thread(http: HTTPClient, channel: str, message_id: str, name: str) -> None:
    """Begin a thread at a message; one that is there already is no error. Raises a `DeliveryFailure`."""
    called = " ".join(name.split())[:LONGEST_NAME].rstrip() or UNNAMED
    try:
        begun = http.start_thread_with_message(
            channel, message_id, name=called, auto_archive_duration=MINUTES_TO_ARCHIVE
        )
        await rest.call(http, begun)
    except DeliveryRefused as refused:
        if refused.code != EXISTS_ALREADY:
            raise
        log.debug("thread_exists_already", message=message_id)
