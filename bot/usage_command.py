"""`/parley usage`: what was asked and what it cost, as a table and a picture, for the eyes of the one who asks.

Everyone sees their own sums and the channel's, and what is left of the budgets that hold there. What others used, and
where, is for admins alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from bot import budgets, usage_view
from bot.adapter import Adapter
from bot.capabilities import KnowsPlaces
from bot.controls.held import HeldControls
from bot.drawing import Drawing
from bot.interactions import CommandAnswer, OutgoingFile
from bot.messages import Address, Author, CommandInvoked
from bot.policy import WHO_RUNS, runs_workspace
from bot.results import Result
from bot.settings import Settings
from bot.usage_view import PERIODS, Period, Span, Sum
from bot.wording import quotable
from storage.budgets import Budgets
from storage.money import Reported, Spender, UsageLine, UsageTotals
from storage.usage import Usage

By = Literal["user", "channel", "model"]
BYS: tuple[By, ...] = get_args(By)
# How long the names of channels may take; those that are not had by then are shown by their ids.
NAMES_WITHIN_SECONDS = 1.0

EXAMPLE = "`usage week model`"
FOR_ADMINS = (
    "What each {by} used is for admins to see: {who}. Here is what you used yourself, and this channel in all.\n\n"
)
NOT_DRAWN = "_The picture of it could not be drawn; the figures are whole._"


@dataclass(frozen=True, slots=True)
class UsageCommand:
    """Reports. `left` gives lines, in Markdown, on what the model's provider says is left of its limits."""

    usage: Usage
    budgets: Budgets
    controls: HeldControls
    settings: Settings
    adapters: Mapping[str, Adapter]
    drawing: Drawing
    left: Callable[[], Sequence[str]]

    async def run(self, command: CommandInvoked) -> Result:
        """The report that a command asks for. Raises `StorageFailed`."""
        period, by, wrong = understand(command.arguments)
        if wrong:
            return Result(CommandAnswer(wrong))
        spender = _spender(command)
        moment = datetime.now(UTC)
        span = usage_view.span(period, moment)
        admin = self._sees_all(command.author, command.address)
        preface = ""
        if by in ("user", "channel") and not admin:
            who = WHO_RUNS.get(command.address.platform, "whom the host names in `PARLEY_ADMINS`")
            preface, by = FOR_ADMINS.format(by=by, who=who), None
        if by is None:
            rows, title, lines, names = await self._totals(spender, span, admin=admin)
        else:
            rows, title, lines, names = await self._breakdown(spender, span, by, admin=admin)
        sections = [f"{preface}**{title}, {span.words}**", usage_view.table(rows), *_unpriced(rows)]
        sections += await self._budgets_left(command.address, spender, moment)
        if admin:
            sections += self.left()
        wide = admin and by is not None
        return await self._with_picture(sections, title, span, lines, names, private=wide)

    async def _totals(
        self, spender: Spender, span: Span, *, admin: bool
    ) -> tuple[list[tuple[str, UsageTotals]], str, Sequence[UsageLine], Mapping[str, str]]:
        """Sums alone: the asker's, the channel's, and for admins the workspace's. The channel's is drawn, for all."""
        wanted: list[tuple[str, Reported]] = [("you", "user"), ("this channel", "channel")]
        if admin:
            wanted.append(("the workspace", "workspace"))
        rows = []
        lines: Sequence[UsageLine] = ()
        for name, scope in wanted:
            found = await self.usage.report(scope, "all", span.since, spender)
            rows.append((name, usage_view.together(line.totals for line in found)))
            lines = found if scope == "channel" else lines
        return rows, "Usage in this channel", lines, {}

    async def _breakdown(
        self, spender: Spender, span: Span, by: By, *, admin: bool
    ) -> tuple[list[tuple[str, UsageTotals]], str, Sequence[UsageLine], Mapping[str, str]]:
        """The workspace in parts; of who is no admin, this channel."""
        lines = await self.usage.report("workspace" if admin else "channel", by, span.since, spender)
        found = usage_view.sums(lines)
        named = found[: max(usage_view.MOST_ROWS, usage_view.MOST_SERIES)]
        names = await self._names(spender, by, named)
        where = "in the workspace" if admin else "in this channel"
        return usage_view.rows_of(found, names), f"Usage {where} by {by}", lines, names

    async def _names(self, spender: Spender, by: By, found: Sequence[Sum]) -> Mapping[str, str]:
        match by:
            case "user":
                return await self.usage.names([each.last_turn for each in found if each.last_turn is not None])
            case "channel":
                return await self._channels(spender, [each.part for each in found])
            case "model":
                return {}

    async def _channels(self, spender: Spender, ids: Sequence[str]) -> Mapping[str, str]:
        """What channels are called, as far as that is known at once."""
        adapter: object = self.adapters.get(spender.platform)
        if not isinstance(adapter, KnowsPlaces):
            return {}
        asked = {
            channel: asyncio.create_task(adapter.place(Address(spender.platform, spender.workspace, channel)))
            for channel in ids
        }
        if asked:
            _, late = await asyncio.wait(asked.values(), timeout=NAMES_WITHIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        known = {channel: task.result().channel_name for channel, task in asked.items() if not task.cancelled()}
        return {channel: f"#{name}" for channel, name in known.items() if name}

    async def _budgets_left(self, address: Address, spender: Spender, moment: datetime) -> list[str]:
        bounds = budgets.bounds(await self.controls.at(address), self.settings)
        if not bounds:
            return []
        standing = await self.budgets.drawn(spender, bounds)
        return ["\n".join(f"- {budgets.standing(drawn, moment)}" for drawn in standing)]

    async def _with_picture(
        self,
        sections: list[str],
        title: str,
        span: Span,
        lines: Sequence[UsageLine],
        names: Mapping[str, str],
        *,
        private: bool,
    ) -> Result:
        wanted = usage_view.chart(f"{title}, {span.words}", lines, span.days, names)
        if wanted is None:
            return Result(CommandAnswer("\n\n".join(sections)), private=private)
        picture = await self.drawing.png(wanted)
        if picture is None:
            return Result(CommandAnswer("\n\n".join([*sections, NOT_DRAWN])), private=private)
        described = f"{wanted.title}: bars of {wanted.unit} by day; the table has the figures."
        file = OutgoingFile("usage.png", "image/png", picture, described, private=private)
        return Result(CommandAnswer("\n\n".join(sections), file=file), private=private)

    def _sees_all(self, person: Author, address: Address) -> bool:
        """Who runs one channel alone does not see the others'."""
        return runs_workspace(person, address, self.settings)


def understand(arguments: Sequence[str]) -> tuple[Period, By | None, str]:
    """What is asked for, in any order; with what to say where a word of it means nothing. This month by itself."""
    period: Period | None = None
    by: By | None = None
    for argument in arguments:
        for word in argument.lower().split():
            as_period = next((each for each in PERIODS if each == word), None)
            as_part = next((each for each in BYS if each in (word, word.removesuffix("s"))), None)
            if as_period and period in (None, as_period):
                period = as_period
            elif as_part and by in (None, as_part):
                by = as_part
            else:
                return "month", None, _misunderstood(word, known=bool(as_period or as_part))
    return period or "month", by, ""


def _misunderstood(word: str, *, known: bool) -> str:
    shown = quotable(word, 40)
    why = f"With `{shown}` that is two of the same kind" if known else f"I don't know `{shown}`"
    return f"{why}. Name a time (day, week or month), a part (user, channel or model), or both: {EXAMPLE}."


def _unpriced(rows: Sequence[tuple[str, UsageTotals]]) -> list[str]:
    most = max((totals.unpriced for _, totals in rows), default=0)
    if not most:
        return []
    return [f"For {most:,} of these answers the model's price is unknown, so their cost is too: `price` can say it."]


def _spender(command: CommandInvoked) -> Spender:
    place = command.address
    return Spender(place.platform, place.workspace, place.channel, command.author.id)
