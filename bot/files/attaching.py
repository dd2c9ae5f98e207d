"""Puts files below an answer that has landed: each a row before it is sent and settled after, once whatever happens.

A file that was intended and is not known to have landed is looked for by its name, which no other answer's file has.
Where a place takes no files that is one line below the answer, which then stands whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot.adapter import Adapter
from bot.capabilities import FindsFiles, RepeatsSafely, Uploads
from bot.delivery import LiveAnswer
from bot.endings import with_lines
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused
from bot.files import out
from bot.insisting import LAND_FOR_SECONDS, insist
from bot.interactions import OutgoingFile
from bot.lease import Lease
from bot.messages import Address, PartKey
from bot.outcome import Outcome
from bot.pacing import Pace
from bot.question import Question
from bot.wording import listed
from storage.answers import stands_below
from storage.files import Files
from storage.records import StoredUpload, micros_of, now

log = structlog.get_logger(__name__)

# A file that a process posted just before it was killed may still be on its way: Slack shares it after the call.
LANDS_WITHIN_SECONDS = 5.0
# How long a file is tried without which the answer stands whole.
LUXURY_SECONDS = 60.0

REFUSED = "{} could not be attached: I may lack the permission for files here, or it is too large."


@dataclass(frozen=True, slots=True)
class Attaching:
    """Uploads files. Holds what all turns share for it."""

    files: Files
    paces: Mapping[str, Pace]

    async def beside(self, lease: Lease, question: Question, answer: LiveAnswer, outcome: Outcome) -> Collection[str]:
        """Give an answer that has landed its files; the names of those it comes with.

        Raises `LeaseLost`, `StorageFailed`, and the last `DeliveryFailure` of a platform that is down for long, where
        the answer is not whole without its file.
        """
        adapter: object = question.adapter
        if not outcome.said or not isinstance(adapter, Uploads):
            return ()
        key = lease.claim.wording
        wanted = out.beside(outcome.said, "\n".join(out.own_words(message.text) for message in question.own), key)
        if answer.length > min(out.FEW_MESSAGES, question.controls.max_messages):
            wanted = [out.whole(outcome.said, key), *wanted]
        if wanted:
            await answer.confirm()  # the turn's end is not near
        refused = [
            file.name
            for number, file in enumerate(wanted)
            if not await self._attached(lease, question, file, needed=answer.goes_on and number == 0)
        ]
        if refused:
            await self._say(refused, answer, outcome)
        return [file.name for file in wanted]

    async def _say(self, refused: Sequence[str], answer: LiveAnswer, outcome: Outcome) -> None:
        """Let an answer stand whole without its files, with a line on that."""
        named = listed([f"`{name}`" for name in refused])
        answer.complete_whole(with_lines(outcome.text, [REFUSED.format(named)]))
        try:
            await answer.run()
        except DeliveryRefused as failure:
            log.warning("refusal_unsaid", code=failure.code)

    async def _attached(self, lease: Lease, question: Question, file: OutgoingFile, *, needed: bool) -> bool:
        """Whether a file stands below the answer. Raises a `DeliveryFailure` only where the file is `needed`."""
        after = stands_below(question.own[-1].platform_id) if question.own else None
        seconds = LAND_FOR_SECONDS if needed else LUXURY_SECONDS
        try:
            await self.once(lease, question.adapter, lease.claim.address, file, after=after, seconds=seconds)
        except DeliveryFailure as failure:
            if needed and not isinstance(failure, DeliveryRefused):
                raise
            log.warning("file_not_attached", kind=type(failure).__name__, code=failure.code)
            return False
        return True

    async def once(
        self,
        lease: Lease,
        adapter: Adapter,
        address: Address,
        file: OutgoingFile,
        *,
        after: str | None,
        seconds: float,
    ) -> None:
        """Post a file of a turn, unless an earlier attempt has. Its name must be the turn's own.

        `after`: a message that stands before it. Raises `LeaseLost`, `StorageFailed` and a `DeliveryFailure`: at once
        where the place refuses it, or has refused it before.
        """
        claim = lease.claim
        earlier = {each.name: each for each in await self.files.uploads(claim.turn_id)} if claim.attempt > 1 else {}
        known = earlier.get(file.name)
        if known is not None and known.state == "sent":
            return
        if known is not None and known.state == "refused":
            raise DeliveryRefused("refused_before")
        intended = known if known is not None and known.state == "intended" else None
        posting = _Posting(self, lease, adapter, address, file, after, intended)
        try:
            platform_id = await insist(claim.key, posting.run, seconds)
        except DeliveryRefused:
            await self.files.settle_upload(claim, file.name, "refused")
            raise
        await self.files.settle_upload(claim, file.name, "sent", platform_id)


@dataclass(slots=True)
class _Posting:
    """One file on its way. Guards what is known of it: `intended` is None as long as it cannot have landed."""

    attaching: Attaching
    lease: Lease
    adapter: Adapter
    address: Address
    file: OutgoingFile
    after: str | None
    intended: StoredUpload | None

    async def run(self) -> str:
        """Post it, once it is sure that it does not stand there already; the platform's id of it.

        Raises a `DeliveryFailure` and `LeaseLost`.
        """
        adapter: object = self.adapter
        if not isinstance(adapter, Uploads):
            raise DeliveryRefused("no_files")
        claim = self.lease.claim
        if self.intended is None or not self._can_repeat(self.intended):
            if self.intended is not None:
                found = await find(self.adapter, self.address, self.intended, self.after)
                if found is not None:
                    log.info("file_reconciled", turn=claim.key)
                    return found
            await self.attaching.files.intend_upload(claim, self.file.name)
            self.intended = StoredUpload(self.file.name, "intended", now())
        pace = self.attaching.paces[self.address.platform]
        try:
            with await pace.take("send", self.address):
                # Waiting takes time, in which the process may have been stopped.
                await self.lease.make_sure()
                return await adapter.upload(self.address, self.file, key=PartKey(f"{claim.key}/{self.file.name}", 1))
        except DeliveryDelayed as delayed:
            pace.hold("send", self.address, delayed.retry_after)
            raise

    def _can_repeat(self, intended: StoredUpload) -> bool:
        """Whether posting it again gives the message that is there, if there is one."""
        adapter: object = self.adapter
        return isinstance(adapter, RepeatsSafely) and now() < intended.intended_at + micros_of(adapter.repeat_seconds)


async def find(adapter: object, address: Address, intended: StoredUpload, after: str | None) -> str | None:
    """The platform's id of a file that was intended, None where it did not land. Raises a `DeliveryFailure`."""
    if not isinstance(adapter, FindsFiles):
        return None
    on_its_way = intended.intended_at + micros_of(LANDS_WITHIN_SECONDS) - now()
    await asyncio.sleep(max(0, on_its_way) / 1_000_000)
    return await adapter.find_file(address, intended.name, after)
