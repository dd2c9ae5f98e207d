"""`parley usage`: what was asked and what it cost, of all workspaces, on the command line.

Works on the database alone, beside a running worker or without one; needs no token and asks no platform.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import usage_view
from bot.attached import EXIT_DONE, note, on_database
from bot.turn_view import harmless
from bot.usage_view import Period
from storage.money import Part, UsageLine
from storage.usage import Usage

By = Literal["all", "user", "channel", "model", "key", "day"]
COLUMNS = ("calls", "tokens in", "cached", "tokens out", "cost")


async def report(period: Period, by: By, *, as_csv: bool) -> int:
    """Print what was used; returns the exit code."""
    return await on_database(lambda database: _report(Usage(database), period, by, as_csv=as_csv))


async def _report(usage: Usage, period: Period, by: By, *, as_csv: bool) -> int:
    part: Part = "all" if by == "day" else by
    span = usage_view.span(period, datetime.now(UTC))
    lines = await usage.report("everywhere", part, span.since)
    if as_csv:
        sys.stdout.write(usage_view.as_csv(lines, part, by_day=by == "day"))
    elif lines:
        Console(highlight=False).print(_table(lines, by))
    if not lines:
        note(f"Nothing was asked: {span.words}.")
    return EXIT_DONE


def _table(lines: Sequence[UsageLine], by: By) -> Table:
    shown = Table(box=SIMPLE, header_style="bold", pad_edge=False)
    for name in ("platform", "workspace", *([] if by == "all" else [by])):
        shown.add_column(name, overflow="fold")
    for name in COLUMNS:
        shown.add_column(name, justify="right", overflow="fold")
    for (platform, workspace, part), totals in usage_view.grouped(lines, by_day=by == "day").items():
        numbers = (totals.requests, totals.prompt_tokens, totals.cached_tokens, totals.completion_tokens)
        named = [] if by == "all" else [part]
        cells = [platform, workspace, *named, *(f"{number:,}" for number in numbers), usage_view.cost(totals)]
        shown.add_row(*(Text(harmless(cell)) for cell in cells))
    return shown
