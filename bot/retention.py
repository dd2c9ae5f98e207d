"""The sweep: what was said longer ago than `PARLEY_RETENTION_DAYS` is removed, soon after the start and then hourly.

What is removed, and that open turns keep what they have, is `storage.retention`'s; when and how fast, this file's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bot.errors import StorageFailed
from bot.settings import Settings
from storage.marks import Marks
from storage.records import Portion, micros_of, now
from storage.retention import START, Retention, since

log = structlog.get_logger(__name__)

# The first questions after a start have the database to themselves.
FIRST_AFTER_SECONDS = 3.0
EVERY_SECONDS = 3_600.0
# A worker's own writes come between two portions.
PAUSE_SECONDS = 0.05
# Identities are kept so much longer than questions are read back, for what is read at the edge, and for platforms that
# send an event again an hour later.
MARGIN_SECONDS = 86_400.0
# Set to the moment before which messages are no longer known: what is older must not be read back, whatever the
# settings say by then.
REMOVED_MARK = "messages removed before"

_Step = Callable[[int, tuple[int, int]], Awaitable[Portion]]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Removes what is old. `run` owns the rhythm."""

    stored: Retention
    marks: Marks
    settings: Settings

    async def run(self) -> None:
        """Sweep until cancelled; where everything is kept, there is nothing to do."""
        if not self.settings.parley_retention_days:
            return
        pause = FIRST_AFTER_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = EVERY_SECONDS
            try:
                await self.once()
            except StorageFailed as failure:
                log.info("sweep_put_off", reason=str(failure))

    async def once(self) -> None:
        """One pass over all that is old by now. Raises `StorageFailed`: what is left, the next pass finds."""
        moment = now()
        before = since(self.settings.parley_retention_days, moment)
        readable = moment - micros_of(self.settings.parley_catch_up_hours * 3_600 + MARGIN_SECONDS)
        gone = min(before, readable)
        wiped = await self._through(self.stored.wipe_messages, before)
        wiped += await self._through(lambda moment, _: self.stored.remove_overheard(moment), before)
        # Said before it is done: a process may end in between.
        await self.marks.put(REMOVED_MARK, gone)
        removed = await self._through(self.stored.remove_messages, gone)
        turns = await self._through(self.stored.remove_turns, gone)
        audit = await self._through(self.stored.wipe_audit, before)
        if wiped or removed or turns or audit:
            await self.stored.scrub()
        log.info("swept", wiped=wiped, messages_removed=removed, turns_removed=turns, audit_wiped=audit)

    async def _through(self, step: _Step, before: int) -> int:
        """Do a step portion by portion; returns to how many rows it was done."""
        done, after = 0, START
        while True:
            portion = await step(before, after)
            done += portion.done
            if portion.last is None:
                return done
            after = portion.last
            await asyncio.sleep(PAUSE_SECONDS)
