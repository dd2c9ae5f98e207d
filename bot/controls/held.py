"""The teams' settings at hand: asked for with every message of a busy channel, read from the database rarely."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.controls.effective import Effective, effective
from bot.messages import Address
from bot.settings import Settings
from storage.controls import Controls
from storage.scopes import Change, Scope, StoredSetting

# Another worker's change, which happens while a deploy replaces one, is seen after so many seconds; one's own at once.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Workspace:
    read_at: float
    by_place: dict[tuple[str, str], Sequence[StoredSetting]]
    known: dict[tuple[str, str], Effective] = field(default_factory=dict)


@dataclass(slots=True)
class HeldControls:
    """The settings of every workspace that is spoken in. Guards what was read of them."""

    stored: Controls
    settings: Settings
    _workspaces: dict[tuple[str, str], _Workspace] = field(default_factory=dict)
    _changes: int = 0

    async def at(self, address: Address) -> Effective:
        """What holds at an address. Raises `StorageFailed`."""
        workspace = await self._workspace(address.platform, address.workspace)
        scopes = (("", ""), (address.channel, ""), (address.channel, address.thread or ""))
        # Threads are many, and most have nothing of their own.
        nearest = next((scope for scope in reversed(scopes) if scope in workspace.by_place), ("", ""))
        known = workspace.known.get(nearest)
        if known is None:
            found = [setting for scope in dict.fromkeys(scopes) for setting in workspace.by_place.get(scope, ())]
            known = workspace.known[nearest] = effective(self.settings, found)
        return known

    async def set_at(self, scope: Scope) -> Sequence[StoredSetting]:
        """What is set at just this scope. Raises `StorageFailed`."""
        workspace = await self._workspace(scope.platform, scope.workspace)
        return workspace.by_place.get((scope.channel, scope.thread), ())

    async def of_workspace(self, platform: str, workspace: str) -> Sequence[StoredSetting]:
        """Everything that is set in a workspace. Raises `StorageFailed`."""
        known = await self._workspace(platform, workspace)
        return [setting for settings in known.by_place.values() for setting in settings]

    async def change(self, *changes: Change) -> None:
        """Write changes and their lines in the audit, all or none; they hold from now on. Raises `StorageFailed`."""
        try:
            await self.stored.change(*changes)
        finally:
            # Whatever was read, or is being read, may be from before.
            self._changes += 1
            self._workspaces.clear()

    async def _workspace(self, platform: str, name: str) -> _Workspace:
        known = self._workspaces.get((platform, name))
        if known is not None and time.monotonic() - known.read_at < FRESH_SECONDS:
            return known
        began, changes = time.monotonic(), self._changes
        by_place: dict[tuple[str, str], list[StoredSetting]] = {}
        for setting in await self.stored.of_workspace(platform, name):
            by_place.setdefault((setting.scope.channel, setting.scope.thread), []).append(setting)
        read = _Workspace(began, dict(by_place))
        if changes == self._changes:
            self._workspaces[platform, name] = read
        return read
