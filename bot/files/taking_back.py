"""Takes back the files that no answer comes with any more: those of earlier wordings, once the present one stands.

The answer is whole without it: what a platform does not let go, or not in time, is logged and left. What a process that
died has not taken back, the next attempt at the turn does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from bot.capabilities import TakesFilesBack
from bot.errors import DeliveryFailure
from bot.files.attaching import LUXURY_SECONDS, find
from bot.insisting import insist
from bot.lease import Lease
from bot.question import Question
from storage.answers import stands_below
from storage.files import Files
from storage.records import StoredUpload

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TakingBack:
    """Removes files that were posted. Holds what all turns share for it."""

    files: Files

    async def others(self, lease: Lease, question: Question, kept: Collection[str] = ()) -> None:
        """Take back the files of a turn but those of the names `kept`, as far as that goes within `LUXURY_SECONDS`.

        Raises `LeaseLost` and `StorageFailed`.
        """
        claim, adapter = lease.claim, question.adapter
        # The chart of a command may stand elsewhere, before its giver alone.
        may_have_others = claim.kind == "answer" and (claim.attempt > 1 or lease.times_changed > 0)
        if not may_have_others or not isinstance(adapter, TakesFilesBack):
            return
        posted = [each for each in await self.files.uploads(claim.turn_id) if each.state in ("intended", "sent")]
        others = [each for each in posted if each.name not in kept]
        # A question that is deleted is not known any more; the conversation's beginning stands before all of it.
        after = stands_below(question.own[-1].platform_id) if question.own else claim.root or None
        try:
            async with asyncio.timeout(LUXURY_SECONDS):
                for each in others:
                    await self._take_back(lease, adapter, each, after)
        except TimeoutError:
            log.warning("file_left", code="timeout")

    async def _take_back(self, lease: Lease, adapter: TakesFilesBack, upload: StoredUpload, after: str | None) -> None:
        claim = lease.claim

        async def remove() -> None:
            platform_id = upload.platform_id or await find(adapter, claim.address, upload, after)
            if platform_id is not None:
                await lease.make_sure()
                await adapter.take_file_back(claim.address, platform_id, after)

        try:
            await insist(claim.key, remove, LUXURY_SECONDS)
        except DeliveryFailure as failure:
            log.warning("file_left", kind=type(failure).__name__, code=failure.code)
        else:
            await self.files.settle_upload(claim, upload.name, "taken_back")
            log.info("file_taken_back", turn=claim.key)
