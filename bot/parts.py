"""The messages of one answer: each a row before it is sent and confirmed after, found again where its fate is unknown.

What a message shall show, and when, is decided in `delivery.py`; here it comes to stand at the platform exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from bot import crash
from bot.adapter import Adapter
from bot.capabilities import Deletes, RepeatsSafely, SendsOnceStored, ShowsButtons, Streams, Trace
from bot.errors import DeliveryDelayed, DeliveryRefused, StandsUnchanged
from bot.fates import Fates, Part
from bot.insisting import insist
from bot.lease import Lease
from bot.messages import Button, PartKey, Reply
from storage.records import SentPart, StoredPart, now
from storage.turns import Turns

log = structlog.get_logger(__name__)

# How long a call that was begun may go on when the process is to end.
FINISH_SECONDS = 1.0


class Parts:
    """The messages of one answer, in order."""

    def __init__(
        self,
        adapter: Adapter,
        turns: Turns,
        lease: Lease,
        *,
        reply_to: str | None,
        mentions: Mapping[str, str],
        already: Sequence[StoredPart],
        before_first: Callable[[], Awaitable[None]] | None,
        asker: str = "",
    ) -> None:
        self._adapter = adapter
        self._turns = turns
        self._lease = lease
        self._claim = lease.claim
        self._fates = Fates(adapter, turns, lease.claim)
        self._reply_to = reply_to
        self._mentions = mentions
        self._before_first = before_first
        self._asker = asker
        self._parts = [Part(part.number, part.platform_id, None, part.intended_at) for part in already]
        # No number is given twice: on Discord it would stand for the message that was taken back.
        self._highest = max((part.number for part in already), default=0)
        self._outcome: str | None = None
        self.unconfirmed: SentPart | None = None
        """The message that was sent last, as long as that is to be written down with the turn's end."""
        self.posted_one = False
        """Whether a message was posted by this process: a platform ends its status then."""

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def first_id(self) -> str:
        """The platform's id of the first message, once there is one."""
        return next((part.platform_id for part in self._parts if part.platform_id), "")

    def posted(self, index: int) -> bool:
        """Whether message `index` is known to stand at the platform."""
        return index < len(self._parts) and self._parts[index].platform_id is not None

    def shows(self, index: int, text: str, buttons: tuple[Button, ...] = ()) -> bool:
        """Whether message `index` is known to show `text` with these buttons below it."""
        if index >= len(self._parts):
            return False
        part = self._parts[index]
        return part.text == text and part.buttons == buttons

    def shown(self, index: int) -> str | None:
        """What message `index` is known to show; None where that is not known."""
        return self._parts[index].text if index < len(self._parts) else None

    async def offer(self, buttons: tuple[Button, ...]) -> None:
        """Put buttons under the last message and leave its text, if it stands and has others.

        Raises a `DeliveryFailure`, `LeaseLost` and `StorageFailed`.
        """
        adapter: object = self._adapter
        part = self._parts[-1] if self._parts else None
        if part is None or part.platform_id is None or part.buttons == buttons or not isinstance(adapter, ShowsButtons):
            return
        await self._lease.make_sure()
        await _undisturbed(adapter.set_buttons(self._claim.address, part.platform_id, buttons))
        part.buttons = buttons

    def streams(self, index: int) -> bool:
        """Whether message `index` grows by a stream, which has to be ended."""
        return index < len(self._parts) and self._parts[index].streams

    @property
    def may_stream(self) -> bool:
        """Whether messages may be begun as streams: the platform has them there, and it is known who is answered."""
        adapter: object = self._adapter
        return isinstance(adapter, Streams) and bool(self._asker) and adapter.can_stream(self._claim.address)

    async def keep(self, outcome: str) -> None:
        """Write down what the model said: now where messages stand already, else together with the first intent."""
        if self._parts:
            await self._turns.keep_outcome(self._claim, outcome)
        else:
            self._outcome = outcome

    async def keep_now(self) -> None:
        """Write down what the model said where that is still to be done: the first intent may be long in coming."""
        if self._outcome is not None:
            await self._turns.keep_outcome(self._claim, self._outcome)
            self._outcome = None

    async def show(
        self,
        index: int,
        text: str,
        buttons: tuple[Button, ...] = (),
        *,
        as_stream: bool = False,
        growing: bool = False,
        last: bool = False,
    ) -> None:
        """Make message `index` show `text` and these buttons: by a post, a stream or an edit.

        `as_stream`: a message that is not there yet may begin as a stream. `growing`: more of the text will come.
        `last`: the answer ends with it, so that its being sent is `unconfirmed` until the turn's end, or `confirm`.
        Raises a `DeliveryFailure`, `LeaseLost` and `StorageFailed`.
        """
        await self._lease.make_sure()
        reply = Reply(text, self._mentions, buttons)
        if index == len(self._parts):
            await self._post_another(reply, as_stream=as_stream, last=last)
            return
        part = self._parts[index]
        if part.platform_id is None and not part.unsent:
            await self._fates.settle(part, self._trace(part))
        if part.platform_id is None:
            await self._post(part, reply, as_stream=as_stream, last=last)
        else:
            await _undisturbed(self._change(part, part.platform_id, reply, growing=growing))

    async def confirm(self) -> None:
        """Write down that the last message was sent, where that is still to be done. Raises `StorageFailed`."""
        sent, self.unconfirmed = self.unconfirmed, None
        if sent is not None:
            await self._turns.confirm_part(self._claim, sent)

    async def _change(self, part: Part, platform_id: str, reply: Reply, *, growing: bool) -> None:
        shown, part.text = part.text, None
        try:
            if not (part.streams and await self._go_on(part, platform_id, shown, reply, growing=growing)):
                await self._adapter.edit(self._claim.address, platform_id, reply)
        except (DeliveryDelayed, DeliveryRefused):
            part.text = shown
            raise
        part.text, part.buttons = reply.text, reply.buttons
        crash.point("after_edit")

    async def _go_on(self, part: Part, platform_id: str, text: str | None, reply: Reply, *, growing: bool) -> bool:
        """Let a stream that shows `text` show `reply`, and end it where no more comes; False: it takes an edit instead.

        What became of a call whose answer is lost is not known, and appending twice would show the text twice: then
        the message is edited from there on, which ends its stream.
        """
        adapter: object = self._adapter
        if not isinstance(adapter, Streams) or text is None:
            return False
        shown = Reply(text, self._mentions)
        part.streams = False
        try:
            if growing:
                taken = await adapter.append_stream(self._claim.address, platform_id, shown, reply)
            else:
                key = PartKey(self._claim.key, part.number)
                taken = await adapter.end_stream(self._claim.address, platform_id, shown, reply, key)
        except DeliveryDelayed:
            part.streams = True
            raise
        part.streams = taken and growing
        return taken

    async def _post_another(self, reply: Reply, *, as_stream: bool, last: bool) -> None:
        """Post one more message, which is prepared, where the adapter can do that, while its intent is committed."""
        await self.confirm()
        part = self._another(self._next_number())
        if as_stream or not isinstance(self._adapter, SendsOnceStored):
            await self._intend(part)
            await self._post(part, reply, as_stream=as_stream, last=last)
            return
        committing = asyncio.Event()
        intending = asyncio.create_task(self._intend(part, lambda _: committing.set()), name="intent")
        intending.add_done_callback(lambda _: committing.set())
        try:
            await committing.wait()
            await self._post(part, reply, as_stream=False, last=last, stored=intending)
        except asyncio.CancelledError:
            intending.cancel()
            await asyncio.gather(intending, return_exceptions=True)
            raise
        except Exception:
            await intending  # where this has failed, so has the call, whatever the adapter makes of it
            raise
        await intending

    def _another(self, number: int) -> Part:
        return Part(number, None, None, now(), unsent=True)

    async def _intend(self, part: Part, tell: Callable[[None], None] | None = None) -> None:
        """Write down that one more message is about to be sent; `tell` may be called once that is being committed."""
        await self._turns.intend_part(self._claim, part.number, self._outcome, tell=tell)
        self._parts.append(part)
        self._highest = part.number
        self._outcome = None
        crash.point("after_intent")

    async def _post(
        self, part: Part, reply: Reply, *, as_stream: bool, last: bool, stored: asyncio.Future[None] | None = None
    ) -> None:
        """Post a message: at once, or once its intent is `stored`."""
        if self._before_first is not None:
            await self._before_first()
            self._before_first = None
        unsent, part.unsent = part.unsent, False
        try:
            await _undisturbed(self._send(part, reply, as_stream=as_stream, last=last, stored=stored))
        except DeliveryDelayed:
            # Where a message may be sent again with its key, the library has done so itself, after what it met before.
            part.unsent = unsent and not isinstance(self._adapter, RepeatsSafely)
            raise
        except DeliveryRefused:
            if stored is not None:
                await stored  # it was refused before anything was sent
            if part.platform_id is None:
                self._parts.remove(part)
                await self._turns.drop_part(self._claim, part.number)
            raise

    async def _send(
        self, part: Part, reply: Reply, *, as_stream: bool, last: bool, stored: asyncio.Future[None] | None
    ) -> None:
        # Looking for it, writing it down and ending the status take time, in which the process may have been stopped.
        await self._lease.make_sure()
        key = PartKey(self._claim.key, part.number)
        adapter: object = self._adapter
        if as_stream and isinstance(adapter, Streams):
            part.platform_id = await adapter.begin_stream(self._claim.address, reply, key, recipient=self._asker)
            part.streams = part.platform_id is not None
        if part.platform_id is None:
            send = self._adapter.send
            if stored is not None and isinstance(adapter, SendsOnceStored):
                send = partial(adapter.send_once, stored)
            is_first = not self._parts or part is self._parts[0]
            try:
                part.platform_id = await send(
                    self._claim.address, reply, key, reply_to=self._reply_to if is_first else None
                )
            except StandsUnchanged as unchanged:
                part.platform_id = unchanged.message_id
                self.unconfirmed = SentPart(part.number, part.platform_id)
                raise
        part.text, part.buttons = reply.text, reply.buttons
        self.posted_one = True
        self.unconfirmed = SentPart(part.number, part.platform_id)
        crash.point("after_send")
        if not last:
            await self.confirm()

    def _trace(self, part: Part) -> Trace:
        """What is known of where a message of the answer stands, if it does."""
        is_first = part is self._parts[0]
        return Trace(
            PartKey(self._claim.key, part.number),
            reply_to=self._reply_to if is_first else None,
            after=self._before(part),
        )

    def _before(self, part: Part) -> str | None:
        """The id of the message that stands before one of the answer, or of the question."""
        before = self._parts[: self._parts.index(part)]
        return next((each.platform_id for each in reversed(before) if each.platform_id), self._reply_to)

    def leave_unknown(self) -> None:
        """Go on without the messages that may stand at the platform or not, and can't be looked for."""
        self._parts = [part for part in self._parts if part.platform_id is not None]

    async def post_anew_from(self, index: int) -> None:
        """One of our messages is gone, or can't be edited any more: what follows it must follow its new copy."""
        log.info("part_gone", turn=self._claim.key, number=self._parts[index].number)
        number = self._next_number()
        await self.take_back_from(index)
        await self.confirm()
        await self._intend(self._another(number))

    def take_over(self, earlier: Parts) -> None:
        """Go on with the messages of an answer to what has been asked in other words since."""
        self._parts, self._highest, self.unconfirmed = earlier._parts, earlier._highest, earlier.unconfirmed

    async def take_back_from(self, index: int) -> None:
        """Remove the messages from `index` on: the answer does not need them."""
        while len(self._parts) > index:
            await self._take_back(self._parts[-1])
            self._parts.pop()

    async def _take_back(self, part: Part) -> None:
        """Remove a message, whether or not it is known to have landed."""
        if isinstance(self._adapter, Deletes):
            deletes: Deletes = self._adapter
            platform_id = part.platform_id
            if platform_id is None and not part.unsent:
                platform_id = await insist(self._claim.key, lambda: self._fates.to_take_back(part, self._trace(part)))
            if platform_id is not None:
                await insist(self._claim.key, lambda: self._delete(deletes, platform_id))
        await self._turns.drop_part(self._claim, part.number)

    async def _delete(self, deletes: Deletes, platform_id: str) -> None:
        await self._lease.make_sure()
        try:
            await deletes.delete(self._claim.address, platform_id)
        except DeliveryRefused as refused:
            # What we may not remove stays; the answer is worth more than a tidy channel.
            log.warning("message_left", turn=self._claim.key, code=refused.code)

    def _next_number(self) -> int:
        return self._highest + 1


async def _undisturbed(call: Coroutine[Any, Any, None]) -> None:
    """Let a call that was begun come to its end, also where its caller is cancelled: then its outcome is known."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISH_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
