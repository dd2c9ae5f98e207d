"""How a turn ends: its answer stands, or the place refused it, or nobody asks it any more, or it is given up.

Each end is stored once, and last: after it nobody would come back to what is still shown.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from bot import budgets, crash, endings, troubles
from bot.adapter import Adapter
from bot.alerts import Alerts
from bot.delivery import LiveAnswer
from bot.errors import DeliveryRefused, FateUnknown, TurnAbandoned
from bot.files.taking_back import TakingBack
from bot.lately import Lately
from bot.lease import Lease
from bot.messages import Author
from bot.outcome import Outcome, from_row
from bot.presence import Presence
from bot.private import reached
from bot.question import Question
from bot.settings import Settings
from storage.records import Answer, Claim
from storage.turns import Turns

log = structlog.get_logger(__name__)

# How long an asker is tried alone whose place takes nothing.
ALONE_FOR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class TurnEnds:
    """Ends turns. Holds what they share for it.

    Each of its functions raises `LeaseLost` where another worker has the turn, and `StorageFailed`.
    """

    turns: Turns
    settings: Settings
    alerts: Alerts
    taking_back: TakingBack
    lately: Lately

    async def landed(
        self,
        lease: Lease,
        question: Question,
        answer: LiveAnswer,
        presence: Presence,
        *,
        outcome: Outcome,
        files: Collection[str],
    ) -> None:
        """The whole answer stands, and the `files` of these names below it."""
        claim = lease.claim
        if claim.attempt > 1 or lease.times_changed or presence.stays(posted=answer.posted):
            await answer.confirm()  # the end is not near
        await self.taking_back.others(lease, question, files)
        await presence.clear(posted=answer.posted, left_behind=claim.attempt > 1)
        self.alerts.well(troubles.proven_by_landing(claim.address), time.monotonic())
        description = question.adapter.describe()
        crash.point("before_finish")
        stored = outcome.said and Answer(answer.first_id, description.bot_id, description.bot_name, outcome.said)
        await self.turns.finish(
            claim,
            "failed" if outcome.failure else "answered",
            answer=stored or None,
            used=outcome.used,
            failure=outcome.failure,
            reserved=self._reserves(question),
            sent=answer.unconfirmed,
        )
        answer.confirmed()
        if stored:
            author = Author(description.bot_id, description.bot_name, is_bot=True)
            self.lately.answered(claim.address, answer.first_id, author, outcome.said or "")
        log.info("turn_ended", failure=outcome.failure, model=outcome.used.model if outcome.used else None)

    async def refused(
        self, lease: Lease, question: Question, answer: LiveAnswer, presence: Presence, refused: DeliveryRefused
    ) -> None:
        """The place does not take the answer: that is said there, or to the asker alone, and to the admins."""
        claim = lease.claim
        told = await self._say_of_refusal(claim, question, answer, refused)
        log.error("delivery_refused", kind=type(refused).__name__, code=refused.code, told=told)
        self.alerts.tell(troubles.with_place(refused, claim.address))
        await presence.clear(posted=answer.posted, left_behind=claim.attempt > 1)
        await self.turns.finish(
            claim,
            "failed",
            used=from_row(claim.outcome).used if claim.outcome else lease.used,
            failure=f"DeliveryRefused {refused.code}"[:64],
            reserved=self._reserves(question),
            sent=answer.unconfirmed,
        )
        answer.confirmed()

    async def withdrawn(self, lease: Lease, question: Question, answer: LiveAnswer, presence: Presence) -> None:
        """Every question of it was deleted: what has been shown goes too."""
        claim = lease.claim
        await answer.withdraw()
        await self.taking_back.others(lease, question)
        await presence.clear(posted=False, left_behind=claim.attempt > 1)
        await self.turns.finish(claim, "cancelled", reserved=self._reserves(question))

    async def abandoned(self, lease: Lease, adapter: Adapter) -> None:
        """It can't even be said that it is given up: that is left to the operator."""
        claim = lease.claim
        log.error("turn_given_up", turn=claim.key, crashes=claim.crashes, attempt=claim.attempt)
        self.alerts.tell(troubles.abandoned(endings.reference(claim)))
        await Presence(adapter, lease).clear(posted=False, left_behind=True)
        await self.turns.finish(claim, "failed", failure=TurnAbandoned.__name__)

    async def _say_of_refusal(
        self, claim: Claim, question: Question, answer: LiveAnswer, refused: DeliveryRefused
    ) -> bool:
        """Say that the answer was not taken, in its place or to the asker alone; whether that was possible."""
        try:
            if isinstance(refused, FateUnknown):
                raise refused
            sentence = endings.kept(question.earlier, endings.apology(claim, refused))
            under = question.buttons_after(sentence) if sentence.keeps else ()
            said = await answer.say_instead(sentence.text, under)
        except FateUnknown as unknown:
            # It may stand there: nothing of it is said anywhere a second time.
            return await answer.say_below(endings.apology(claim, unknown).text)
        return said or await self._write_alone(claim, question, answer.words.text)

    async def _write_alone(self, claim: Claim, question: Question, text: str) -> bool:
        """Write to the asker alone where the place takes not even a sentence; whether that was possible."""
        told, again = endings.alone(claim, text), claim.attempt > 1
        return await reached(
            question.adapter, question.asker, told, f"{claim.key}-alone", seconds=ALONE_FOR_SECONDS, again=again
        )

    def _reserves(self, question: Question) -> bool:
        """Whether money may be set aside for a question: where a budget holds."""
        return bool(budgets.bounds(question.controls, self.settings))
