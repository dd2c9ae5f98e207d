"""A growing text → messages on a platform: posted early, edited while it grows, always landed whole.

One `LiveAnswer` per turn. Its `run` is the only sender, so no two calls of one answer ever cross. How a message comes
to stand at the platform exactly once is told in `parts.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog

from bot.adapter import Adapter
from bot.endings import below
from bot.errors import DeliveryFailure, FateUnknown, StorageFailed
from bot.files.out import at_most, whole_name
from bot.insisting import insist
from bot.lease import Lease
from bot.messages import Button
from bot.pacing import Pace
from bot.parts import Parts
from bot.previews import Previews
from bot.showing import Showing
from bot.splitting import Growing, split
from bot.words import Words
from storage.records import SentPart, StoredPart
from storage.turns import Turns

log = structlog.get_logger(__name__)

# How long a turn that ends without an end stored waits for that.
CONFIRMED_WITHIN_SECONDS = 1.0


class LiveAnswer:
    """The answer of one turn on its way to people; what it says are its `words`.

    `already` are the messages that an earlier attempt left. `previews`: it shows while it grows, with the buttons
    `while_writing` under its newest message. `instead_of`: the answer to an earlier wording, whose messages become this
    one's. `asker`: the id of who is answered. `most`: no more messages than so many; the last then says that the answer
    goes on elsewhere.
    """

    def __init__(
        self,
        adapter: Adapter,
        turns: Turns,
        pace: Pace,
        lease: Lease,
        words: Words,
        *,
        reply_to: str | None,
        mentions: Mapping[str, str],
        already: Sequence[StoredPart] = (),
        before_first: Callable[[], Awaitable[None]] | None = None,
        previews: bool = True,
        instead_of: LiveAnswer | None = None,
        asker: str = "",
        while_writing: tuple[Button, ...] = (),
        most: int | None = None,
    ) -> None:
        self.words = words
        self.length = 0
        """How many messages the whole answer takes, once it has landed."""
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
        self._showing = Showing(self._parts, pace, self._address, words, adapter.describe(), mentions, before_first)
        self._growing = Growing(self._showing.fits)
        self._previews = Previews(self._showing, self._growing, while_writing, most, self._turn)
        self._is_previewed = previews
        self._while_writing = while_writing
        # Whoever wants it anew finds other buttons under it than those of an answer that is being written.
        self._is_anew = lease.claim.pressed is not None
        self._after: tuple[Button, ...] = ()
        self._most = most
        self._file = whole_name(lease.claim.wording)
        self._outcome: str | None = None

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

    def say_of_silence(self, notice: str) -> None:
        """Why nothing comes yet, which is hardly news: never in the place of words that an earlier process left, or of
        news."""
        if not self.words.notice and (self.words.standing or not self.first_id):
            self.words.say_meanwhile(notice)

    def complete(self, text: str, outcome: str | None = None, buttons: tuple[Button, ...] = ()) -> None:
        """This is the whole answer, preface and all: `run` keeps its `outcome`, lands it over `buttons` and ends."""
        self._outcome = outcome
        self._after = buttons
        self.words.complete(text)

    def complete_whole(self, text: str) -> None:
        """This is the whole answer, in as many messages as it takes: another `run` lands it over the same buttons."""
        self._most = None
        self.complete(text, buttons=self._after)

    async def say_instead(self, text: str, buttons: tuple[Button, ...] = ()) -> bool:
        """Try once to put a text in the answer's place, once `run` has failed; whether the platform took it. Raises
        `FateUnknown` where a message of the answer may stand there."""
        try:
            texts = at_most(split(text, self._showing.fits), self._most, self._showing.fits, self._file)
            for index, (part, below) in enumerate(_over(texts, buttons)):
                await self._showing.show(index, part, below, self._showing.action(index))
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
            await self._showing.show(len(self._parts), text, (), "send")
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
        words = self.words
        text = below(words.preface + words.text if words.text else words.standing, sentence)
        try:
            texts = at_most(split(text, self._showing.fits), self._most, self._showing.fits, self._file)
            for index, (part, buttons) in enumerate(_over(texts, self._while_writing)):
                if not self._parts.shows(index, part, buttons):
                    await self._showing.show(index, part, buttons, self._showing.action(index))
        except DeliveryFailure as failure:
            log.info("hand_over_unsaid", turn=self._turn, code=failure.code)

    async def run(self) -> None:
        """Show the answer as it grows and land it once it is complete.

        Raises `LeaseLost`, a `DeliveryRefused`, or the last `DeliveryFailure` of a platform that is down for long.
        """
        with self._pace.answering(self._address) as share:
            if self._is_anew:
                await self._previews.offer()
            if not self._is_previewed:
                await self.words.completed.wait()
            while not self.words.are_complete:
                await self.words.changed.wait()
                self.words.changed.clear()
                await self._previews.show(share)
            share.written()
            await self._land()

    async def _land(self) -> None:
        if self._outcome is not None:
            await self._parts.keep(self._outcome)
        parts = self._growing.split(self.words.text)
        self.length = len(parts)
        texts = at_most(parts, self._most, self._showing.fits, self._file)
        for index, (text, buttons) in enumerate(_over(texts, self._after)):
            if self._parts.streams(index) or not self._parts.shows(index, text, buttons):
                last = index + 1 == len(texts)
                await insist(self._turn, partial(self._showing.place, index, text, buttons, last=last))
        await self._parts.take_back_from(len(texts))


def _over(texts: Sequence[str], buttons: tuple[Button, ...]) -> Iterator[tuple[str, tuple[Button, ...]]]:
    """Each message's text with the buttons below it: the last one has them all."""
    for number, text in enumerate(texts, 1):
        yield text, buttons if number == len(texts) else ()
