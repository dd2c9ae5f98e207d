"""Keeping the budgets: money set aside before the model is asked, and a word, once, when a budget comes to its end.

Which budgets hold and what they allow is in `budgets.py`. Where none holds, nothing here asks the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bot import budgets, troubles
from bot.alerts import Alerts
from bot.backend import models, tokens
from bot.backend.completion import CompletionRequest, Usage
from bot.controls.effective import Effective
from bot.errors import BudgetUsedUp, PriceUnknown, StorageFailed
from bot.messages import Address
from bot.settings import Settings
from storage.budgets import Budgets
from storage.marks import Marks
from storage.records import Bound, Drawn, Reservation, Spender, micros_of, now

log = structlog.get_logger(__name__)

# Longer than any answer takes. What a turn sets aside goes with its end; this is for one that never comes to it.
RESERVED_FOR_SECONDS = 7_200.0
# A mark names its month, so it need never be due again.
NEVER_AGAIN_SECONDS = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Reservations:
    """What questions set aside of the budgets."""

    budgets: Budgets
    marks: Marks
    alerts: Alerts
    settings: Settings

    async def reserve(
        self, key: str, spender: Spender, holds: Effective, request: CompletionRequest, already: int = 0
    ) -> None:
        """Set the most aside that a request can cost, in place of what was set aside under the same key before.

        `already` is what earlier attempts cost that are not settled yet, in micro-dollars. Raises `BudgetUsedUp` and
        `PriceUnknown`: then it must not be made; and `StorageFailed`.
        """
        bounds = budgets.bounds(holds, self.settings)
        if not bounds:
            return
        most = Usage(tokens.count_messages(request.messages, request.model), 0, request.max_output_tokens or 0)
        micros = models.cost_micros(request.model, most, holds.price)
        if micros is None:
            place = Address(spender.platform, spender.workspace, spender.channel)
            self.alerts.tell(troubles.with_price(request.model, place))
            raise PriceUnknown
        micros += already
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
