"""Images for the model: fetched from the platform once, scaled, and kept at hand for what is asked of them next."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bot.adapter import Adapter
from bot.backend.completion import Picture
from bot.capabilities import ReadsFiles
from bot.files.fetching import fetched
from bot.files.kinds import PICTURES, Unreadable
from bot.files.left_out import LeftOut
from bot.files.limits import FileLimits
from bot.files.opener import Opener
from bot.messages import Address, Attachment
from storage.records import StoredMessage

log = structlog.get_logger(__name__)

# So many of a conversation's newest are shown.
MOST_PICTURES = 4
# All of a turn's together. An answer without one is better than one that comes too late.
SHOWN_WITHIN_SECONDS = 30.0
KEPT_BYTES = 64 * 1024 * 1024
TOO_SLOW = "it took too long to get or to open"
TOO_MANY = f"only the newest {MOST_PICTURES} pictures of a conversation are shown"


@dataclass(slots=True)
class Pictures:
    """Fetches pictures and has them scaled. Guards those kept at hand, the last used last."""

    opener: Opener
    limits: FileLimits
    _kept: OrderedDict[str, Picture] = field(default_factory=OrderedDict)

    async def of(
        self, adapter: Adapter, address: Address, history: Sequence[StoredMessage]
    ) -> Mapping[int, Sequence[Picture | LeftOut]]:
        """The images of a conversation, by the id of their message: the newest as pictures, of the others why not.

        Never raises: an answer without an image is better than none.
        """
        if not isinstance(adapter, ReadsFiles):
            return {}
        newest = [each for message in reversed(history) for each in reversed(self._among(message))]
        wanted = [(message, attachment) for message, attachment, why_not in newest if not why_not]
        shown = iter(await self._within(adapter, address, wanted[:MOST_PICTURES]))
        by_message: dict[int, list[Picture | LeftOut]] = {}
        for message, attachment, why_not in newest:
            left_out = LeftOut(attachment.name, why_not or TOO_MANY)
            by_message.setdefault(message.id, []).insert(0, left_out if why_not else next(shown, left_out))
        return dict(reversed(by_message.items()))

    def _among(self, message: StoredMessage) -> list[tuple[StoredMessage, Attachment, str]]:
        """The pictures that came with a message, each with the reason why it is not wanted, if it is not."""
        files = zip(message.attachments, self.limits.why_not(message.attachments), strict=True)
        return [(message, file, why_not) for file, why_not in files if file.media_type in PICTURES]

    async def _within(
        self, adapter: ReadsFiles, address: Address, wanted: Sequence[tuple[StoredMessage, Attachment]]
    ) -> list[Picture | LeftOut]:
        """The pictures that can be had in time, in their order; a later turn asks anew for the others."""
        tasks = [asyncio.create_task(self._picture(adapter, address, *each)) for each in wanted]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=SHOWN_WITHIN_SECONDS)
        finally:
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if late:
            log.info("pictures_late", pictures=len(late))
        return [
            LeftOut(attachment.name, TOO_SLOW) if task.cancelled() else task.result()
            for task, (_, attachment) in zip(tasks, wanted, strict=True)
        ]

    async def _picture(
        self, adapter: ReadsFiles, address: Address, message: StoredMessage, attachment: Attachment
    ) -> Picture | LeftOut:
        known = self._kept.pop(attachment.url, None)
        if known is None:
            try:
                data = await fetched(adapter, address, message, attachment, self.limits.bytes)
                known = await self.opener.picture(data, sender=message.author_id)
            except Unreadable as why:
                log.info("picture_unseen", why=str(why))
                return LeftOut(attachment.name, str(why))
        self._kept[attachment.url] = known
        while sum(len(picture.url) for picture in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return known
