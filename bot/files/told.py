"""What files are that came by their ids alone: the platform is asked once, and what it tells is kept with the message.

Slack does so in channels shared with other companies: neither name nor kind is known before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.capabilities import TellsOfFiles
from bot.errors import DeliveryFailure
from bot.files.fetching import FETCHED_WITHIN_SECONDS
from bot.insisting import insist
from bot.messages import Attachment
from storage.inbox import Inbox
from storage.records import StoredMessage

log = structlog.get_logger(__name__)

# So many of a conversation's newest messages are asked about at one turn: each file takes a call.
MOST_MESSAGES = 8


async def told(adapter: object, inbox: Inbox, history: Sequence[StoredMessage]) -> list[StoredMessage]:
    """The same messages, with their files as the platform tells of them now. Raises `StorageFailed` alone.

    What is not told just now is asked for again at the next turn.
    """
    untold = [m for m in history if m.role == "user" and any(each.missing == "untold" for each in m.attachments)]
    if not untold or not isinstance(adapter, TellsOfFiles):
        return list(history)
    asked = untold[-MOST_MESSAGES:]
    found = dict(
        zip([m.id for m in asked], await asyncio.gather(*(_of_message(adapter, m) for m in asked)), strict=True)
    )
    for message in asked:
        if not any(each.missing == "later" for each in found[message.id]):
            await inbox.name_files(message.id, message.attachments, found[message.id])
    return [m._replace(attachments=found.get(m.id, m.attachments)) for m in history]


async def _of_message(adapter: TellsOfFiles, message: StoredMessage) -> tuple[Attachment, ...]:
    return tuple([await _told(adapter, message, file) for file in message.attachments])


async def _told(adapter: TellsOfFiles, message: StoredMessage, file: Attachment) -> Attachment:
    if file.missing != "untold":
        return file
    what = f"file of message {message.id}"
    try:
        return await insist(what, lambda: adapter.file_told(file), FETCHED_WITHIN_SECONDS, within=True)
    except DeliveryFailure as failure:
        log.warning("file_untold", code=failure.code)
        return replace(file, missing="later")
