"""Watches the files that keys come from, and has a change taken up while the bot runs.

The files are read every half second rather than watched by the system's own signals: those stay silent on network
disks and in some containers, and need a library each; the files are few and small. A content counts once it has been
seen twice, so that one that is just being written is not taken for whole, whether an editor renames a new file into
its place, writes it in place, or a cluster swaps the link to a new folder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import SecretStr

from bot import troubles
from bot.alerts import Alerts
from bot.host_keys import KeysUnusable, files_in, read_file

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
SETTLED_AFTER = 2
# A file that is being replaced may be away for a moment.
GONE_AFTER = 6
_GONE = "is gone"

# A file's keys, or why it has none.
Content = tuple[SecretStr, ...] | str


@dataclass(slots=True)
class _Seen:
    """What a ring's file held when last looked at, how often in a row, and what of it was acted upon."""

    content: Content
    times: int
    settled: Content


@dataclass(slots=True)
class KeyFiles:
    """The files of one folder. `replace` has a ring's keys replaced; `fixed` are the rings that come from variables."""

    folder: Path
    fixed: Collection[str]
    replace: Callable[[str, Sequence[SecretStr]], Awaitable[None]]
    alerts: Alerts
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def begin_with(self, keys: Mapping[str, tuple[SecretStr, ...]]) -> None:
        """These are in use already."""
        self._seen = {ring: _Seen(held, 0, held) for ring, held in keys.items() if ring not in self.fixed}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once, and have taken up what has settled."""
        found = await asyncio.to_thread(self._read)
        for ring in sorted({*found, *self._seen}):
            content = found.get(ring, _GONE)
            seen = self._seen.setdefault(ring, _Seen(content, 0, ()))
            seen.times = seen.times + 1 if seen.content == content else 1
            seen.content = content
            needed = GONE_AFTER if content == _GONE else SETTLED_AFTER
            if content != seen.settled and seen.times >= needed:
                seen.settled = content
                await self._take_up(ring, content)

    async def _take_up(self, ring: str, content: Content) -> None:
        if isinstance(content, tuple):
            await self.replace(ring, content)
            log.info("secret_file_taken_up", ring=ring, keys=len(content))
            self.alerts.well(troubles.proven_by_file(ring), time.monotonic())
        elif ring and content == _GONE:
            # Whoever removes a team's secret wants it used no longer.
            await self.replace(ring, ())
            log.warning("secret_file_gone", ring=ring)
            self.alerts.well(troubles.proven_by_file(ring), time.monotonic())
        else:
            log.warning("secret_file_unusable", ring=ring, reason=content)
            self.alerts.tell(troubles.with_secret_file(ring, content))

    def _read(self) -> dict[str, Content]:
        try:
            files = files_in(self.folder)
        except OSError as error:
            return dict.fromkeys(self._seen, f"can't be read: {error.strerror}")
        found: dict[str, Content] = {}
        for file in files:
            if file.ring not in self.fixed:
                try:
                    found[file.ring] = read_file(file.path)
                except KeysUnusable as unusable:
                    found[file.ring] = str(unusable)
                except OSError:
                    continue  # gone since the folder was listed
        return found
