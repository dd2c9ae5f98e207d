"""What became of a message of an answer that may have been sent: does it stand at the platform, and as which?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bot import crash
from bot.adapter import Adapter
from bot.capabilities import FindsReplies, RepeatsSafely, Trace
from bot.errors import DeliveryRefused, FateUnknown, StandsUnchanged
from bot.messages import Button, Reply
from storage.records import Claim, SentPart, micros_of, now
from storage.turns import Turns

log = structlog.get_logger(__name__)

# A message that a process sent just before it was killed may still be on its way: nobody looks for it before that.
LANDS_WITHIN_SECONDS = 3.0


@dataclass(slots=True)
class Part:
    """One message of an answer: what it shows, its text None where that is not known (an earlier process sent it).

    `intended_at`: when it was first tried to send it, in microseconds since the epoch. `streams`: it grows by a stream
    of this process. `unsent`: it can't be there, as every try of it was refused for certain.
    """

    number: int
    platform_id: str | None
    text: str | None
    intended_at: int
    streams: bool = False
    unsent: bool = False
    buttons: tuple[Button, ...] = ()


def can_repeat(adapter: Adapter, part: Part) -> bool:
    """Whether sending it again gives the message that is there, if there is one."""
    return isinstance(adapter, RepeatsSafely) and now() < part.intended_at + micros_of(adapter.repeat_seconds)


@dataclass(frozen=True, slots=True)
class Fates:
    """Finds the messages of the turn of `claim`."""

    adapter: Adapter
    turns: Turns
    claim: Claim

    async def settle(self, part: Part, trace: Trace) -> None:
        """Find out whether a message that was intended did land after all: then the part has its id.

        Raises a `DeliveryFailure`, which is `FateUnknown` where it can't be found out, `LeaseLost` and `StorageFailed`.
        """
        if can_repeat(self.adapter, part):
            return
        part.platform_id = await self._find(part, trace)
        if part.platform_id is not None:
            log.info("part_reconciled", turn=self.claim.key, number=part.number)
            await self.turns.confirm_part(self.claim, SentPart(part.number, part.platform_id))
        else:
            part.intended_at = now()
            await self.turns.intend_part(self.claim, part.number)

    async def to_take_back(self, part: Part, trace: Trace) -> str | None:
        """The id of a message that is to be removed, None where it did not land. Raises as `settle` does."""
        if can_repeat(self.adapter, part):
            # Sending again gives the message that is there; what was not there is deleted at once.
            try:
                return await self.adapter.send(self.claim.address, Reply("…"), trace.key)
            except StandsUnchanged as unchanged:
                return unchanged.message_id
        return await self._find(part, trace)

    async def _find(self, part: Part, trace: Trace) -> str | None:
        if not isinstance(self.adapter, FindsReplies):
            return None
        on_its_way = part.intended_at + micros_of(LANDS_WITHIN_SECONDS) - now()
        await asyncio.sleep(max(0, on_its_way) / 1_000_000)
        try:
            found = await self.adapter.find_replies(self.claim.address, trace)
        except DeliveryRefused as refused:
            raise FateUnknown(refused.code) from None
        crash.point("in_recovery")
        of_others = await self.turns.parts_among(found)
        return next((platform_id for platform_id in found if platform_id not in of_others), None)
