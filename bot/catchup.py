"""Reading back what was said while nothing listened: at the start and after a gap, through the same intake as events.

Where a platform keeps its messages is the adapters' business; here it is decided how far back to read, and when.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot import crash
from bot.adapter import Missed
from bot.capabilities import ReadsMissed, Unread
from bot.errors import DeliveryFailure, StorageFailed
from bot.holds import place_of
from bot.intake import Intake
from bot.messages import Address, IncomingMessage
from bot.retention import REMOVED_MARK
from bot.settings import Settings
from storage import Store
from storage.records import micros, micros_of, now

log = structlog.get_logger(__name__)

# Events overtake each other, and one may have been lost just before a later one was stored.
OVERLAP_SECONDS = 600.0
# A new question of a conversation under way waits so long at most for older ones to be read, so that answers keep their
# order.
HOLD_SECONDS = 10.0
# The most recently used places are read first; with more than these a platform's limits would keep them for minutes.
MOST_PLACES = 300
# A platform or a database that is down is asked again.
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0


@dataclass(slots=True)
class CatchUp:
    """Catches one platform up whenever it is asked to; a request during a pass makes one more pass."""

    platform: str
    adapter: ReadsMissed
    store: Store
    intake: Intake
    settings: Settings
    passes: int = 0
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, missed: Missed) -> None:
        """A connection is up, and `missed` may have been said before it."""
        if missed == "nothing" or not self.settings.parley_catch_up_hours:
            return
        if missed == "gap":
            self.intake.hold(self.platform, HOLD_SECONDS)
        self._asked.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_after_pass(), name="passes")
            while True:
                place = await self.intake.holds.asked_for(self.platform)
                group.create_task(self._ahead(place), name="ahead")

    async def _pass_after_pass(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._pass()
            except (StorageFailed, DeliveryFailure) as failure:
                # What was read is stored, and the next pass begins where this one did.
                log.info("catch_up_put_off", platform=self.platform, seconds=pause, reason=str(failure))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._asked.wait()
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._asked.set()
            else:
                pause = FIRST_PAUSE_SECONDS

    async def _pass(self) -> None:
        began = now()
        since, oldest = await self._bounds(began)
        known = await self._known(since, oldest)
        most = self.settings.parley_catch_up_messages
        count = read = answered = 0
        gap = self.intake.holds.gap(self.platform)
        try:
            async with aclosing(self.adapter.missed(known, _moment(since), self._horizon(began), most)) as places:
                async for place, messages in places:
                    answered += await self._take_in(place, messages, gap)
                    # The next place is read from now on.
                    gap = self.intake.holds.gap(self.platform)
                    read += len(messages)
                    count += 1
        except (StorageFailed, DeliveryFailure):
            await self.intake.release(self.platform)
            raise
        # A pass that is cancelled leaves the hold: what waits for older questions waits for the next process to read
        # them. So does one during which there was another gap: the next pass reads that.
        if not self._asked.is_set():
            await self.intake.release(self.platform)
        await self.store.marks.put(self._mark, began)
        self.passes += 1
        log.info("caught_up", platform=self.platform, places=count, messages=read, to_answer=answered)

    async def _ahead(self, place: Address) -> None:
        """Read a place in which somebody waits; where that fails, it is left to the pass."""
        gap = self.intake.holds.gap(self.platform)
        try:
            since, _ = await self._bounds(now())
            unread = Unread(place, _moment(since))
            messages = await self.adapter.missed_in(unread, self.settings.parley_catch_up_messages)
            answered = await self._take_in(place, messages, gap)
        except (StorageFailed, DeliveryFailure) as failure:
            log.info("place_not_read_ahead", channel=place.channel, thread=place.thread, reason=str(failure))
        else:
            log.info("place_read_ahead", channel=place.channel, thread=place.thread, to_answer=answered)

    async def _take_in(self, place: Address, messages: Sequence[IncomingMessage], gap: int) -> int:
        """Take in what was read in a place since a gap; how many messages are to be answered."""
        answered, begun = 0, []
        known = await self.intake.known(place, messages)
        for message in messages:
            turn_id = known.get(message.id)
            if turn_id is None:
                accepted = await self.intake.receive_missed(message, place)
                crash.point("in_catch_up")
                if accepted is None or accepted.turn_id is None:
                    continue
                answered += accepted.outcome in {"queued", "joined"}
                turn_id = accepted.turn_id
            # A reply that was also sent to the channel belongs to its thread, which is not read yet.
            if place.thread is not None or place_of(message) == place:
                begun.append(turn_id)
        await self.intake.settle(place, gap, begun)
        return answered

    async def _bounds(self, moment: int) -> tuple[int, int]:
        """From when on places are read, and before when none is."""
        # What was said before this database was made, another one may have answered; and what was removed from it is
        # not known to have been answered.
        removed = await self.store.marks.at(REMOVED_MARK) or 0
        oldest = max(micros(self._horizon(moment)), await self.store.marks.born(), removed)
        last_pass = await self.store.marks.at(self._mark)
        since = oldest if last_pass is None else max(oldest, last_pass - micros_of(OVERLAP_SECONDS))
        return since, oldest

    async def _known(self, since: int, oldest: int) -> Sequence[Unread]:
        """The places where the bot was spoken to.

        A cursor that has moved on since the last pass tells nothing of what was missed before: an event came after a
        gap and before the gap was read.
        """
        overlap = micros_of(OVERLAP_SECONDS)
        return [
            Unread(cursor.address, _moment(max(oldest, min(since, cursor.position - overlap))))
            for cursor in await self.store.cursors.recent(self.platform, MOST_PLACES)
        ]

    def _horizon(self, moment: int) -> datetime:
        return _moment(moment - micros_of(self.settings.parley_catch_up_hours * 3600))

    @property
    def _mark(self) -> str:
        return f"caught up {self.platform}"


def _moment(position: int) -> datetime:
    return datetime.fromtimestamp(position / 1_000_000, UTC)
