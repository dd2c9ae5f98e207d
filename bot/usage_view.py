"""How usage looks: a compact table in Markdown, what its chart is drawn from, and CSV. Pure: stored lines in.

Whatever is named in a table, people and channels among it, is plain text there: it neither marks anything up nor
addresses anybody.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from bot.budgets import dollars
from bot.charts import Chart, Series
from storage.money import Part, UsageLine, UsageTotals

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)

# What a message and a picture have room for; the rest is added up.
MOST_ROWS = 12
MOST_SERIES = 8
OTHERS = "others"
NOTHING = UsageTotals(0, 0, 0, 0, 0, 0)
HEAD = ("tokens", "calls", "in", "cached", "out", "cost")
_EPOCH = date(1970, 1, 1)
# An underscore within a word marks nothing up.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class Span:
    """A time to report on: `since` in microseconds since the epoch, and its days, the present one last (UTC)."""

    since: int
    days: Sequence[date]

    @property
    def words(self) -> str:
        """The days as people say them."""
        first, last = self.days[0], self.days[-1]
        if first == last:
            return f"{last.day} {last:%B %Y} (UTC)"
        begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%B}"
        return f"{begin}–{last.day} {last:%B %Y} (UTC)"


@dataclass(frozen=True, slots=True)
class Sum:
    """What one part of a report used in all."""

    part: str
    totals: UsageTotals
    last_turn: int | None = None


def span(period: Period, moment: datetime) -> Span:
    """The day, the last seven days or the calendar month of a moment, up to it; in UTC, as budgets are."""
    today = moment.astimezone(UTC).date()
    first = {"day": today, "week": today - timedelta(days=6), "month": today.replace(day=1)}[period]
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    return Span((first - _EPOCH).days * 86_400_000_000, days)


def together(several: Iterable[UsageTotals]) -> UsageTotals:
    """All of them added up."""
    total = NOTHING
    for each in several:
        total = UsageTotals(
            total.requests + each.requests,
            total.prompt_tokens + each.prompt_tokens,
            total.cached_tokens + each.cached_tokens,
            total.completion_tokens + each.completion_tokens,
            total.cost_micros + each.cost_micros,
            total.unpriced + each.unpriced,
        )
    return total


def sums(lines: Sequence[UsageLine]) -> list[Sum]:
    """Each part over all days, the dearest first; what has no price goes by its tokens."""
    by_part: dict[str, list[UsageLine]] = {}
    for line in lines:
        by_part.setdefault(line.part, []).append(line)
    found = [
        Sum(part, together(line.totals for line in own), max(line.last_turn or 0 for line in own) or None)
        for part, own in by_part.items()
    ]
    return sorted(found, key=lambda each: (-each.totals.cost_micros, -_tokens(each.totals), each.part))


def cost(totals: UsageTotals) -> str:
    """What it cost, exact to the millionth of a dollar. What has no price is said to have none; where only some of it
    has none, a question mark stands for that."""
    if not totals.unpriced:
        return dollars(totals.cost_micros)
    if not totals.cost_micros:
        return "price unknown"
    return f"{dollars(totals.cost_micros)} + ?"


def table(rows: Sequence[tuple[str, UsageTotals]]) -> str:
    """A Markdown table with a row for each; names are to be `plain` already."""
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1))]
    lines += [
        (
            name,
            f"{totals.requests:,}",
            f"{totals.prompt_tokens:,}",
            f"{totals.cached_tokens:,}",
            f"{totals.completion_tokens:,}",
            cost(totals),
        )
        for name, totals in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_of(found: Sequence[Sum], names: Mapping[str, str]) -> list[tuple[str, UsageTotals]]:
    """The rows of a breakdown, named; those without room are added up in the last but one, before the total."""
    shown = [(plain(names.get(each.part) or each.part or "–"), each.totals) for each in found[:MOST_ROWS]]
    if rest := found[MOST_ROWS:]:
        shown.append((f"{len(rest):,} {OTHERS}", together(each.totals for each in rest)))
    return [*shown, ("**all together**", together(each.totals for each in found))]


def plain(name: str) -> str:
    """A name as plain text of a Markdown table: on one line, marking nothing up, not too long."""
    return _MARKUP.sub(r"\\\g<0>", _short(name)).replace("@", "@\u200b")


def chart(title: str, lines: Sequence[UsageLine], days: Sequence[date], names: Mapping[str, str]) -> Chart | None:
    """Cost by day, stacked by part; tokens where nothing has a price. None where nothing was used."""
    found = sums(lines)
    total = together(each.totals for each in found)
    if not total.requests:
        return None
    priced = total.cost_micros > 0
    if not priced:
        found.sort(key=lambda each: (-_tokens(each.totals), each.part))
    heads = [each.part for each in found[: MOST_SERIES - 1 if len(found) > MOST_SERIES else MOST_SERIES]]
    place = {part: number for number, part in enumerate(heads)}
    values = [[0.0] * len(days) for _ in range(min(len(found), MOST_SERIES))]
    at = {day: number for number, day in enumerate(days)}
    for line in lines:
        column = at.get(_EPOCH + timedelta(days=line.day))
        if column is not None:
            amount = line.totals.cost_micros / 1_000_000 if priced else float(_tokens(line.totals))
            values[place.get(line.part, len(values) - 1)][column] += amount
    called = [_short(names.get(part) or part or "–") for part in heads]
    called += [f"{len(found) - len(heads)} {OTHERS}"] * (len(values) - len(heads))
    note = f"Without {total.unpriced:,} of unknown price" if priced and total.unpriced else ""
    return Chart(
        title,
        "US dollars" if priced else "tokens",
        tuple(day.isoformat() for day in days),
        tuple(Series(name, tuple(amounts)) for name, amounts in zip(called, values, strict=True)),
        note,
    )


def as_csv(lines: Sequence[UsageLine], part: Part, *, by_day: bool) -> str:
    """A header and a line for each part, or for each day where that is asked; whole numbers, exact."""
    named = ("day",) if by_day else () if part == "all" else (part,)
    counted = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_micros", "unpriced")
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    out.writerow(("platform", "workspace", *named, *counted))
    for (platform, workspace, name), totals in grouped(lines, by_day=by_day).items():
        t = totals
        numbers = (t.requests, t.prompt_tokens, t.cached_tokens, t.completion_tokens, t.cost_micros, t.unpriced)
        out.writerow((platform, workspace, *([name] if named else []), *numbers))
    return written.getvalue()


def grouped(lines: Sequence[UsageLine], *, by_day: bool) -> dict[tuple[str, str, str], UsageTotals]:
    """What each part of each workspace used, or each day, in the order of their names."""
    found: dict[tuple[str, str, str], list[UsageTotals]] = {}
    for line in lines:
        name = (_EPOCH + timedelta(days=line.day)).isoformat() if by_day else line.part
        found.setdefault((line.platform, line.workspace, name), []).append(line.totals)
    return {key: together(found[key]) for key in sorted(found)}


def _tokens(totals: UsageTotals) -> int:
    return totals.prompt_tokens + totals.completion_tokens


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"
