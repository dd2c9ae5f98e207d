"""What was used, what it cost, and what may be spent: plain, frozen data.

Money is in micro-dollars; times are microseconds since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Purpose = Literal["answer", "try", "probe", "summary"]
Reported = Literal["everywhere", "workspace", "channel", "user"]
Part = Literal["all", "user", "channel", "model", "key"]
Whose = Literal["user", "channel", "workspace", "everywhere"]


def month_of(moment: int) -> str:
    """The calendar month in UTC, such as 2026-11, of a moment in microseconds since the epoch."""
    return f"{datetime.fromtimestamp(moment / 1_000_000, UTC):%Y-%m}"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What calls to the model took; `cost_micros` in micro-dollars, None where the price is not known."""

    user_id: str
    model: str
    key_label: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_micros: int | None


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """What was used, all together. `cost_micros` is that of rows whose price is known; `unpriced` are the others."""

    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_micros: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class Spender:
    """Who spends where: what usage is counted and budgets are kept by."""

    platform: str
    workspace: str
    channel: str
    user_id: str


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one part of a report used on one day, which is counted from the epoch (UTC).

    `part` is the id of a user or channel, or the name of a model or key; empty where all are taken together.
    `last_turn` is the newest turn among them, None where none was one.
    """

    platform: str
    workspace: str
    part: str
    day: int
    totals: UsageTotals
    last_turn: int | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget: what somebody, a place or everybody together may spend in a calendar month (UTC), in micro-dollars."""

    whose: Whose
    micros: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a budget stands: what was `spent` of it in this month, and what is `set_aside` for questions under way.

    Both in micro-dollars.
    """

    bound: Bound
    spent: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for a question, in micro-dollars: under a key of its own, counted `until` it is settled.

    Or until that moment (microseconds since the epoch), if nobody comes to settle it.
    """

    key: str
    spender: Spender
    micros: int
    until: int
