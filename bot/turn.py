"""One turn, from its claim to its end: read what was said, ask the model, show the answer; the end is `turn_ends.py`'s.

Whatever goes wrong inside ends in one sentence that the asker sees, or in the turn going back to the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import structlog

from bot import buttons, crash, endings, fencing, revisions, troubles
from bot.adapter import Adapter
from bot.alerts import Alerts
from bot.asking import Asker
from bot.capabilities import HearsBeginnings, HearsEnds, OpensThreads, Uploads
from bot.command_turns import CommandTurns
from bot.controls.held import HeldControls
from bot.delivery import LiveAnswer
from bot.errors import DeliveryFailure, DeliveryRefused, QuestionChanged, TurnGivenUp
from bot.files.attaching import Attaching
from bot.files.enclosures import Enclosures
from bot.insisting import insist
from bot.late import late_word
from bot.lease import Lease
from bot.outcome import Outcome, from_row, to_row
from bot.pacing import Pace
from bot.presence import Presence
from bot.question import Question, bare_question, read_question
from bot.settings import Settings
from bot.surroundings import Surroundings
from bot.turn_ends import TurnEnds
from bot.words import Words
from storage import Store
from storage.answers import stands_below
from storage.records import Claim, now
from storage.retention import since

log = structlog.get_logger(__name__)

# A turn that ran so often when its process died, or into a bug, is not tried again. Mostly it is not its doing (a host
# that restarts, a machine out of memory), and few tries would end the question of somebody with bad luck; a host that
# counts leaves no room for many: https://fly.io/docs/machines/guides-examples/machine-restart-policy/ allows 10
# restarts. From the third death on it stands back first (`storage/leasing.py`).
MOST_CRASHES = 8
# One that can't even say so is left for the operator: after two deaths more, or after about a day of a platform that
# takes nothing. Attempts are never counted anew: once somebody has it tried again, the same number is given again.
SILENT_CRASHES = 10
MOST_ATTEMPTS = 100
# Hosts kill some seconds after the grace (Heroku: 30 s for a grace of 25).
HAND_OVER_SECONDS = 2.0
# Discord's are 1–100 characters long.
THREAD_NAME_CHARACTERS = 90


@dataclass(frozen=True, slots=True)
class TurnRunner:
    """Runs turns. Holds what they share."""

    store: Store
    asker: Asker
    commands: CommandTurns
    controls: HeldControls
    settings: Settings
    adapters: Mapping[str, Adapter]
    paces: Mapping[str, Pace]
    alerts: Alerts
    enclosures: Enclosures
    attaching: Attaching
    ends: TurnEnds
    surroundings: Surroundings

    async def run(self, lease: Lease) -> None:
        """Answer one turn. Raises `LeaseLost` where it has passed to another worker, and `DeliveryFailure` where
        the platform takes nothing for long: then the turn should go back to the queue."""
        claim = lease.claim
        if claim.crashes >= SILENT_CRASHES or claim.attempt % (MOST_ATTEMPTS + 1) == 0:
            await self.ends.abandoned(lease, self.adapters[claim.address.platform])
            self._ended(lease)
            return
        with structlog.contextvars.bound_contextvars(
            turn=claim.key, ref=endings.reference(claim), platform=claim.address.platform
        ):
            try:
                with fencing.scope():
                    await self._run_until_answered(lease)
            finally:
                lease.over = True
                # What the adapter begins then goes on without the lease.
                self._ended(lease)

    async def _run_until_answered(self, lease: Lease) -> None:
        """Answer what is asked, and anew as often as that changes meanwhile."""
        adapter, answer = self.adapters[lease.claim.address.platform], None
        while True:
            presence = Presence(adapter, lease)
            question, answer = await self._prepare(lease, adapter, presence, instead_of=answer)
            try:
                await self._run_as_asked(lease, question, answer, presence)
            except QuestionChanged:
                await revisions.begin_again(self.store.turns, lease)
            else:
                return

    def _ended(self, lease: Lease) -> None:
        adapter: object = self.adapters.get(lease.claim.address.platform)
        if isinstance(adapter, HearsEnds):
            adapter.ended(lease.claim.address)

    async def _prepare(
        self, lease: Lease, adapter: Adapter, presence: Presence, *, instead_of: LiveAnswer | None
    ) -> tuple[Question, LiveAnswer]:
        """What is asked now, and the answer to it. What is to be answered at once needs no sign of life before."""
        claim, reading = lease.claim, self._read(lease, adapter)
        waits = claim.kind == "answer" and claim.outcome is None and instead_of is None
        try:
            question = await (presence.during(reading) if waits else reading)
            if instead_of is None:
                await self._in_its_thread(lease, question)
                if isinstance(adapter, HearsBeginnings) and claim.kind == "answer":
                    address = lease.claim.address
                    lease.once_stored(lambda: adapter.begun(address, again=claim.attempt > 1))
            return question, await self._begin(lease, question, presence, instead_of=instead_of)
        except BaseException:
            await presence.clear(posted=False, left_behind=False)
            raise

    async def _read(self, lease: Lease, adapter: Adapter) -> Question:
        """What is asked now."""
        if _is_given_up(lease.claim):
            question = await bare_question(self.store, self.controls, lease.claim, adapter)
        else:
            question = await read_question(
                self.store,
                self.controls,
                self.enclosures,
                lease.claim,
                adapter,
                surroundings=self.surroundings,
                since=since(self.settings.parley_retention_days),
            )
        lease.askers = frozenset(message.author_id for message in question.own)
        return question

    async def _begin(
        self, lease: Lease, question: Question, presence: Presence, *, instead_of: LiveAnswer | None
    ) -> LiveAnswer:
        """The answer to what is asked now, in the messages of the one it stands `instead_of`."""
        claim, asked = lease.claim, question.own[-1] if question.own else None
        words = Words(
            # Who has an answer written anew knows how old the question is.
            preface=late_word((now() - max(asked.sent_at, asked.edited_at)) / 1_000_000)
            if asked and claim.kind != "notice" and not claim.pressed
            else "",
            opener=question.opener,
            standing=question.earlier or (instead_of.words.latest if instead_of is not None else ""),
        )
        return LiveAnswer(
            question.adapter,
            self.store.turns,
            self.paces[claim.address.platform],
            lease,
            words,
            reply_to=stands_below(asked.platform_id) if asked else None,
            mentions=question.people,
            already=await self.store.turns.parts(claim.turn_id) if claim.attempt > 1 and instead_of is None else (),
            before_first=presence.end,
            previews=question.controls.streaming,
            instead_of=instead_of,
            asker=question.asker,
            while_writing=buttons.WHILE_WRITING if question.has_buttons else (),
            most=question.controls.max_messages
            if claim.kind == "answer" and isinstance(question.adapter, Uploads)
            else None,
        )

    async def _run_as_asked(self, lease: Lease, question: Question, answer: LiveAnswer, presence: Presence) -> None:
        """Carry out what is asked and end the turn. Raises `QuestionChanged` where that is asked no more."""
        claim = lease.claim
        if not question.own:
            await self.ends.withdrawn(lease, question, answer, presence)
            return
        try:
            outcome, files = await revisions.unless_changed(lease, self._carry_out(lease, question, answer, presence))
        except asyncio.CancelledError:
            if lease.handing_back:
                await self._hand_over(answer)
            raise
        except DeliveryRefused as refused:
            await self.ends.refused(lease, question, answer, presence, refused)
        else:
            await self.ends.landed(lease, question, answer, presence, outcome=outcome, files=files)
        finally:
            await presence.clear(posted=answer.posted, left_behind=claim.attempt > 1)
            await answer.confirm_in_passing()

    async def _carry_out(
        self, lease: Lease, question: Question, answer: LiveAnswer, presence: Presence
    ) -> tuple[Outcome, Collection[str]]:
        """What came of the question once it stands whole, and the names of the files below it."""
        await asyncio.sleep(revisions.pause(lease.times_changed))
        claim = lease.claim
        if claim.kind == "command" and claim.outcome is None and not _is_given_up(claim):
            outcome = await self.commands.run(lease, question, answer)
        else:
            outcome = await self._answer(lease, question, answer, presence)
        return outcome, await self.attaching.beside(lease, question, answer, outcome)

    async def _hand_over(self, answer: LiveAnswer) -> None:
        """Tell people, as far as there is time, that the process ends and the next one will finish this."""
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                await answer.hand_over(endings.HANDED_OVER)
        except TimeoutError:
            log.info("hand_over_unsaid", code="timeout")
        crash.point("at_hand_over")

    async def _in_its_thread(self, lease: Lease, question: Question) -> None:
        """Begin the thread in which the answer is to stand, if it is to have one; where that can't be, it stands in
        the channel."""
        claim, adapter, asked = lease.claim, question.adapter, question.own[-1] if question.own else None
        if asked is None or claim.address.thread != asked.platform_id or not isinstance(adapter, OpensThreads):
            return
        name = " ".join(asked.text.split())[:THREAD_NAME_CHARACTERS] or "Conversation"
        channel = replace(claim.address, thread=None)
        await lease.make_sure()
        try:
            await insist(claim.key, lambda: adapter.open_thread(channel, asked.platform_id, name))
        except DeliveryFailure as failure:
            log.warning("thread_not_begun", code=failure.code)
            lease.claim = replace(claim, address=channel)

    async def _answer(self, lease: Lease, question: Question, answer: LiveAnswer, presence: Presence) -> Outcome:
        """Ask and show at the same time, until the whole answer has landed.

        What an earlier attempt got to know of the model is landed as it is.
        """
        claim = lease.claim
        try:
            async with asyncio.TaskGroup() as group, AsyncExitStack() as showing:
                landing = group.create_task(answer.run(), name="delivery")
                if claim.outcome is not None:
                    outcome = from_row(claim.outcome)
                    answer.complete(outcome.text, buttons=question.buttons_after(outcome))
                else:
                    showing.enter_context(presence.beside(group, answer.say_of_silence))
                    outcome = endings.kept(question.earlier, await self._ask(lease, question, answer))
                    if not outcome.failure and not outcome.keeps:
                        outcome = replace(outcome, text=answer.words.preface + outcome.text)
                    answer.complete(outcome.text, to_row(outcome), question.buttons_after(outcome))
                await landing
                await presence.end()
        except BaseExceptionGroup as group:
            # The first to fail ended the others: it alone says what happened.
            raise group.exceptions[0] from None
        return outcome

    async def _ask(self, lease: Lease, question: Question, answer: LiveAnswer) -> Outcome:
        claim = lease.claim
        if claim.kind == "notice":
            return Outcome(claim.payload or "", None)
        if not _is_given_up(claim):
            return await self._ask_until_stopped(lease, question, answer)
        log.error("turn_given_up", kind=TurnGivenUp.__name__, crashes=claim.crashes)
        self.alerts.tell(troubles.given_up(endings.reference(claim)))
        return endings.apology(claim, TurnGivenUp())

    async def _ask_until_stopped(self, lease: Lease, question: Question, answer: LiveAnswer) -> Outcome:
        """Ask the model; where somebody stops it, the call ends at once and what was said stands."""
        if lease.stopped.is_set():  # before an earlier process could end it
            return endings.stopped(answer.words.text, lease.stopped_by, None)
        asking = self.asker.begin(lease, question, answer.words)
        answering = asyncio.create_task(asking.run(), name="asking")
        stopping = asyncio.create_task(lease.stopped.wait(), name="stop")
        lease.asked.set()
        try:
            await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            stopping.cancel()
            await asyncio.gather(answering, stopping, return_exceptions=True)
            lease.used = asking.used()
        if not answering.cancelled():
            return answering.result()
        return endings.stopped(answer.words.text, lease.stopped_by, lease.used)


def _is_given_up(claim: Claim) -> bool:
    """Whether all that is still to be done is to say that it is."""
    return claim.crashes >= MOST_CRASHES
