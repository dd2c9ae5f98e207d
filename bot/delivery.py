"""A growing text → messages on a platform: posted early, edited while it grows, always landed whole.

One `LiveAnswer` per turn. Its `run` is the only sender, so no two calls of one answer ever cross. How a message comes
to stand at the platform exactly once is told in `parts.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from bot.adapter import Action, Adapter
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone
from bot.files.out import at_most
from bot.insisting import insist
from bot.lease import Lease
from bot.messages import Reply
from bot.pacing import Pace
from bot.parts import Parts
from bot.splitting import close_open, split, split_stable
from storage.records import StoredPart
from storage.turns import Turns

log = structlog.get_logger(__name__)

# A model that answers at once is posted once: the first preview waits this long for the rest of a short answer.
FIRST_PREVIEW_SECONDS = 0.25
# Each preview makes the next one this much rarer, so that a long answer does not eat the channel's edits.
PREVIEW_SLOWDOWN = 1.1
SLOWEST_PREVIEW_SECONDS = 5.0


class LiveAnswer:
    """The answer of one turn on its way to people.

    `preface` stands before whatever is said; `already` are the messages that an earlier attempt left. `previews`: it
    shows while it grows. `most`: it takes no more messages than these; what is longer goes on in a file (`files/`).
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
        most: int | None = None,
    ) -> None:
        self._parts = Parts(
            adapter, turns, lease, reply_to=reply_to, mentions=mentions, already=already, before_first=before_first
        )
        self._pace = pace
        self._address = lease.claim.address
        self._turn = lease.claim.key
        self._mentions = mentions
        self._description = adapter.describe()
        self._previews = previews
        self._most = most
        self.length = 0
        """How many messages the whole answer takes, once it has landed."""
        self._preface = preface
        self._text = ""
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

    def feed(self, piece: str) -> None:
        """Add what the model just said."""
        if not self._text:
            self._preview_at = max(self._preview_at, time.monotonic() + FIRST_PREVIEW_SECONDS)
        self._text += piece
        self._changed.set()

    def restart(self) -> None:
        """Take back all that was said: the model begins anew. What is shown stays until there is something better."""
        self._text = ""

    def say_meanwhile(self, notice: str) -> None:
        """Show a sentence as long as there is no text: why nothing comes yet."""
        self._notice = notice
        self._changed.set()

    def complete(self, text: str, outcome: str | None = None) -> None:
        """This is the whole answer, preface and all: `run` keeps its `outcome`, lands it and ends."""
        self._text = text
        self._preface = ""
        self._outcome = outcome
        self._complete = True
        self._completed.set()
        self._changed.set()

    def complete_whole(self, text: str) -> None:
        """This is the whole answer, in as many messages as it takes: another `run` lands it."""
        self._most = None
        self.complete(text)

    async def say_instead(self, sentence: str) -> bool:
        """Try once to put a sentence in the answer's place, once `run` has failed; whether the platform took it."""
        try:
            await self._show(0, sentence)
            await self._parts.take_back_from(1)
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
        text = f"{close_open(self._preface + self._text)}\n\n{sentence}" if self._text else sentence
        try:
            for index, part in enumerate(at_most(split(text, self._fits), self._most, self._fits)):
                if not self._parts.shows(index, part):
                    await self._show(index, part)
        except DeliveryFailure as failure:
            log.info("hand_over_unsaid", turn=self._turn, code=failure.code)

    async def run(self) -> None:
        """Show the answer as it grows and land it once it is complete.

        Raises `LeaseLost`, a `DeliveryRefused`, or the last `DeliveryFailure` of a platform that is down for long.
        """
        if not self._previews:
            await self._completed.wait()
        while not self._complete:
            await self._changed.wait()
            self._changed.clear()
            await self._until_preview_is_due()
            if not self._complete:
                await self._preview()
        await self._land()

    async def _until_preview_is_due(self) -> None:
        pause = self._preview_at - time.monotonic()
        if pause > 0:
            try:
                async with asyncio.timeout(pause):
                    await self._completed.wait()
            except TimeoutError:
                pass

    async def _preview(self) -> None:
        if self._text:
            finished, growing = split_stable(self._preface + self._text, self._fits)
            texts = [*finished, *filter(None, [close_open(growing)])][: self._most]
        else:
            texts = [self._notice] if self._notice else []
        self._preview_at = time.monotonic() + self._preview_pause
        self._preview_pause = min(self._preview_pause * PREVIEW_SLOWDOWN, SLOWEST_PREVIEW_SECONDS)
        try:
            for index, text in enumerate(texts):
                if self._parts.shows(index, text):
                    continue
                if not self._pace.try_take(self._action(index), self._address):
                    self._changed.set()
                    return
                await self._show(index, text)
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

    async def _land(self) -> None:
        if self._outcome is not None:
            await self._parts.keep(self._outcome)
        parts = split(self._text, self._fits)
        self.length = len(parts)
        texts = at_most(parts, self._most, self._fits)
        for index, text in enumerate(texts):
            if not self._parts.shows(index, text):
                await insist(self._turn, lambda i=index, t=text: self._place(i, t))  # type: ignore[misc]
        await self._parts.take_back_from(len(texts))

    async def _place(self, index: int, text: str) -> None:
        await self._pace.take(self._action(index), self._address)
        try:
            await self._show(index, text)
        except MessageGone:
            await self._parts.post_anew_from(index)
            await self._show(index, text)

    async def _show(self, index: int, text: str) -> None:
        action = self._action(index)
        try:
            await self._parts.show(index, text)
        except DeliveryDelayed as delayed:
            self._pace.hold(action, self._address, delayed.retry_after)
            raise

    def _action(self, index: int) -> Action:
        return "edit" if self._parts.posted(index) else "send"

    def _fits(self, text: str) -> bool:
        return self._description.fits(Reply(text, self._mentions))
