"""An answer while it grows: shown as often as the platform's limits and the others who write leave room for."""

from __future__ import annotations

import asyncio
import time

import structlog

from bot.endings import below
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone
from bot.leisure import at_leisure
from bot.messages import Button
from bot.pacing import Share, Slot, Urgency
from bot.settled import settled
from bot.showing import Showing
from bot.splitting import Growing, close_open

log = structlog.get_logger(__name__)

# A model that answers at once is posted once: the first preview waits this long for the rest of a short answer.
FIRST_PREVIEW_SECONDS = 0.25
# Each preview makes the next one this much rarer, so that a long answer does not eat the channel's edits.
PREVIEW_SLOWDOWN = 1.1
SLOWEST_PREVIEW_SECONDS = 5.0
# A preview for which there is no room is tried again after so long, or after the time that is its share.
NO_ROOM_SECONDS = 1.0
# Edits are scarce where one answer gets none for longer than this.
SCARCE_EDITS_SECONDS = 2.5
# A stream can't show a block of code before its end: where more than so many characters wait for that, edits can.
HELD_BACK_CHARACTERS = 400


class Previews:
    """Shows one answer before it is complete, with the buttons `while_writing` under its newest message.

    `growing` splits it; `most`: no more messages than so many.
    """

    def __init__(
        self, showing: Showing, growing: Growing, while_writing: tuple[Button, ...], most: int | None, turn: str
    ) -> None:
        self._showing = showing
        self._words = showing.words
        self._parts = showing.parts
        self._pace = showing.pace
        self._address = showing.address
        self._growing = growing
        self._while_writing = while_writing
        self._most = most
        self._turn = turn
        self._next_at = 0.0
        self._pause = showing.description.preview_seconds

    async def offer(self) -> None:
        """Let an answer that stands be stopped from being written anew, where the model does not speak at once."""
        try:
            async with asyncio.timeout(FIRST_PREVIEW_SECONDS):
                await self._words.changed.wait()
        except TimeoutError:
            pass
        wanted = self._while_writing and not self._words.changed.is_set()
        slot = self._pace.spare("edit", self._address) if wanted else None
        if slot is None:
            return
        try:
            with slot:
                await self._parts.offer(self._while_writing)
        except DeliveryFailure as failure:
            log.info("stop_not_offered", turn=self._turn, code=failure.code)

    async def show(self, share: Share) -> None:
        """Show what is said by the time that the next preview is due; nothing where the answer is complete by then.

        Raises `LeaseLost`, and the `DeliveryFailure`s that are more than a missed preview.
        """
        due = max(self._next_at, self._words.begun_at + FIRST_PREVIEW_SECONDS if self._words.text else 0.0)
        await at_leisure(max(0.0, due - time.monotonic()), self._words.completed)
        if self._words.are_complete:
            return
        try:
            await self._preview(share)
        except DeliveryDelayed as delayed:
            log.info("preview_delayed", turn=self._turn, code=delayed.code, seconds=delayed.retry_after)
            self._words.changed.set()
        except (DeliveryUncertain, MessageGone) as failure:
            # A preview is a luxury; landing the text sets it right.
            log.info("preview_failed", turn=self._turn, code=failure.code)
        except DeliveryRefused as refused:
            # Whether the place takes the whole answer is seen then; if not, there is one to be told otherwise.
            log.info("previews_refused", turn=self._turn, code=refused.code)
            await self._words.completed.wait()

    async def _preview(self, share: Share) -> None:
        words = self._words
        if words.text:
            finished, growing = self._growing.split_stable(words.preface + words.text)
        elif words.notice and words.standing:
            finished, growing = self._growing.split_stable(below(words.standing, words.notice))
        else:
            finished, growing = [], words.notice
        for index, text in enumerate(finished[: self._most]):
            is_last = index + 1 == self._most
            buttons = self._while_writing if is_last else ()
            if self._parts.shows(index, text, buttons) and (is_last or not self._parts.streams(index)):
                continue
            if not await self._try(index, text, buttons, share, growing=False):
                return
        if self._most is None or len(finished) < self._most:
            await self._preview_growing(len(finished), growing, share)

    async def _preview_growing(self, index: int, growing: str, share: Share) -> None:
        """Show as much of the message that still grows as can be shown of it."""
        text = close_open(growing)
        if self._parts.streams(index):
            shown, steady = self._parts.shown(index) or "", settled(growing)
            if len(growing) - len(steady) <= HELD_BACK_CHARACTERS and steady.startswith(shown):
                text = steady
            elif not await self._try(index, shown, self._while_writing, share, growing=False):
                return  # else edits go on from what the stream has shown
        if text and not self._parts.shows(index, text, self._while_writing):
            await self._try(index, text, self._while_writing, share, growing=True)

    async def _try(self, index: int, text: str, buttons: tuple[Button, ...], share: Share, *, growing: bool) -> bool:
        """Show a text if there is room for it, for the first words as soon as there is; whether it is shown."""
        action = self._showing.action(index, growing=growing)
        slot: Slot | None
        match action:
            case "send":
                steady = settled(text) if growing and self._words.text and self._is_to_stream() else ""
                slot = self._pace.begin("start", self._address, finish="stop") if steady else None
                if slot is not None:
                    text, action = steady, "start"
                else:
                    slot = await self._first_slot()
            case "stop":
                slot = self._pace.begin(action, self._address, finish="edit")
            case _:
                slot = self._pace.spare(action, self._address)
        if slot is not None:
            await self._showing.show(index, text, buttons, action, slot, growing=growing)
            share.promise("stop" if self._parts.streams(index) else "edit")
            pause = self._pause
            self._pause = min(pause * PREVIEW_SLOWDOWN, SLOWEST_PREVIEW_SECONDS)
        else:
            pause = NO_ROOM_SECONDS
            self._words.changed.set()
        pause = max(pause, self._pace.pause(self._showing.action(index, growing=True), self._address))
        self._next_at = time.monotonic() + pause
        return slot is not None

    def _is_to_stream(self) -> bool:
        """Whether a message begins as a stream. One has no room for buttons: where there are any for it, only when so
        many answers are written that edits would hardly let it grow."""
        if not self._parts.may_stream:
            return False
        return not self._while_writing or self._pace.pause("edit", self._address) > SCARCE_EDITS_SECONDS

    async def _first_slot(self) -> Slot | None:
        """Room for a message and for finishing it, as soon as it is this answer's turn; None once it is complete."""
        slot = self._pace.begin("send", self._address, finish="edit")
        if slot is not None:
            return slot
        waiting = asyncio.create_task(
            self._pace.take("send", self._address, Urgency.FIRST_WORDS, finish="edit"), name="room"
        )
        completing = asyncio.create_task(self._words.completed.wait(), name="completed")
        try:
            await asyncio.wait({waiting, completing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waiting, completing):
                task.cancel()
            await asyncio.gather(waiting, completing, return_exceptions=True)
        slot = waiting.result() if not waiting.cancelled() else None
        if slot is not None and self._words.are_complete:
            self._pace.give_back(slot)
            return None
        return slot
