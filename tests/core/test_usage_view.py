"""How usage looks: what is asked for, added up, named, written down and drawn."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import psutil
import pytest

from adapters.discord import markdown as discord_markdown
from adapters.slack.rendering import blocks_of, text_of
from bot import usage_view
from bot.charts import Chart, Series
from bot.drawing import Drawing
from bot.usage_command import By, understand
from bot.usage_view import Period
from storage.money import UsageLine, UsageTotals

DAY_1 = (date(2026, 11, 1) - date(1970, 1, 1)).days
PNG = b"\x89PNG\r\n\x1a\n"


def line(part: str, day: int = 0, cost: int = 1_000, unpriced: int = 0, workspace: str = "T1") -> UsageLine:
    return UsageLine("slack", workspace, part, DAY_1 + day, UsageTotals(2, 100, 40, 10, cost, unpriced), 7)


@pytest.mark.parametrize(
    ("arguments", "period", "by"),
    [
        ((), "month", None),
        (("week",), "week", None),
        (("model",), "month", "model"),
        (("model", "day"), "day", "model"),
        (("", "user"), "month", "user"),
        (("Day Channels",), "day", "channel"),
    ],
)
def test_what_is_asked_for_may_come_in_any_order(arguments: tuple[str, ...], period: Period, by: By | None) -> None:
    assert understand(arguments) == (period, by, "")


@pytest.mark.parametrize(
    ("arguments", "why"), [(("yera",), "I don't know `yera`"), (("day", "week"), "two of the same")]
)
def test_a_word_that_means_nothing_gets_the_words_that_do(arguments: tuple[str, ...], why: str) -> None:
    said = understand(arguments)[2]
    assert why in said and "day, week or month" in said and "user, channel or model" in said


@pytest.mark.parametrize(
    ("period", "words", "days"),
    [
        ("day", "3 March 2027 (UTC)", 1),
        ("week", "25 February–3 March 2027 (UTC)", 7),
        ("month", "1–3 March 2027 (UTC)", 3),
    ],
)
def test_a_period_ends_with_its_present_day(period: Period, words: str, days: int) -> None:
    span = usage_view.span(period, datetime(2027, 3, 3, 23, 59, tzinfo=UTC))
    assert (span.words, len(span.days), span.days[-1]) == (words, days, date(2027, 3, 3))
    assert datetime.fromtimestamp(span.since / 1_000_000, UTC).date() == span.days[0]


@pytest.mark.parametrize(
    ("cost", "unpriced", "shown"),
    [
        (216, 0, "$0.000216"),
        (1_234_500_000, 0, "$1,234.50"),
        (0, 0, "$0.00"),
        (0, 3, "price unknown"),
        (216, 3, "$0.000216 + ?"),
    ],
)
def test_a_cost_is_exact_and_an_unknown_one_is_not_nothing(cost: int, unpriced: int, shown: str) -> None:
    assert usage_view.cost(UsageTotals(1, 1, 0, 1, cost, unpriced)) == shown


def test_a_breakdown_shows_the_dearest_first_and_adds_up_those_without_room() -> None:
    found = usage_view.sums([line(f"U{n}", day, cost=n) for n in range(20) for day in range(2)])
    rows = usage_view.rows_of(found, {"U19": "Ada"})
    assert [name for name, _ in rows[:2]] == ["Ada", "U18"]
    assert [name for name, _ in rows[-2:]] == ["8 others", "**all together**"]
    assert rows[-1][1] == usage_view.together(totals for _, totals in rows[:-1])
    assert rows[-1][1].requests == 80


@pytest.mark.parametrize(
    "name", ["@everyone", "<!channel>", "<@U123>", "a | b", "**bold** `code` [x](http://y)", "_x_"]
)
def test_a_name_in_a_table_marks_nothing_up_and_addresses_nobody(name: str) -> None:
    table = usage_view.table([(usage_view.plain(name), usage_view.NOTHING)])
    in_discord = discord_markdown.render(table)
    said = f"{blocks_of(table)} {text_of(table)}"
    assert all(crowd not in said for crowd in ("@everyone", "<!channel>", "<@U123>"))
    assert all(crowd not in in_discord for crowd in ("@everyone", "<@U123>"))


def test_csv_has_a_header_and_whole_numbers_in_order() -> None:
    lines = [line("U2"), line("U1", 0), line("U1", 1, unpriced=1), line("U1", workspace="T0")]
    header = "requests,prompt_tokens,cached_tokens,completion_tokens,cost_micros,unpriced"
    assert usage_view.as_csv(lines, "user", by_day=False) == (
        f"platform,workspace,user,{header}\nslack,T0,U1,2,100,40,10,1000,0\n"
        "slack,T1,U1,4,200,80,20,2000,1\nslack,T1,U2,2,100,40,10,1000,0\n"
    )
    by_day = usage_view.as_csv(lines, "all", by_day=True).splitlines()
    assert by_day[0] == f"platform,workspace,day,{header}"
    assert by_day[-1] == "slack,T1,2026-11-02,2,100,40,10,1000,1"


def test_a_chart_stacks_cost_by_day_and_tokens_where_nothing_has_a_price() -> None:
    days = [date(2026, 11, 1), date(2026, 11, 2)]
    drawn = usage_view.chart("t", [line("a", 0, 3_000_000), line("b", 1, 1_000_000, 2)], days, {"a": "Ada"})
    assert drawn is not None
    assert drawn.unit == "US dollars" and drawn.note == "Without 2 of unknown price"
    assert drawn.series == (Series("Ada", (3.0, 0.0)), Series("b", (0.0, 1.0)))
    unpriced = usage_view.chart("t", [line("a", 1, 0, 2)], days, {})
    assert unpriced is not None
    assert (unpriced.unit, unpriced.series) == ("tokens", (Series("a", (0.0, 110.0)),))
    assert usage_view.chart("t", [], days, {}) is None


def test_a_chart_has_eight_colours_at_most_and_loses_nothing() -> None:
    lines = [line(f"U{n}", 0, 1_000_000) for n in range(12)]
    drawn = usage_view.chart("t", lines, [date(2026, 11, 1)], {})
    assert drawn is not None
    assert len(drawn.series) == 8 and drawn.series[-1].name == "5 others"
    assert sum(series.values[0] for series in drawn.series) == 12.0


CHART = Chart("Cost_$x$", "US dollars", ("2026-11-01",), (Series("_a", (1.0,)), Series("日本", (0.0,))))


def test_a_chart_comes_back_from_its_text_as_it_was() -> None:
    assert Chart.from_json(CHART.to_json()) == CHART


async def test_a_chart_is_drawn_by_another_process() -> None:
    drawn = await Drawing(within=80).png(CHART)
    assert drawn is not None and drawn.startswith(PNG)


@pytest.mark.parametrize("fails", [(sys.executable, "-c", "raise SystemExit(3)"), ("/no/such/program",)])
async def test_a_drawing_that_fails_is_none(fails: tuple[str, ...]) -> None:
    assert await Drawing(within=60, command=fails).png(CHART) is None


async def test_a_drawing_that_hangs_is_ended_and_the_next_one_goes_on(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    hangs = f"import os, time, pathlib; pathlib.Path({str(said)!r}).write_text(str(os.getpid())); time.sleep(600)"
    drawing = Drawing(within=600, command=(sys.executable, "-c", hangs))
    asking = asyncio.create_task(drawing.png(CHART))
    async with asyncio.timeout(60):
        while not said.exists() or not said.read_text():
            await asyncio.sleep(0.02)
    drawing.within = 0.05
    assert await drawing.png(CHART) is None
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not psutil.pid_exists(int(said.read_text()))
