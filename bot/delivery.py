"""A growing text → messages on a platform: posted early, edited while it grows, always landed whole.

One `LiveAnswer` per turn. Its `run` is the only sender, so no two calls of one answer ever cross. Every message is
written down before it is sent and confirmed after; what may or may not have landed is reconciled, never repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from bot.adapter import Action, Adapter, Deletes, FindsReplies
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone
from bot.messages import PartKey, Reply
from bot.pacing import Pace
from bot.splitting import close_open, split, split_stable
from storage.records import Claim, StoredPart
from storage.turns import Turns

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A model that answers at once is posted once: the first preview waits this long for the rest of a short answer.
FIRST_PREVIEW_SECONDS = 0.25
# Each preview makes the next one this much rarer, so that a long answer does not eat the channel's edits.
PREVIEW_SLOWDOWN = 1.1
SLOWEST_PREVIEW_SECONDS = 5.0
# How long the final text is tried against a platform that is down before the turn goes back to the queue.
LAND_FOR_SECONDS = 600.0
# A post whose fate is unknown gets half a second to become visible before it is looked for.
_BACKOFF = wait_random_exponential(multiplier=1, min=0.5, max=30)


@dataclass(slots=True)
class _Part:
    """One message of the answer: what it shows, None where that is not known (an earlier process sent it)."""

    number: int
    platform_id: str | None
    text: str | None


class LiveAnswer:
    """The answer of one turn on its way to people."""

    def __init__(
        self,
        adapter: Adapter,
        turns: Turns,
        pace: Pace,
        claim: Claim,
        *,
        reply_to: str | None,
        mentions: Mapping[str, str],
        already: Sequence[StoredPart] = (),
        before_first: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._adapter = adapter
        self._turns = turns
        self._pace = pace
        self._claim = claim
        self._reply_to = reply_to
        self._mentions = mentions
        self._before_first = before_first
        self.posted = False
        """Whether a message was posted by this process: a platform ends its status then."""
        self._description = adapter.describe()
        self._parts = [_Part(part.number, part.platform_id, None) for part in already]
        self._text = ""
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
    def first_id(self) -> str:
        """The platform's id of the answer's first message, once there is one."""
        return next((part.platform_id for part in self._parts if part.platform_id), "")

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

    def complete(self, text: str) -> None:
        """This is the whole answer: `run` lands it and ends."""
        self._text = text
        self._complete = True
        self._completed.set()
        self._changed.set()

    async def say_instead(self, sentence: str) -> bool:
        """Try once to put a sentence in the answer's place, once `run` has failed; whether the platform took it."""
        try:
            await self._show(0, sentence)
        except DeliveryFailure as failure:
            log.info("sentence_refused", turn=self._claim.key, code=failure.code)
            return False
        return True

    async def run(self) -> None:
        """Show the answer as it grows and land it once it is complete.

        Raises `LeaseLost`, a `DeliveryRefused`, or after `LAND_FOR_SECONDS` the last `DeliveryFailure`.
        """
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
            finished, growing = split_stable(self._text, self._fits)
            texts = [*finished, *filter(None, [close_open(growing)])]
        else:
            texts = [self._notice] if self._notice else []
        self._preview_at = time.monotonic() + self._preview_pause
        self._preview_pause = min(self._preview_pause * PREVIEW_SLOWDOWN, SLOWEST_PREVIEW_SECONDS)
        try:
            for index, text in enumerate(texts):
                if self._shows(index, text):
                    continue
                action: Action = "edit" if self._posted(index) else "send"
                if not self._pace.try_take(action, self._claim.address):
                    self._changed.set()
                    return
                await self._show(index, text)
        except DeliveryDelayed as delayed:
            log.info("preview_delayed", turn=self._claim.key, code=delayed.code, seconds=delayed.retry_after)
            self._changed.set()
        except (DeliveryUncertain, MessageGone) as failure:
            # A preview is a luxury; landing the text sets it right.
            log.info("preview_failed", turn=self._claim.key, code=failure.code)

    async def _land(self) -> None:
        texts = split(self._text, self._fits)
        for index, text in enumerate(texts):
            if not self._shows(index, text):
                await self._insist(lambda i=index, t=text: self._place(i, t))  # type: ignore[misc]
        for part in reversed(self._parts[len(texts) :]):
            await self._take_back(part)
        del self._parts[len(texts) :]

    async def _place(self, index: int, text: str) -> None:
        await self._pace.take("edit" if self._posted(index) else "send", self._claim.address)
        try:
            await self._show(index, text)
        except MessageGone:
            await self._post_anew_from(index)
            await self._show(index, text)

    async def _show(self, index: int, text: str) -> None:
        """Make message `index` of the answer show `text`, by an edit where it is there and a post where not."""
        if index == len(self._parts):
            self._parts.append(_Part(self._next_number(), None, None))
            await self._turns.intend_part(self._claim, self._parts[index].number)
        elif not self._posted(index):
            await self._reconcile(self._parts[index])
        part = self._parts[index]
        reply = Reply(text, self._mentions)
        try:
            if part.platform_id is None:
                await self._post(part, reply)
            else:
                await self._adapter.edit(self._claim.address, part.platform_id, reply)
        except DeliveryDelayed as delayed:
            self._pace.hold("send" if part.platform_id is None else "edit", self._claim.address, delayed.retry_after)
            raise
        except DeliveryUncertain:
            part.text = None
            raise
        part.text = text

    async def _post(self, part: _Part, reply: Reply) -> None:
        if self._before_first is not None:
            await self._before_first()
            self._before_first = None
        key = PartKey(self._claim.key, part.number)
        reply_to = self._reply_to if part is self._parts[0] else None
        try:
            part.platform_id = await self._adapter.send(self._claim.address, reply, key, reply_to=reply_to)
        except DeliveryRefused:
            self._parts.remove(part)
            await self._turns.drop_part(self._claim, part.number)
            raise
        self.posted = True
        await self._turns.confirm_part(self._claim, part.number, part.platform_id)

    async def _reconcile(self, part: _Part) -> None:
        """Find out whether a message that was intended did land after all; then the part has its id."""
        if not isinstance(self._adapter, FindsReplies):
            return  # its `send` with the same key is safe to repeat
        part.platform_id = await self._adapter.find_reply(self._claim.address, PartKey(self._claim.key, part.number))
        if part.platform_id is not None:
            log.info("part_reconciled", turn=self._claim.key, number=part.number)
            await self._turns.confirm_part(self._claim, part.number, part.platform_id)

    async def _post_anew_from(self, index: int) -> None:
        """Somebody deleted one of our messages: what follows it must follow its new copy."""
        gone, *following = self._parts[index:]
        log.info("part_gone", turn=self._claim.key, number=gone.number)
        number = self._next_number()
        for part in reversed(following):
            await self._take_back(part)
        await self._turns.drop_part(self._claim, gone.number)
        del self._parts[index:]
        self._parts.append(_Part(number, None, None))
        await self._turns.intend_part(self._claim, number)

    async def _take_back(self, part: _Part) -> None:
        """Remove a message that the answer does not need, whether or not it is known to have landed."""
        if isinstance(self._adapter, Deletes):
            deletes: Deletes = self._adapter
            platform_id = part.platform_id or await self._insist(lambda: self._look_up(part))
            if platform_id is not None:
                await self._insist(lambda: deletes.delete(self._claim.address, platform_id))
        await self._turns.drop_part(self._claim, part.number)

    async def _look_up(self, part: _Part) -> str | None:
        """The id of a message that was intended, None where it did not land."""
        key = PartKey(self._claim.key, part.number)
        if isinstance(self._adapter, FindsReplies):
            return await self._adapter.find_reply(self._claim.address, key)
        # Sending again under the same key gives the message that is there; what was not there is deleted at once.
        return await self._adapter.send(self._claim.address, Reply("…"), key)

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((DeliveryDelayed, DeliveryUncertain)),
            wait=_wait,
            stop=stop_after_delay(LAND_FOR_SECONDS),
            before_sleep=self._log_retry,
            reraise=True,
        ):
            with attempt:
                return await call()
        raise AssertionError("tenacity returns or raises")

    def _log_retry(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        log.info("delivery_retried", turn=self._claim.key, kind=type(failure).__name__, attempt=state.attempt_number)

    def _fits(self, text: str) -> bool:
        return self._description.fits(Reply(text, self._mentions))

    def _posted(self, index: int) -> bool:
        return index < len(self._parts) and self._parts[index].platform_id is not None

    def _shows(self, index: int, text: str) -> bool:
        return index < len(self._parts) and self._parts[index].text == text

    def _next_number(self) -> int:
        return max((part.number for part in self._parts), default=0) + 1


def _wait(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, DeliveryDelayed):
        return failure.retry_after
    return _BACKOFF(state)
