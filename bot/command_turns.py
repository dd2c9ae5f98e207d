"""A command that was written in a message, carried out as its turn: once, with its answer for the right eyes.

What only its giver is to see is whispered where the platform can do that. What the channel is to know is said to all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from bot.capabilities import Uploads, Whispers
from bot.commanding import command_in
from bot.commands import Commands
from bot.delivery import LiveAnswer
from bot.errors import DeliveryFailure
from bot.files.attaching import Attaching
from bot.files.out import own_name
from bot.insisting import insist
from bot.interactions import OutgoingFile
from bot.lease import Lease
from bot.messages import Reply
from bot.outcome import Outcome, to_row
from bot.private import Reaching, reached
from bot.question import Question
from bot.splitting import split
from storage.records import Claim

log = structlog.get_logger(__name__)

NO_FILE = "The picture that belongs here could not be uploaded: I may lack the permission for files."
TOLD_ALONE = "That is not for everybody here: I've written it to you alone."
NOT_FOR_ALL = "That is not for everybody here. Give it as a slash command, `/parley …`: then you alone see what I say."
# How long the asker is tried alone.
ALONE_FOR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CommandTurns:
    """Runs the turns that are commands."""

    commands: Commands
    attaching: Attaching

    async def run(self, lease: Lease, question: Question, answer: LiveAnswer) -> Outcome:
        """Carry it out and answer it. Raises `StorageFailed`, `LeaseLost` and a `DeliveryFailure`."""
        claim = lease.claim
        result = await self.commands.run(command_in(claim.payload or ""))
        text = result.notice or result.answer.text
        if (file := result.answer.file) is not None and not await self._upload(lease, question, file):
            text += f"\n\n_{NO_FILE}_"
        if not result.notice and not claim.direct:
            if await self._whisper(claim, question, text):
                return Outcome("", None)
            if result.private:
                text = TOLD_ALONE if await self._write_alone(claim, question, text) else NOT_FOR_ALL
        answer.complete(text, to_row(Outcome(text, None)))
        await answer.run()
        return Outcome(text, None)

    async def _upload(self, lease: Lease, question: Question, file: OutgoingFile) -> bool:
        """Show a file where the command stands, or to its giver alone; whether that could be."""
        adapter: object = question.adapter
        if not isinstance(adapter, Uploads):
            return True  # a place without files is not told of one
        claim = lease.claim
        place = claim.address
        own = replace(file, name=own_name(file.name, claim.key))
        after = question.own[-1].platform_id if question.own else None
        try:
            if file.private and not claim.direct:
                reaches: object = question.adapter
                if not isinstance(reaches, Reaching):
                    return False
                place = await insist(claim.key, lambda: reaches.direct(question.asker), ALONE_FOR_SECONDS)
            await self.attaching.once(lease, question.adapter, place, own, after=after, seconds=ALONE_FOR_SECONDS)
        except DeliveryFailure as failure:
            log.warning("file_not_uploaded", code=failure.code)
            return False
        return True

    async def _write_alone(self, claim: Claim, question: Question, text: str) -> bool:
        return await reached(
            question.adapter,
            question.asker,
            text,
            f"{claim.key}-told",
            seconds=ALONE_FOR_SECONDS,
            again=claim.attempt > 1,
        )

    async def _whisper(self, claim: Claim, question: Question, text: str) -> bool:
        """Show something to the asker alone, below what they wrote; whether that could be."""
        adapter = question.adapter
        if not isinstance(adapter, Whispers):
            return False
        fits = adapter.describe().fits
        try:
            for part in split(text, lambda part: fits(Reply(part))):
                await insist(
                    claim.key,
                    lambda part=part: adapter.whisper(claim.address, question.asker, Reply(part)),  # type: ignore[misc]
                )
        except DeliveryFailure as failure:
            log.info("whisper_refused", code=failure.code)
            return False
        return True
