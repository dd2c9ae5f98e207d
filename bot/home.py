"""Somebody's own page: what they have used, what holds in the workspace, and what its channels have set.

A channel's system message may hold what only its members should read, and others see this page: it is told of by its
length alone. Where a channel may be changed from here, its form asks again who is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.controls.effective import effective
from bot.controls.held import HeldControls
from bot.controls.table import TABLE, Control
from bot.interactions import HomePage, HomeSection
from bot.messages import Address, Author
from bot.policy import refuse_question, runs_workspace
from bot.settings import Settings
from storage.money import UsageTotals
from storage.records import now
from storage.scopes import StoredSetting
from storage.usage import Usage, start_of_month

# A page takes 100 blocks on Slack: https://docs.slack.dev/reference/surfaces/home-tab
MOST_CHANNELS = 40


@dataclass(frozen=True, slots=True)
class Home:
    """Writes the page."""

    controls: HeldControls
    settings: Settings
    usage: Usage

    async def page(self, person: Author, platform: str, workspace: str) -> HomePage:
        """The page of a person of one workspace. Raises `StorageFailed`."""
        stored = await self.controls.stored.of_workspace(platform, workspace)
        used = await self.usage.of_user(platform, workspace, person.id, start_of_month(now()))
        everywhere = [s for s in stored if not s.scope.channel]
        holds = effective(self.settings, everywhere)
        here = Address(platform, workspace, "")
        runs = runs_workspace(person, here, self.settings)
        if not runs and refuse_question(person, here, replace(holds, allow_channels=None), self.settings):
            return HomePage((HomeSection(f"**Your month**\n{_in_words(used)}"),))
        sections = [
            HomeSection(f"**Your month**\n{_in_words(used)}"),
            HomeSection(
                "**What holds where a channel has nothing of its own**\n"
                + "\n".join(f"- {c.name}: {_brief(c.name, holds.shown(c.name))}" for c in TABLE if _open(c, runs))
            ),
        ]
        if runs:
            sections += _channels(platform, workspace, stored)
        else:
            sections.append(HomeSection("What a channel has set, `/parley show` tells in it."))
        return HomePage(tuple(sections))


def _channels(platform: str, workspace: str, stored: Sequence[StoredSetting]) -> list[HomeSection]:
    by_channel: dict[str, list[StoredSetting]] = {}
    for setting in stored:
        if setting.scope.channel and not setting.scope.thread:
            by_channel.setdefault(setting.scope.channel, []).append(setting)
    sections = [
        HomeSection(
            "\n".join(f"- {setting.name}: {_brief(setting.name, setting.value)}" for setting in settings),
            Address(platform, workspace, channel),
            changes=True,
        )
        for channel, settings in sorted(by_channel.items())[:MOST_CHANNELS]
    ]
    if not sections:
        return [HomeSection("No channel has settings of its own yet: `/parley` in one opens them.")]
    if len(by_channel) > MOST_CHANNELS:
        sections.append(HomeSection(f"… and {len(by_channel) - MOST_CHANNELS} channels more."))
    return sections


def _open(control: Control, runs: bool) -> bool:
    """Whether everybody may read a setting on their page: who is kept out, and what is paid with, is the admins'."""
    return runs or control.who == "rights"


def _in_words(used: UsageTotals) -> str:
    if not used.requests:
        return "You have asked nothing yet this month."
    tokens = used.prompt_tokens + used.completion_tokens
    cost = f"${used.cost_micros / 1_000_000:,.4f}"
    unknown = f", and {used.unpriced:,} answers of unknown price" if used.unpriced else ""
    return f"{used.requests:,} answers, {tokens:,} tokens, {cost}{unknown}."


def _brief(name: str, value: str) -> str:
    return f"{len(value):,} characters" if name == "system" else value
