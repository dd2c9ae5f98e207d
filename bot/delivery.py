"""A growing text → messages on a platform: posted early, edited while it grows, always landed whole.

One `LiveAnswer` per turn. Its `run` is the only sender, so no two calls of one answer ever cross. How a message comes
to stand at the platform exactly once is told in `parts.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext

import structlog

from bot.adapter import Action, Adapter
from bot.endings import below
from bot.errors import (
    DeliveryDelayed,
    DeliveryFailure,
    DeliveryRefused,
    DeliveryUncertain,
    FateUnknown,
    MessageGone,
    StorageFailed,
)
from bot.files.out import at_most, whole_name
from bot.insisting import insist
from bot.lease import Lease
from bot.leisure import at_leisure
from bot.messages import Button, Reply
from bot.pacing import Pace, Share, Slot, Urgency
from bot.parts import Parts
from bot.resuming import resumed
from bot.settled import settled
from bot.splitting import Growing, close_open, split
from storage.records import SentPart, StoredPart
from storage.turns import Turns

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
# How long a turn that ends without an end stored waits for that.
CONFIRMED_WITHIN_SECONDS = 1.0
# A stream can't show a block of code before its end: where more than so many characters wait for that, edits can.
HELD_BACK_CHARACTERS = 400


class LiveAnswer:
    """The answer of one turn on its way to people.

    `preface` stands before whatever is said; `already` are the messages that an earlier attempt left. `previews`: it
    shows while it grows, with the buttons `while_writing` under its newest message. `instead_of`: the answer to an
    earlier wording, whose messages become this one's. `standing`: the words that stand in the messages it has already.
    `opener`: the line that opens the block of code in which it goes on. `asker`: the id of who is answered. `most`: no
    more messages than so many; the last then says that the answer goes on elsewhere.
    """

    def __init__(
        self,
        adapter: Adapter,
        turns: Turns,
        pace: Pace,
        lease: Lease,
        *,
        reply_to: str | None,
        mentions: Mapping[str, str],
        preface: str = "",
        already: Sequence[StoredPart] = (),
        before_first: Callable[[], Awaitable[None]] | None = None,
        previews: bool = True,
        instead_of: LiveAnswer | None = None,
        asker: str = "",
        while_writing: tuple[Button, ...] = (),
        standing: str = "",
        opener: str = "",
        most: int | None = None,
    ) -> None:
        self._parts = Parts(
            adapter,
            turns,
            lease,
            reply_to=reply_to,
            mentions=mentions,
            already=already,
            before_first=before_first,
            asker=asker,
        )
        if instead_of is not None:
            self._parts.take_over(instead_of._parts)
        self._pace = pace
        self._address = lease.claim.address
        self._turn = lease.claim.key
        self._mentions = mentions
        self._description = adapter.describe()
        self._previews = previews
        self._while_writing = while_writing
        self._standing = standing
        self._opener = opener
        self._said = ""
        # Whoever wants it anew finds other buttons under it than those of an answer that is being written.
        self._is_anew = lease.claim.pressed is not None
        self._before_first = before_first
        self._after: tuple[Button, ...] = ()
        self._most = most
        self._file = whole_name(lease.claim.wording)
        self.length = 0
        """How many messages the whole answer takes, once it has landed."""
        self._preface = preface
        self._text = ""
        self._growing = Growing(self._fits)
        self._outcome: str | None = None
        self._notice = ""
        self._complete = False
        self._changed = asyncio.Event()
        self._completed = asyncio.Event()
        self._preview_at = 0.0
        self._preview_pause = self._description.preview_seconds

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return self._text

    @property
    def words(self) -> str:
        """The same, or what stood before the model said a word."""
        return self._text or self._standing

    @property
    def preface(self) -> str:
        """What stands before the model's words until the answer is complete."""
        return self._preface

    @property
    def goes_on(self) -> bool:
        """Whether there is more of the answer than its messages show, once it has landed."""
        return self._most is not None and self.length > self._most

    @property
    def first_id(self) -> str:
        """The platform's id of the answer's first message, once there is one."""
        return self._parts.first_id

    @property
    def posted(self) -> bool:
        """Whether a message was posted by this process: a platform ends its status then."""
        return self._parts.posted_one

    @property
    def unconfirmed(self) -> SentPart | None:
        """The message that was sent last, as long as that is to be written down with the turn's end."""
        return self._parts.unconfirmed

    async def confirm(self) -> None:
        """Write down that it was sent, where that is still to be done. Raises `StorageFailed`."""
        await self._parts.confirm()

    async def confirm_in_passing(self) -> None:
        """The same for a turn that does not end here: what is not confirmed in a moment is looked for by the next."""
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN_SECONDS):
                await self._parts.confirm()
        except (TimeoutError, StorageFailed) as failure:
            log.info("sent_unconfirmed", turn=self._turn, reason=str(failure))

    def confirmed(self) -> None:
        """It was written down with the turn's end."""
        self._parts.unconfirmed = None

    def feed(self, piece: str) -> None:
        """Add what the model just said."""
        if not self._text:
            self._preview_at = max(self._preview_at, time.monotonic() + FIRST_PREVIEW_SECONDS)
        self._said += piece
        self._text = resumed(self._opener, self._said) if self._opener else self._said
        self._changed.set()

    def restart(self) -> None:
        """Take back all that was said: the model begins anew. What is shown stays until there is something better."""
        self._text = self._said = ""

    def say_meanwhile(self, notice: str) -> None:
        """Show a sentence as long as there is no text, below what stands: why nothing comes yet."""
        self._notice = notice
        self._changed.set()

    def say_of_silence(self, notice: str) -> None:
        """The same for what is hardly news: never in the place of words that an earlier process left, or of news."""
        if not self._notice and (self._standing or not self.first_id):
            self.say_meanwhile(notice)

    def complete(self, text: str, outcome: str | None = None, buttons: tuple[Button, ...] = ()) -> None:
        """This is the whole answer, preface and all: `run` keeps its `outcome`, lands it over `buttons` and ends."""
        self._text = text
        self._preface = ""
        self._outcome = outcome
        self._after = buttons
        self._complete = True
        self._completed.set()
        self._changed.set()

    def complete_whole(self, text: str) -> None:
        """This is the whole answer, in as many messages as it takes: another `run` lands it over the same buttons."""
        self._most = None
        self.complete(text, buttons=self._after)

    async def say_instead(self, text: str, buttons: tuple[Button, ...] = ()) -> bool:
        """Try once to put a text in the answer's place, once `run` has failed; whether the platform took it. Raises
        `FateUnknown` where a message of the answer may stand there."""
        try:
            texts = at_most(split(text, self._fits), self._most, self._fits, self._file)
            for index, (part, below) in enumerate(_over(texts, buttons)):
                await self._show(index, part, below, self._action(index))
            await self._parts.take_back_from(len(texts))
        except FateUnknown:
            raise
        except DeliveryFailure as failure:
            log.info("sentence_refused", turn=self._turn, code=failure.code)
            return False
        return True

    async def say_below(self, text: str) -> bool:
        """Try once to put a text below what is known to stand of the answer, once `run` has failed; whether the
        platform took it."""
        self._parts.leave_unknown()
        try:
            await self._show(len(self._parts), text, (), "send")
        except DeliveryFailure as failure:
            log.info("sentence_refused", turn=self._turn, code=failure.code)
            return False
        return True

    async def withdraw(self) -> None:
        """Take back whatever is shown: nobody asks any more. Raises `LeaseLost` and `DeliveryFailure`."""
        await self._parts.take_back_from(0)

    async def hand_over(self, sentence: str) -> None:
        """Put a sentence under what is shown, once `run` has been cancelled: another process will finish it.

        Never raises a `DeliveryFailure`: what can't be said is not said.
        """
        text = below(self._preface + self._text if self._text else self._standing, sentence)
        try:
            texts = at_most(split(text, self._fits), self._most, self._fits, self._file)
            for index, (part, buttons) in enumerate(_over(texts, self._while_writing)):
                if not self._parts.shows(index, part, buttons):
                    await self._show(index, part, buttons, self._action(index))
        except DeliveryFailure as failure:
            log.info("hand_over_unsaid", turn=self._turn, code=failure.code)

    async def run(self) -> None:
        """Show the answer as it grows and land it once it is complete.

        Raises `LeaseLost`, a `DeliveryRefused`, or the last `DeliveryFailure` of a platform that is down for long.
        """
        with self._pace.answering(self._address) as share:
            if self._is_anew:
                await self._offer()
            if not self._previews:
                await self._completed.wait()
            while not self._complete:
                await self._changed.wait()
                self._changed.clear()
                await self._until_preview_is_due()
                if not self._complete:
                    await self._preview(share)
            share.written()
            await self._land()

    async def _offer(self) -> None:
        """Let an answer that stands be stopped from being written anew, where the model does not speak at once."""
        try:
            async with asyncio.timeout(FIRST_PREVIEW_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            pass
        slot = self._pace.spare("edit", self._address) if self._while_writing and not self._changed.is_set() else None
        if slot is None:
            return
        try:
            with slot:
                await self._parts.offer(self._while_writing)
        except DeliveryFailure as failure:
            log.info("stop_not_offered", turn=self._turn, code=failure.code)

    async def _until_preview_is_due(self) -> None:
        await at_leisure(max(0.0, self._preview_at - time.monotonic()), self._completed)

    async def _preview(self, share: Share) -> None:
        if self._text:
            finished, growing = self._growing.split_stable(self._preface + self._text)
        elif self._notice and self._standing:
            finished, growing = self._growing.split_stable(below(self._standing, self._notice))
        else:
            finished, growing = [], self._notice
        try:
            for index, text in enumerate(finished[: self._most]):
                is_last = index + 1 == self._most
                buttons = self._while_writing if is_last else ()
                if self._parts.shows(index, text, buttons) and (is_last or not self._parts.streams(index)):
                    continue
                if not await self._try(index, text, buttons, share, growing=False):
                    break
            else:
                if self._most is None or len(finished) < self._most:
                    await self._preview_growing(len(finished), growing, share)
        except DeliveryDelayed as delayed:
            log.info("preview_delayed", turn=self._turn, code=delayed.code, seconds=delayed.retry_after)
            self._changed.set()
        except (DeliveryUncertain, MessageGone) as failure:
            # A preview is a luxury; landing the text sets it right.
            log.info("preview_failed", turn=self._turn, code=failure.code)
        except DeliveryRefused as refused:
            # Whether the place takes the whole answer is seen then; if not, there is one to be told otherwise.
            log.info("previews_refused", turn=self._turn, code=refused.code)
            await self._completed.wait()

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
        action = self._action(index, growing=growing)
        slot: Slot | None
        match action:
            case "send":
                steady = settled(text) if growing and self._text and self._is_to_stream() else ""
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
            await self._show(index, text, buttons, action, slot, growing=growing)
            share.promise("stop" if self._parts.streams(index) else "edit")
            pause = self._preview_pause
            self._preview_pause = min(pause * PREVIEW_SLOWDOWN, SLOWEST_PREVIEW_SECONDS)
        else:
            pause = NO_ROOM_SECONDS
            self._changed.set()
        pause = max(pause, self._pace.pause(self._action(index, growing=True), self._address))
        self._preview_at = time.monotonic() + pause
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
        completing = asyncio.create_task(self._completed.wait(), name="completed")
        try:
            await asyncio.wait({waiting, completing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waiting, completing):
                task.cancel()
            await asyncio.gather(waiting, completing, return_exceptions=True)
        slot = waiting.result() if not waiting.cancelled() else None
        if slot is not None and self._complete:
            self._pace.give_back(slot)
            return None
        return slot

    async def _land(self) -> None:
        if self._outcome is not None:
            await self._parts.keep(self._outcome)
        parts = self._growing.split(self._text)
        self.length = len(parts)
        texts = at_most(parts, self._most, self._fits, self._file)
        for index, (text, buttons) in enumerate(_over(texts, self._after)):
            if self._parts.streams(index) or not self._parts.shows(index, text, buttons):
                last = index + 1 == len(texts)
                await insist(self._turn, lambda i=index, t=text, b=buttons, e=last: self._place(i, t, b, last=e))  # type: ignore[misc]
        await self._parts.take_back_from(len(texts))

    async def _place(self, index: int, text: str, buttons: tuple[Button, ...], *, last: bool) -> None:
        action = self._action(index)
        slot = await self._pace.take(action, self._address)
        try:
            await self._show(index, text, buttons, action, slot, last=last)
        except MessageGone:
            await self._parts.post_anew_from(index)
            slot = await self._pace.take("send", self._address)
            await self._show(index, text, buttons, "send", slot, last=last)

    async def _show(
        self,
        index: int,
        text: str,
        buttons: tuple[Button, ...],
        action: Action,
        slot: Slot | None = None,
        *,
        growing: bool = False,
        last: bool = False,
    ) -> None:
        """Show it in the room that was made for it; where the process ends, nobody waits for room."""
        if self._text and self._before_first is not None:
            await self._before_first()
        try:
            with slot or nullcontext():
                await self._parts.show(index, text, buttons, as_stream=action == "start", growing=growing, last=last)
        except DeliveryDelayed as delayed:
            self._pace.hold(action, self._address, delayed.retry_after)
            raise

    def _action(self, index: int, *, growing: bool = False) -> Action:
        if self._parts.streams(index):
            return "append" if growing else "stop"
        return "edit" if self._parts.posted(index) else "send"

    def _fits(self, text: str) -> bool:
        return self._description.fits(Reply(text, self._mentions))


def _over(texts: Sequence[str], buttons: tuple[Button, ...]) -> Iterator[tuple[str, tuple[Button, ...]]]:
    """Each message's text with the buttons below it: the last one has them all."""
    for number, text in enumerate(texts, 1):
        yield text, buttons if number == len(texts) else ()
