"""One turn, from its claim to its end: read what was said, ask the model, show the answer, write it down.

Whatever goes wrong inside ends in one sentence that the asker sees, or in the turn going back to the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from bot import context, controls, crash
from bot.adapter import Adapter, FollowsReplies, KnowsPlaces
from bot.backend import models, tokens
from bot.backend.client import Backend
from bot.backend.completion import CompletionRequest, Finished, Restarted, Text, Waiting
from bot.delivery import LiveAnswer
from bot.errors import (
    ContentRefused,
    ContextTooLong,
    DeliveryFailure,
    DeliveryRefused,
    ModelFailure,
    ModelRateLimited,
    ParleyError,
)
from bot.late import late_word
from bot.lease import Lease
from bot.messages import IncomingMessage, Place
from bot.outcome import Outcome, from_row, to_row
from bot.pacing import Pace
from bot.presence import Presence
from bot.settings import Settings
from bot.splitting import close_open
from storage import Store
from storage.records import Answer, Claim, StoredMessage, UsageRow, now

log = structlog.get_logger(__name__)

# A turn that brought its process down this often, or ran into a bug, is not tried again.
MOST_CRASHES = 5
# One that can't even say so is left for the operator: after as many deaths again, or after about a day of a platform
# that takes nothing. Attempts are never counted anew: once somebody has it tried again, the same number is given again.
SILENT_CRASHES = 10
MOST_ATTEMPTS = 100
# Hosts kill some seconds after the grace (Heroku: 30 s for a grace of 25).
HAND_OVER_SECONDS = 2.0
# What a model calls too long is cut to this share, again and again: a prompt of 16,000 tokens with room for an answer
# of 4,096 fits a window of 2,000 after seven steps.
HARDER = 0.5
MOST_TRIMS = 10
SHORTEST_ANSWER = 256
# However long the system message is, the newest question gets this many tokens.
LEAST_ROOM = 256
# Waits shorter than this need no words.
SAY_WAITS_FROM_SECONDS = 5.0

LENGTH_NOTE = "\n\n_I stopped here at the length limit. Ask me to go on and I will._"
FILTER_NOTE = "\n\n_The provider's content filter stopped me here._"
BROKEN_NOTE = "\n\n_The model broke off here and did not come back. Ask me to go on and I'll try again._"
NO_ROOM_TO_SPEAK = (
    "The model thought until its length limit and had no room left for a word of answer. "
    "An admin can raise `max_tokens` for this channel."
)
EMPTY_ANSWER = "The model had nothing to say to that. Please try another wording."
HANDED_OVER = "_I was restarted; I'll finish this in a moment._"
WAITING = "The model isn't answering right now. I keep trying and will answer here."
BUSY = "The model is getting more questions than it may take. I'll answer here as soon as it lets me."


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model is asked to take: `room` tokens of prompt, and `longest` of answer."""

    room: int
    longest: int


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything a turn needs to ask: fixed once it has been read."""

    adapter: Adapter
    controls: controls.Effective
    history: Sequence[StoredMessage]
    people: Mapping[str, str]
    scene: context.Scene
    asker: str


@dataclass(frozen=True, slots=True)
class TurnRunner:
    """Runs turns. Holds what they share; `fits` is what each model has been found to take."""

    store: Store
    backend: Backend
    settings: Settings
    adapters: Mapping[str, Adapter]
    paces: Mapping[str, Pace]
    fits: dict[str, Fit] = field(default_factory=dict)

    async def run(self, lease: Lease) -> None:
        """Answer one turn. Raises `LeaseLost` where it has passed to another worker, and `DeliveryFailure` where
        the platform takes nothing for long: then the turn should go back to the queue."""
        claim = lease.claim
        if claim.crashes >= SILENT_CRASHES or claim.attempt % (MOST_ATTEMPTS + 1) == 0:
            log.error("turn_given_up", turn=claim.key, crashes=claim.crashes, attempt=claim.attempt, tells_admin=True)
            await self.store.turns.finish(claim, "failed", failure="GivenUp")
            return
        with structlog.contextvars.bound_contextvars(turn=claim.key, platform=claim.address.platform):
            adapter = self.adapters[claim.address.platform]
            question = await self._read(claim, adapter)
            own = [m for m in question.history if m.turn_id == claim.turn_id]
            if not own:
                # Every question of it was deleted before it began.
                await self.store.turns.finish(claim, "cancelled")
                return
            presence = Presence(adapter, claim.address)
            preface = late_word((now() - own[-1].sent_at) / 1_000_000)
            answer = LiveAnswer(
                adapter,
                self.store.turns,
                self.paces[claim.address.platform],
                lease,
                reply_to=own[-1].platform_id,
                mentions=question.people,
                preface=preface,
                already=await self.store.turns.parts(claim.turn_id) if claim.attempt > 1 else (),
                before_first=presence.end,
            )
            try:
                outcome = await self._answer(claim, question, answer, presence, preface)
            except asyncio.CancelledError:
                if lease.handing_back:
                    await self._hand_over(answer)
                raise
            except DeliveryRefused as refused:
                told = await answer.say_instead(_apology(claim, refused).text)
                log.error("delivery_refused", code=refused.code, told=told, tells_admin=True)
                await self.store.turns.finish(claim, "failed", failure=f"DeliveryRefused {refused.code}"[:64])
            else:
                await self._finish(claim, question, answer, outcome)
            finally:
                if not answer.posted:
                    await presence.clear(left_behind=claim.attempt > 1)

    async def _hand_over(self, answer: LiveAnswer) -> None:
        """Tell people, as far as there is time, that the process ends and the next one will finish this."""
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                await answer.hand_over(HANDED_OVER)
        except TimeoutError:
            log.info("hand_over_unsaid", code="timeout")
        crash.point("at_hand_over")

    async def _answer(
        self, claim: Claim, question: _Question, answer: LiveAnswer, presence: Presence, preface: str
    ) -> Outcome:
        """Ask and show at the same time, until the whole answer has landed.

        What an earlier attempt got to know of the model is landed as it is.
        """
        try:
            async with asyncio.TaskGroup() as group:
                landing = group.create_task(answer.run(), name="delivery")
                if claim.outcome is not None:
                    outcome = from_row(claim.outcome)
                    answer.complete(outcome.text)
                else:
                    if not answer.first_id:
                        group.create_task(presence.run(), name="presence")
                    outcome = await self._ask(claim, question, answer)
                    if not outcome.failure:
                        outcome = replace(outcome, text=preface + outcome.text)
                    answer.complete(outcome.text, to_row(outcome))
                await landing
                await presence.end()
        except BaseExceptionGroup as group:
            # The first to fail ended the others: it alone says what happened.
            raise group.exceptions[0] from None
        return outcome

    async def _read(self, claim: Claim, adapter: Adapter) -> _Question:
        if not claim.complete:
            await self._read_earlier(claim, adapter)
        history = await self.store.history.until(claim.turn_id, claim.conversation_id, claim.context_start)
        description = adapter.describe()
        place = await adapter.place(claim.address) if isinstance(adapter, KnowsPlaces) else Place()
        return _Question(
            adapter=adapter,
            controls=controls.effective(self.settings, await self.store.controls.at(claim.address)),
            history=history,
            people=context.speakers(history),
            scene=context.Scene(claim.address, place, description.bot_name, claim.direct, datetime.now(UTC).date()),
            asker=next((m.author_id for m in reversed(history) if m.turn_id == claim.turn_id), ""),
        )

    async def _read_earlier(self, claim: Claim, adapter: Adapter) -> None:
        """Read, once, what was said in the thread or the chain of replies before the bot was called into it."""
        known = await self.store.history.until(claim.turn_id, claim.conversation_id, claim.context_start)
        first = next((m for m in known if m.turn_id is not None), None)
        if first is None:
            return
        most = self.settings.parley_history_messages
        earlier: Sequence[IncomingMessage] = ()
        try:
            if claim.address.thread is not None:
                earlier = await adapter.fetch_history(claim.address, before=first.platform_id, limit=most)
            elif isinstance(adapter, FollowsReplies):
                chain = await adapter.fetch_chain(claim.address, first.platform_id, most)
                earlier = [m for m in chain if m.id != first.platform_id]
        except DeliveryFailure as failure:
            # An answer without what was said before is better than none.
            log.warning("history_unread", code=failure.code)
            return
        await self.store.inbox.remember(claim.conversation_id, earlier, adapter.describe().bot_id)
        log.info("history_read", messages=len(earlier))

    async def _ask(self, claim: Claim, question: _Question, answer: LiveAnswer) -> Outcome:
        """The whole answer, or the sentence that stands for it. Never raises a `ModelFailure`."""
        if claim.crashes >= MOST_CRASHES:
            log.error("turn_given_up", crashes=claim.crashes)
            return _apology(claim, ParleyError())
        fit = self._fit(question.controls)
        for _ in range(MOST_TRIMS):
            request = await self._request(claim, question, fit)
            try:
                outcome = await self._complete(question, request, answer)
            except ContextTooLong as failure:
                taken = tokens.count_messages(request.messages, request.model)
                fit = _tighter(fit, taken)
                log.info("context_trimmed_harder", tokens=taken, fit=fit, detail=failure.detail)
            except ModelFailure as failure:
                log.warning(
                    "model_failed", kind=type(failure).__name__, detail=failure.detail, tells_admin=failure.tells_admin
                )
                return _broken_off(claim, answer.text, failure)
            else:
                self.fits[request.model] = fit
                return outcome
        return _apology(claim, ContextTooLong())

    def _fit(self, chosen: controls.Effective) -> Fit:
        """What the model is asked at first: within its published window, and within what it took before."""
        known = self.fits.get(chosen.model, Fit(self.settings.parley_history_tokens, chosen.max_tokens))
        return Fit(min(self.settings.parley_history_tokens, known.room), min(chosen.max_tokens, known.longest))

    async def _request(self, claim: Claim, question: _Question, fit: Fit) -> CompletionRequest:
        model = question.controls.model
        system = context.system_message(question.controls.system, question.scene, list(question.people))
        window = models.context_window(model)
        left = max(window - fit.longest, window // 2) - tokens.count(system, model)
        budget = context.Budget(
            max(min(fit.room, left), LEAST_ROOM),
            lambda text: tokens.count(text, model),
            lambda text, n: tokens.truncate(text, n, model),
        )
        prompt = context.build(system, question.history, budget)
        if prompt.start is not None:
            await self.store.history.move_start(claim.conversation_id, prompt.start)
        return CompletionRequest(
            model=model,
            messages=prompt.messages,
            temperature=question.controls.temperature,
            max_output_tokens=fit.longest,
        )

    async def _complete(self, question: _Question, request: CompletionRequest, answer: LiveAnswer) -> Outcome:
        finished: Finished | None = None
        async with aclosing(self.backend.stream(request)) as events:
            async for event in events:
                match event:
                    case Text(text):
                        answer.feed(text)
                        crash.point("mid_stream")
                    case Restarted():
                        answer.restart()
                    case Waiting(seconds, failure):
                        if seconds >= SAY_WAITS_FROM_SECONDS:
                            answer.say_meanwhile(BUSY if isinstance(failure, ModelRateLimited) else WAITING)
                    case Finished():
                        finished = event
        if finished is None:
            raise AssertionError("a stream that does not raise ends with Finished")
        if finished.reason == "content_filter" and not answer.text.strip():
            raise ContentRefused("the finish reason is content_filter")
        note = {"length": LENGTH_NOTE, "content_filter": FILTER_NOTE}.get(finished.reason, "")
        said = answer.text.strip()
        used = finished.usage
        return Outcome(
            text=(close_open(said) + note if note else said) if said else _nothing_said(finished),
            said=said or None,
            used=UsageRow(
                user_id=question.asker,
                model=finished.model,
                key_label=finished.key_label,
                requests=finished.attempts,
                prompt_tokens=used.prompt_tokens,
                cached_tokens=used.cached_tokens,
                completion_tokens=used.completion_tokens,
                reasoning_tokens=used.reasoning_tokens,
                estimated=used.estimated,
                cost_micros=models.cost_micros(finished.model, used),
            ),
        )

    async def _finish(self, claim: Claim, question: _Question, answer: LiveAnswer, outcome: Outcome) -> None:
        description = question.adapter.describe()
        crash.point("before_finish")
        stored = outcome.said and Answer(answer.first_id, description.bot_id, description.bot_name, outcome.said)
        await self.store.turns.finish(
            claim,
            "failed" if outcome.failure else "answered",
            answer=stored or None,
            used=outcome.used,
            failure=outcome.failure,
        )
        log.info("turn_ended", failure=outcome.failure, model=outcome.used.model if outcome.used else None)


def _nothing_said(finished: Finished) -> str:
    return NO_ROOM_TO_SPEAK if finished.reason == "length" else EMPTY_ANSWER


def _tighter(fit: Fit, taken: int) -> Fit:
    """What to ask after a prompt of `taken` tokens was too long: less of whichever takes more, prompt or answer."""
    if fit.longest > max(taken, SHORTEST_ANSWER):
        return Fit(fit.room, max(int(fit.longest * HARDER), SHORTEST_ANSWER))
    return Fit(int(min(fit.room, taken) * HARDER), fit.longest)


def _apology(claim: Claim, failure: ParleyError) -> Outcome:
    # The reference finds the log line: every line of a turn carries its key.
    return Outcome(f"{failure.sentence} (ref {claim.key[:8]})", said=None, failure=type(failure).__name__)


def _broken_off(claim: Claim, text: str, failure: ModelFailure) -> Outcome:
    """What the model said before it failed stays, with a word that it is not all."""
    said = text.strip()
    if not said:
        return _apology(claim, failure)
    return Outcome(close_open(said) + BROKEN_NOTE, said=said, failure=type(failure).__name__)
