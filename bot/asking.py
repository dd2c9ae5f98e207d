"""Asking the model: a prompt that it takes, its words handed on as they come, and what came of it.

How an answer that is not a plain whole one ends is told in `endings.py`; retries of the call itself are the backend's.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from bot import context, crash, endings, troubles
from bot.alerts import Alerts
from bot.backend import models, tokens
from bot.backend.client import Backend
from bot.backend.completion import CompletionRequest, Finished, Picture, Restarted, Text, Waiting
from bot.errors import (
    BudgetUsedUp,
    ContentRefused,
    ContextTooLong,
    ModelFailure,
    ModelRateLimited,
    PriceUnknown,
    RequestTooLarge,
)
from bot.lease import Lease
from bot.outcome import Outcome
from bot.question import Question
from bot.reservations import Reservations
from bot.settings import Settings
from bot.summaries import Concern, Summarising, is_due
from bot.tally import Tally
from bot.words import Words
from storage.history import History
from storage.money import Spender, UsageRow

log = structlog.get_logger(__name__)

# What a model calls too long is cut to this share, again and again: a prompt of 16,000 tokens with room for an answer
# of 4,096 fits a window of 2,000 after seven steps.
HARDER = 0.5
MOST_TRIMS = 10
SHORTEST_ANSWER = 256
# However long the system message is, the newest question gets this many tokens.
LEAST_ROOM = 256
# Waits shorter than this need no words.
SAY_WAITS_FROM_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model is asked to take: `room` tokens of prompt, and `longest` of answer."""

    room: int
    longest: int


@dataclass(frozen=True, slots=True)
class Asker:
    """What all turns share to ask with; `fits` is what each model has been found to take."""

    history: History
    backend: Backend
    settings: Settings
    alerts: Alerts
    reservations: Reservations
    summarising: Summarising
    fits: dict[str, Fit] = field(default_factory=dict)

    def begin(self, lease: Lease, question: Question, words: Words) -> Asking:
        """One turn's asking, to be run once."""
        return Asking(self, lease, question, words)


class Asking:
    """One turn's question on its way to the model and back. Guards what has been asked so far."""

    def __init__(self, asker: Asker, lease: Lease, question: Question, words: Words) -> None:
        self._asker = asker
        self._lease = lease
        self._claim = claim = lease.claim
        self._question = question
        self._words = words
        self._tally = Tally(question.asker, question.controls.model, question.controls.price)
        place = claim.address
        self._spender = Spender(place.platform, place.workspace, place.channel, question.asker)
        self._room = 0
        self._start: int | None = None
        self._is_summary_due = False

    async def run(self) -> Outcome:
        """The whole answer, or the sentence that stands for it.

        Never raises a `ModelFailure`, but `LeaseLost` and `StorageFailed`.
        """
        outcome = await self._ask()
        blind = endings.NO_PICTURES if self._is_blind() else ""
        unseen = [line for line in (self._question.left_out, blind, self._question.unread) if line]
        if unseen and outcome.said:
            outcome = replace(outcome, text=endings.with_lines(outcome.text, unseen))
        if outcome.used is None:
            return outcome
        holds, cost = self._question.controls, outcome.used.cost_micros
        lines = await self._asker.reservations.warnings(self._claim.key, self._spender, holds, cost)
        return replace(outcome, text=endings.with_lines(outcome.text, lines)) if lines else outcome

    async def _ask(self) -> Outcome:
        claim, asker = self._claim, self._asker
        fit, is_the_models = self._fit(), True
        for _ in range(MOST_TRIMS):
            request = self._request(fit)
            await self._lease.make_sure()
            if self._start is not None:
                await asker.history.move_start(claim.conversation_id, self._start)
            try:
                await self._reserve(request)
                outcome = await self._complete(request)
            except (BudgetUsedUp, PriceUnknown) as refused:
                return replace(endings.apology(claim, refused), used=self.used())
            except ContextTooLong as failure:
                taken = tokens.count_messages(request.messages, request.model)
                fit = _tighter(fit, taken)
                # Other places may ask this model with a key that has room for more.
                is_the_models = is_the_models and not isinstance(failure, RequestTooLarge)
                self._words.restart()
                log.info("context_trimmed_harder", tokens=taken, fit=fit, detail=failure.detail)
            except ModelFailure as failure:
                log.warning("model_failed", kind=type(failure).__name__, detail=failure.detail)
                trouble = troubles.with_model(failure, request.model, claim.address)
                if trouble is not None:
                    asker.alerts.tell(trouble)
                return endings.broken_off(claim, self._words.text, failure, self.used())
            else:
                if is_the_models:
                    asker.fits[request.model] = fit
                if self._is_summary_due:
                    concern = Concern(claim.conversation_id, self._question.controls, self._spender, self._room)
                    asker.summarising.look(concern)
                return outcome
        log.warning("model_failed", kind=ContextTooLong.__name__, trims=MOST_TRIMS)
        return endings.apology(claim, ContextTooLong())

    def _is_blind(self) -> bool:
        """Whether pictures came with the question itself, and the model could not be shown them."""
        asked = self._question
        sent = any(isinstance(each, Picture) for one in asked.own for each in asked.pictures.get(one.id, ()))
        return sent and not self._asker.backend.sees_pictures(asked.controls.model)

    def used(self) -> UsageRow | None:
        """What the answer has taken so far: as the provider reported, else, where it broke off, by our own count.

        None where the model had not begun: then there is nothing to be paid for.
        """
        return self._tally.used(self._words.text)

    def _fit(self) -> Fit:
        """What the model is asked at first: within its published window, and within what it took before."""
        chosen = self._question.controls
        known = self._asker.fits.get(chosen.model, Fit(chosen.history_tokens, chosen.max_tokens))
        return Fit(min(chosen.history_tokens, known.room), min(chosen.max_tokens, known.longest))

    def _request(self, fit: Fit) -> CompletionRequest:
        chosen, question = self._question.controls, self._question
        model = chosen.model
        system = context.system_message(chosen.system, question.scene)
        window = models.context_window(model)
        left = max(window - fit.longest, window // 2) - tokens.count(system, model)
        budget = context.Budget(
            max(min(fit.room, left), LEAST_ROOM),
            lambda text: tokens.count(text, model),
            lambda text, n: tokens.truncate(text, n, model),
        )
        prompt = context.build(
            system,
            question.history,
            budget,
            question.pictures,
            began=question.scene.began,
            memory=question.memory,
        )
        self._is_summary_due = is_due(prompt, question.memory, budget.tokens)
        self._room = budget.tokens
        self._start = prompt.start
        return CompletionRequest(
            model=model,
            messages=prompt.messages,
            temperature=chosen.temperature,
            max_output_tokens=fit.longest,
            reasoning_effort=chosen.reasoning_effort,
            keys=chosen.key or "",
        )

    async def _reserve(self, request: CompletionRequest) -> None:
        """Set the most aside that the answer can cost. Raises `BudgetUsedUp` and `PriceUnknown`."""
        holds, already = self._question.controls, self._tally.voided_micros()
        await self._asker.reservations.reserve(self._claim.key, self._spender, holds, request, already)

    async def _complete(self, request: CompletionRequest) -> Outcome:
        claim, words = self._claim, self._words
        finished: Finished | None = None
        began = time.monotonic()
        self._tally.ask(request)
        async with aclosing(self._asker.backend.stream(request)) as events:
            async for event in events:
                match event:
                    case Text(text):
                        words.feed(text)
                        crash.point("mid_stream")
                    case Restarted():
                        self._tally.void(words.text)
                        words.restart()
                        # What is void was paid for too; the words to come may be more than there is left for.
                        await self._reserve(request)
                    case Waiting(seconds, failure):
                        if seconds >= SAY_WAITS_FROM_SECONDS:
                            busy = isinstance(failure, ModelRateLimited)
                            words.say_meanwhile(endings.BUSY if busy else endings.WAITING)
                    case Finished():
                        finished = event
        if finished is None:
            raise AssertionError("a stream that does not raise ends with Finished")
        self._asker.alerts.well(troubles.proven_by_answer(request.model, finished.key_label, claim.address), began)
        self._asker.reservations.learn(request, finished.usage)
        row = self._tally.finish(finished.usage, finished.model, finished.key_label, finished.attempts)
        if finished.reason == "content_filter" and not words.text.strip():
            raise ContentRefused("the finish reason is content_filter")
        outcome = endings.finished(claim, words.text, finished.reason, row)
        if outcome.short:
            log.warning("answer_not_whole", kind=outcome.short, model=finished.model)
        return outcome


def _tighter(fit: Fit, taken: int) -> Fit:
    """What to ask after a prompt of `taken` tokens was too long: less of whichever takes more, prompt or answer."""
    if fit.longest > max(taken, SHORTEST_ANSWER):
        return Fit(fit.room, max(int(fit.longest * HARDER), SHORTEST_ANSWER))
    return Fit(int(min(fit.room, taken) * HARDER), fit.longest)
