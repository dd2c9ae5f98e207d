"""What budgets allow and say, decided for given moments: no clock, no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from bot import budgets
from bot.controls.effective import effective
from bot.controls.table import CONTROLS
from bot.messages import Address
from bot.settings import Settings
from storage.money import Bound, Drawn, month_of
from storage.scopes import Scope, StoredSetting
from storage.usage import start_of_month

HERE = Address("slack", "T1", "C1")
NOVEMBER = datetime(2026, 11, 26, 12, tzinfo=UTC)


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def stored(name: str, value: str, channel: str = "") -> StoredSetting:
    return StoredSetting(Scope("slack", "T1", channel), name, value, "U1", 0)


def test_every_scopes_budget_holds_beside_the_others_the_narrowest_first() -> None:
    host = settings(parley_monthly_budget_usd="100", parley_user_monthly_budget_usd="1")
    holds = effective(host, [stored("budget", "50"), stored("budget", "5", "C1")])
    assert budgets.bounds(holds, host) == (
        Bound("user", 1_000_000),
        Bound("channel", 5_000_000),
        Bound("workspace", 50_000_000),
        Bound("everywhere", 100_000_000),
    )
    assert budgets.bounds(effective(settings(), []), settings()) == ()


@pytest.mark.parametrize(
    ("spent", "set_aside", "micros", "allowed"),
    [(0, 0, 100, True), (0, 0, 101, False), (50, 30, 20, True), (50, 31, 20, False), (100, 0, 0, True)],
)
def test_a_question_may_cost_what_is_neither_spent_nor_set_aside(
    spent: int, set_aside: int, micros: int, *, allowed: bool
) -> None:
    assert budgets.allows(Drawn(Bound("user", 100), spent, set_aside), micros) is allowed


@pytest.mark.parametrize(("spent", "low"), [(79, False), (80, True), (100, True)])
def test_a_budget_is_low_from_eighty_percent_on(spent: int, *, low: bool) -> None:
    assert budgets.is_low(Drawn(Bound("user", 100), spent, 0)) is low


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (
            Drawn(Bound("channel", 5_000_000), 5_000_000, 0),
            "This channel's budget of $5.00 for November is used up, so I can't answer. "
            "It opens again on 1 December (UTC). An admin can raise it.",
        ),
        (
            Drawn(Bound("user", 2_500_000), 2_499_900, 0),
            "Your budget of $2.50 for November is used up but for $0.0001, which may not be enough for an answer to "
            "this. It opens again on 1 December (UTC). An admin can raise it.",
        ),
        (
            Drawn(Bound("workspace", 1_000_000_000), 0, 999_999_950),
            "This workspace's budget of $1,000.00 for November is used up for now: what is left of it is set aside for "
            "questions that I'm answering right now. Please ask again in a minute. It opens again on 1 December (UTC).",
        ),
    ],
)
def test_a_refusal_says_whose_budget_it_is_how_much_and_when_it_opens_again(drawn: Drawn, said: str) -> None:
    assert budgets.refusal(drawn, 200, NOVEMBER) == said


def test_the_warning_says_how_much_is_left_until_when() -> None:
    drawn = Drawn(Bound("everywhere", 10_000_000), 8_123_456, 0)
    assert budgets.warning(drawn, NOVEMBER) == (
        "81 % of my budget for everybody together of $10.00 for November is used; $1.876544 is left until "
        "1 December (UTC)."
    )


@pytest.mark.parametrize(
    ("moment", "month", "opens"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC), "2026-11", "1 December (UTC)"),
        (datetime(2026, 12, 1, tzinfo=UTC), "2026-12", "1 January (UTC)"),
        (datetime(2027, 1, 31, tzinfo=UTC), "2027-01", "1 February (UTC)"),
        (datetime(2028, 2, 29, tzinfo=UTC), "2028-02", "1 March (UTC)"),
        # Half past one in the morning of the first, two hours east of Greenwich.
        (datetime(2026, 12, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11", "1 December (UTC)"),
    ],
)
def test_a_month_ends_with_its_last_microsecond_in_utc(moment: datetime, month: str, opens: str) -> None:
    at = round(moment.timestamp() * 1_000_000)
    assert month_of(at) == month
    assert budgets.opening(moment) == opens
    assert month_of(start_of_month(at)) == month and month_of(start_of_month(at) - 1) != month


@pytest.mark.parametrize(
    ("name", "given", "refused"),
    [
        ("model", [stored("model", "gpt-99"), stored("budget", "5")], True),
        ("budget", [stored("model", "gpt-99"), stored("budget", "5", "C1")], True),
        ("user_budget", [stored("model", "gpt-99"), stored("user_budget", "5")], True),
        ("model", [stored("model", "gpt-99")], False),
        ("model", [stored("model", "gpt-4o-mini"), stored("budget", "5")], False),
        ("model", [stored("model", "gpt-99"), stored("budget", "5"), stored("price", "1/2")], False),
        ("temperature", [stored("model", "gpt-99"), stored("budget", "5")], False),
    ],
)
async def test_a_model_without_a_price_and_a_budget_can_not_be_set_together(
    name: str, given: list[StoredSetting], *, refused: bool
) -> None:
    after = effective(settings(), given)
    assert bool(await budgets.price_check(CONTROLS[name], after, HERE)) is refused


def test_the_hosts_own_budget_wants_a_model_whose_price_is_known() -> None:
    assert budgets.problems(settings(openai_model="my-own")) == ()
    assert budgets.problems(settings(openai_model="gpt-4o-mini", parley_monthly_budget_usd="5")) == ()
    priced = settings(openai_model="my-own", parley_monthly_budget_usd="5", parley_price="1/2")
    assert priced.parley_price == (Decimal(1), Decimal(1), Decimal(2))
    assert budgets.problems(priced) == ()
    [problem] = budgets.problems(settings(openai_model="my-own", parley_monthly_budget_usd="5"))
    assert problem.variable == "OPENAI_MODEL"
