"""Threads that the bot begins at a message of a channel, and those that were archived while it has to do with them.

The id of a thread that is begun at a message is the message's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from discord.http import HTTPClient

from adapters.discord import rest
from adapters.discord.failures import THREAD_ARCHIVED
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


async def opened(http: HTTPClient, channel: str, request: Callable[[], Awaitable[Any]]) -> Any:
    """What a request on the messages of a channel gives; an archived thread is opened again for it.

    Posting opens a thread by itself; what changes a message that stands there does not:
    https://docs.discord.com/developers/topics/threads. Raises a `DeliveryFailure`, which is a refusal where the thread
    is locked.
    """
    try:
        return await rest.call(http, request())
    except DeliveryRefused as refused:
        if refused.code != THREAD_ARCHIVED:
            raise
    await rest.call(http, http.edit_channel(channel, archived=False))
    log.info("thread_opened_again", thread=channel)
    return await rest.call(http, request())
