"""What holds at one address: the host's values with the workspace's, the channel's and the thread's own over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from bot.controls.table import TABLE, Level
from bot.settings import Settings
from storage.scopes import Scope, StoredSetting

Source = Literal["default", "environment", "workspace", "channel", "thread"]


@dataclass(frozen=True, slots=True)
class Effective:
    """Every setting's value at one address, and of each where it comes from.

    Amounts of money are micro-dollars a month, prices dollars per million tokens (prompt, cached prompt, answer). The
    budgets here are those of the table at their nearest; every scope's own is in `budgets`.
    """

    system: str
    model: str
    temperature: float | None
    max_tokens: int
    reasoning_effort: str | None
    reply_mode: Literal["mention", "thread", "all"]
    reply_in: Literal["auto", "thread", "channel"]
    streaming: bool
    buttons: bool
    language: str | None
    history_tokens: int
    history_messages: int
    channel_messages: int
    summaries: bool
    summary_model: str | None
    vision: bool
    files: bool
    max_messages: int
    rights: Literal["admins", "everyone"]
    allow_users: frozenset[str] | None
    block_users: frozenset[str] | None
    allow_roles: frozenset[str] | None
    block_roles: frozenset[str] | None
    allow_channels: frozenset[str] | None
    block_channels: frozenset[str] | None
    budget: int | None
    user_budget: int | None
    price: tuple[Decimal, Decimal, Decimal] | None
    key: str | None
    admins_exempt: bool
    sources: Mapping[str, Source]
    budgets: Mapping[Literal["workspace", "channel"], int]

    def shown(self, name: str) -> str:
        """A setting's value in words: as it would be typed, or what its absence means."""
        control = next(control for control in TABLE if control.name == name)
        value = getattr(self, name)
        return control.unset or "" if value is None else control.kind.write(value)


def effective(settings: Settings, stored: Iterable[StoredSetting]) -> Effective:
    """What holds where `stored` are the values of the scopes around, the nearest last.

    A stored value that the table takes no longer (an older version's) counts as not set.
    """
    values: dict[str, Any] = {control.name: getattr(settings, control.field) for control in TABLE}
    sources: dict[str, Source] = {
        control.name: "environment" if control.field in settings.model_fields_set else "default" for control in TABLE
    }
    budgets: dict[Literal["workspace", "channel"], int] = {}
    known = {control.name: control for control in TABLE}
    for setting in stored:
        control, level = known.get(setting.name), level_of(setting.scope)
        if control is None or level not in control.levels:
            continue
        try:
            value = control.kind.read(setting.value)
        except ValueError:
            continue
        values[setting.name], sources[setting.name] = value, level
        if setting.name == "budget" and level != "thread":
            budgets[level] = value
    return Effective(**values, sources=sources, budgets=budgets)


def level_of(scope: Scope) -> Level:
    """What a scope is the scope of."""
    return "thread" if scope.thread else "channel" if scope.channel else "workspace"
