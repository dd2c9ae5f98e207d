"""What may be spent: which budgets hold for a question, whether they have room for it, and the words for it. Pure.

A budget is for a calendar month in UTC. What was spent of it, and set aside for questions under way, `storage.budgets`
keeps; who asks there is `bot.reservations`. All amounts are micro-dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot.backend import models
from bot.controls.effective import Effective
from bot.controls.table import Control
from bot.errors import Problem
from bot.messages import Address
from bot.settings import Settings
from bot.wording import quotable
from storage.money import Bound, Drawn, Spender, Whose

WARN_PERCENT = 80
# What may change that a model without a known price meets a budget.
_CONCERNED = frozenset({"model", "budget", "user_budget"})
_WHOSE: dict[Whose, str] = {
    "user": "Your budget",
    "channel": "This channel's budget",
    "workspace": "This workspace's budget",
    "everywhere": "My budget for everybody together",
}
_TO_ADMINS: dict[Whose, str] = {
    "user": "The budget of the person `{s.user_id}` on {platform}",
    "channel": "The budget of the channel `{s.channel}` on {platform}",
    "workspace": "The budget of the workspace `{s.workspace}` on {platform}",
    "everywhere": "The budget for everybody together",
}
_RAISED_BY: dict[Whose, str] = {
    "user": "`/parley set user_budget AMOUNT` or `PARLEY_USER_MONTHLY_BUDGET_USD`",
    "channel": "`/parley set budget AMOUNT` there",
    "workspace": "`/parley set workspace budget AMOUNT`",
    "everywhere": "`PARLEY_MONTHLY_BUDGET_USD`",
}


def bounds(holds: Effective, settings: Settings) -> tuple[Bound, ...]:
    """The budgets that a question has to keep, the narrowest first; none where nobody set any."""
    limits: dict[Whose, int | None] = {
        "user": holds.user_budget,
        "channel": holds.budgets.get("channel"),
        "workspace": holds.budgets.get("workspace"),
        "everywhere": settings.parley_monthly_budget_usd,
    }
    return tuple(Bound(whose, limit) for whose, limit in limits.items() if limit is not None)


def allows(drawn: Drawn, micros: int) -> bool:
    """Whether a budget has room for so much more, whatever the questions under way come to cost."""
    return drawn.spent + drawn.set_aside + micros <= drawn.bound.micros


def is_low(drawn: Drawn) -> bool:
    """Whether so much of a budget is spent that people should know."""
    return drawn.spent * 100 >= drawn.bound.micros * WARN_PERCENT


def is_used_up(drawn: Drawn, micros: int) -> bool:
    """Whether so much more has no room even when every question under way should come to cost nothing."""
    return drawn.spent + micros > drawn.bound.micros


def with_cost(drawn: Drawn, micros: int) -> Drawn:
    """How a budget stands once so much more is spent of it."""
    return Drawn(drawn.bound, drawn.spent + micros, drawn.set_aside)


def refusal(drawn: Drawn, micros: int, moment: datetime) -> str:
    """What an asker reads whose question a budget has no room for."""
    whose = f"{_WHOSE[drawn.bound.whose]} of {dollars(drawn.bound.micros)} for {moment:%B}"
    opens = f"It opens again on {opening(moment)}."
    if not is_used_up(drawn, micros):
        return (
            f"{whose} is used up for now: what is left of it is set aside for questions that I'm answering right now. "
            f"Please ask again in a minute. {opens}"
        )
    left = drawn.bound.micros - drawn.spent
    if left <= 0:
        return f"{whose} is used up, so I can't answer. {opens} An admin can raise it."
    return (
        f"{whose} is used up but for {dollars(left)}, which may not be enough for an answer to this. "
        f"{opens} An admin can raise it."
    )


def warning(drawn: Drawn, moment: datetime) -> str:
    """The line below the answer with which a budget came near its end."""
    whose = _lower(_WHOSE[drawn.bound.whose])
    left = max(drawn.bound.micros - drawn.spent, 0)
    return (
        f"{_percent(drawn)} % of {whose} of {dollars(drawn.bound.micros)} for {moment:%B} is used; "
        f"{dollars(left)} is left until {opening(moment)}."
    )


def standing(drawn: Drawn, moment: datetime) -> str:
    """How a budget stands, as one sentence of a report."""
    left = max(drawn.bound.micros - drawn.spent, 0)
    return (
        f"{_WHOSE[drawn.bound.whose]}: {dollars(left)} of {dollars(drawn.bound.micros)} left for {moment:%B} "
        f"({_percent(drawn)} % used); it opens again on {opening(moment)}."
    )


def for_admins(drawn: Drawn, spender: Spender, moment: datetime) -> str:
    """What the admins read of a budget that is nearly, or wholly, used."""
    whose = _TO_ADMINS[drawn.bound.whose].format(s=spender, platform=spender.platform.capitalize())
    return (
        f"{whose} for {moment:%B} is used to {_percent(drawn)} %: {dollars(drawn.spent)} of "
        f"{dollars(drawn.bound.micros)}. Where it has no room left, questions are refused until {opening(moment)}. "
        f"{_RAISED_BY[drawn.bound.whose]} raises it."
    )


def opening(moment: datetime) -> str:
    """The day on which the budgets of a moment's month open again: "1 December (UTC)"."""
    following = moment.astimezone(UTC).replace(day=1) + timedelta(days=32)
    return f"1 {following:%B} (UTC)"


def dollars(micros: int) -> str:
    """An amount of money, exact: at least two places, as many more as it has."""
    whole, fraction = divmod(micros, 1_000_000)
    return f"${whole:,}.{f'{fraction:06}'.rstrip('0').ljust(2, '0')}"


async def price_check(control: Control, after: Effective, _address: Address) -> str:
    """Why a setting can't be so: a budget would hold where nobody knows what the model costs."""
    if control.name not in _CONCERNED or (after.budget is None and after.user_budget is None):
        return ""
    if after.price is not None or models.known_price(after.model):
        return ""
    shown = quotable(after.model)
    return (
        f"a budget would hold where I don't know what the model `{shown}` costs, so I couldn't keep it. "
        "First say what it costs: `set price IN/OUT`, in dollars per million tokens"
    )


def problems(settings: Settings) -> Sequence[Problem]:
    """What keeps the bot from starting: a budget of the host's, and a model of which nobody knows what it costs."""
    budgets = {
        "PARLEY_MONTHLY_BUDGET_USD": settings.parley_monthly_budget_usd,
        "PARLEY_USER_MONTHLY_BUDGET_USD": settings.parley_user_monthly_budget_usd,
    }
    held = next((variable for variable, budget in budgets.items() if budget is not None), None)
    if held is None or settings.parley_price is not None or models.known_price(settings.openai_model):
        return ()
    wrong = f"nobody knows what {settings.openai_model} costs, and {held} sets a budget to be kept"
    cure = (
        "Say what it costs in PARLEY_PRICE (dollars per million tokens: IN/OUT or IN/CACHED/OUT), or unset the budget."
    )
    return (Problem("OPENAI_MODEL", wrong, cure),)


def _percent(drawn: Drawn) -> int:
    return 100 if drawn.bound.micros == 0 else drawn.spent * 100 // drawn.bound.micros


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
