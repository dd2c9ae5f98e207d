"""Gets what came with a message from its platform: bounded, tried again for a moment, its address renewed if stale."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog

from bot.capabilities import ReadsFiles, RenewsFiles
from bot.errors import DeliveryFailure, DeliveryRefused
from bot.files.kinds import Unreadable
from bot.insisting import insist
from bot.messages import Address, Attachment
from storage.records import StoredMessage

log = structlog.get_logger(__name__)

# How long a platform is asked again that does not give a file just now.
FETCHED_WITHIN_SECONDS = 15.0

GONE = "it is gone from the platform, or closed to me"
ELSEWHERE = "it is kept elsewhere, not on the platform"
NO_PERMISSION = "I lack the permission to read files: an admin can give me `files:read`"
DELETED = "it was deleted"
HIDDEN = "the workspace's plan hides it, as there are too many files or it is too old"
NOT_NOW = "the platform did not give it to me just now"
_TOO_LARGE = "it is larger than {} MB"
# The codes of a refusal that say more than that the file is gone; `adapters/files.py` lists them.
_MISSING = {"deleted": DELETED, "hidden": HIDDEN, "unscoped": NO_PERMISSION}
_REASONS = {"foreign_host": ELSEWHERE, "html": NO_PERMISSION, "redirected": NO_PERMISSION}


class NotNow(Unreadable):
    """A file that may be had later."""


def too_large(most_bytes: int) -> str:
    """Why a file of more bytes is left out."""
    return _TOO_LARGE.format(f"{most_bytes / (1024 * 1024):.3g}")


async def fetched(
    adapter: ReadsFiles, address: Address, message: StoredMessage, file: Attachment, most_bytes: int
) -> bytes:
    """The file's bytes. Raises `Unreadable`, and of it `NotNow` where it is worth trying another time."""
    if file.missing in ("untold", "later"):
        raise NotNow(NOT_NOW)
    if file.missing:
        raise Unreadable(_MISSING.get(file.missing, GONE))
    if file.size > most_bytes:
        raise Unreadable(too_large(most_bytes))
    try:
        return await _read(adapter, address, message, file, most_bytes)
    except DeliveryRefused as refused:
        log.warning("file_unread", code=refused.code)
        if refused.code == "too_large":
            raise Unreadable(too_large(most_bytes)) from None
        raise Unreadable(_REASONS.get(refused.code, GONE)) from None
    except DeliveryFailure as failure:
        log.warning("file_unread", code=failure.code)
        raise NotNow(NOT_NOW) from None


async def _read(
    adapter: ReadsFiles, address: Address, message: StoredMessage, file: Attachment, most_bytes: int
) -> bytes:
    what = f"file of message {message.id}"
    try:
        return await insist(what, lambda: adapter.read_file(file, most_bytes), FETCHED_WITHIN_SECONDS)
    except DeliveryRefused as refused:
        if refused.code in ("foreign_host", "too_large", "html") or not isinstance(adapter, RenewsFiles):
            raise
        renews: RenewsFiles = adapter
        current = await insist(what, lambda: renews.files_now(address, message.platform_id), FETCHED_WITHIN_SECONDS)
        fresh = next((each for each in current if _same(each, file) and each.url != file.url), None)
        if fresh is None:
            raise
        return await insist(what, lambda: adapter.read_file(fresh, most_bytes), FETCHED_WITHIN_SECONDS)


def _same(one: Attachment, other: Attachment) -> bool:
    """Whether two addresses are of one file: only what signs them changes."""
    return urlsplit(one.url).path == urlsplit(other.url).path
