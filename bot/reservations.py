"""Keeping the budgets: money set aside before the model is asked, and a word, once, when a budget comes to its end.

Which budgets hold and what they allow is in `budgets.py`. Where none holds, nothing here asks the database.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot import budgets, troubles
from bot.alerts import Alerts
from bot.backend import models, tokens
from bot.backend.completion import CompletionRequest, Usage
from bot.controls.effective import Effective
from bot.errors import BudgetUsedUp, LengthUnbounded, PriceUnknown, StorageFailed
from bot.messages import Address
from bot.settings import Settings
from storage.budgets import Budgets
from storage.marks import Marks
from storage.money import Bound, Drawn, Reservation, Spender
from storage.records import micros_of, now

log = structlog.get_logger(__name__)

# Longer than any answer takes. What a turn sets aside goes with its end; this is for one that never comes to it.
RESERVED_FOR_SECONDS = 7_200.0
# A mark names its month, so it need never be due again.
NEVER_AGAIN_SECONDS = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Reservations:
    """What questions set aside of the budgets.

    `limits_length`: whether a model by this name can be told how long its answer may be. `ratios` is what was learnt
    of models that are not OpenAI's own: how many tokens of a prompt were billed for each that we had counted, at most.
    """

    budgets: Budgets
    marks: Marks
    alerts: Alerts
    settings: Settings
    limits_length: Callable[[str], bool]
    ratios: dict[str, float] = field(default_factory=dict)

    def learn(self, request: CompletionRequest, billed: Usage) -> None:
        """Take note of how a prompt was billed: other makers' models count in tokens of their own."""
        if billed.estimated or models.is_openais(request.model):
            return
        counted = tokens.count_messages(request.messages, request.model)
        self.ratios[request.model] = max(self.ratios.get(request.model, 1.0), billed.prompt_tokens / counted)

    async def reserve(
        self, key: str, spender: Spender, holds: Effective, request: CompletionRequest, already: int = 0
    ) -> None:
        """Set the most aside that a request can cost, in place of what was set aside under the same key before.

        `already` is what earlier attempts cost that are not settled yet, in micro-dollars. Raises `BudgetUsedUp`,
        `PriceUnknown` and its kind `LengthUnbounded`: then it must not be made; and `StorageFailed`.
        """
        bounds = budgets.bounds(holds, self.settings)
        if not bounds:
            return
        micros = self._most(spender, holds, request) + already
        wanted = Reservation(key, spender, micros, until=now() + micros_of(RESERVED_FOR_SECONDS))
        short = await self.budgets.reserve(wanted, bounds, budgets.allows)
        if short is None:
            return
        moment = datetime.now(UTC)
        used_up = budgets.is_used_up(short, micros)
        log.info("budget_used_up", whose=short.bound.whose, channel=spender.channel, by=spender.user_id, spent=used_up)
        if used_up:
            text = budgets.for_admins(short, spender, moment)
            self.alerts.tell(troubles.with_budget("BudgetUsedUp", _name(short.bound, spender, moment), text))
        raise BudgetUsedUp(budgets.refusal(short, micros, moment))

    async def is_open(self, spender: Spender, holds: Effective) -> bool:
        """Whether every budget has anything left for what is too small to be set aside. Raises `StorageFailed`."""
        bounds = budgets.bounds(holds, self.settings)
        return not bounds or all(budgets.allows(drawn, 1) for drawn in await self.budgets.drawn(spender, bounds))

    def _most(self, spender: Spender, holds: Effective, request: CompletionRequest) -> int:
        """The most that a request can cost, in micro-dollars. Raises `PriceUnknown`."""
        counted = tokens.count_messages(request.messages, request.model)
        prompt = math.ceil(counted * self.ratios.get(request.model, 1.0))
        micros = models.cost_micros(request.model, Usage(prompt, 0, request.max_output_tokens or 0), holds.price)
        if micros is not None and self.limits_length(request.model):
            return micros
        failure = PriceUnknown() if micros is None else LengthUnbounded()
        place = Address(spender.platform, spender.workspace, spender.channel)
        self.alerts.tell(troubles.with_price(failure, request.model, place))
        raise failure

    async def release(self, key: str, holds: Effective) -> None:
        """Let go of what was set aside for what is no turn's. Raises `StorageFailed`."""
        if budgets.bounds(holds, self.settings):
            await self.budgets.release(key)

    async def warnings(self, key: str, spender: Spender, holds: Effective, cost: int | None) -> Sequence[str]:
        """A line for each budget that an answer of this cost brings near its end, once a month; the admins hear too.

        Never raises: the answer is there and is to be shown.
        """
        bounds = budgets.bounds(holds, self.settings)
        if not bounds or not cost:
            return ()
        moment = datetime.now(UTC)
        try:
            standing = [budgets.with_cost(drawn, cost) for drawn in await self.budgets.drawn(spender, bounds, key)]
            low = [drawn for drawn in standing if budgets.is_low(drawn) and await self._is_news(drawn, spender, moment)]
        except StorageFailed as failure:
            log.warning("budget_not_looked_at", reason=str(failure))
            return ()
        for drawn in low:
            text = budgets.for_admins(drawn, spender, moment)
            self.alerts.tell(troubles.with_budget("BudgetLow", _name(drawn.bound, spender, moment), text))
        return [budgets.warning(drawn, moment) for drawn in low]

    async def _is_news(self, drawn: Drawn, spender: Spender, moment: datetime) -> bool:
        mark = troubles.with_budget("BudgetLow", _name(drawn.bound, spender, moment), "").subject
        return await self.marks.due(mark, NEVER_AGAIN_SECONDS)


def _name(bound: Bound, spender: Spender, moment: datetime) -> str:
    """What tells a budget from others: whose it is, of which month, and how much."""
    whose = {
        "user": (spender.platform, spender.user_id),
        "channel": (spender.platform, spender.workspace, spender.channel),
        "workspace": (spender.platform, spender.workspace),
        "everywhere": (),
    }
    return " ".join((bound.whose, f"{moment:%Y-%m}", str(bound.micros), *whose[bound.whose]))
