"""A sign of life while a question has no word of answer yet: Slack's status line, Discord's typing, else a sentence.

It begins while the question is still being read, what came with it and was said before it: that may take long too.

Nothing of it is left behind: no call of it is under way when the answer is posted, and what may have been shown
without our knowledge is taken away at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from bot.adapter import Adapter
from bot.capabilities import ShowsStatus
from bot.lease import Lease
from bot.leisure import at_leisure

T = TypeVar("T")

# An answer that comes at once needs no status, and Slack's would cost a call.
FIRST_STATUS_SECONDS = 0.3
# Where none could be shown it is tried again so soon, and after so many seconds of silence a message says it.
AGAIN_SECONDS = 10.0
SILENT_SECONDS = 10.0
# The turn ends after it: where it takes longer, the status is left to fade.
CLEARED_WITHIN_SECONDS = 5.0
THINKING = "is thinking…"
STILL_THINKING = "_I'm still thinking about this._"


class Presence:
    """Shows the status where a turn is answered, from `during`, `beside` or `run` until `end`, and never after.

    No call of it is under way once `end` returns.
    """

    def __init__(self, adapter: Adapter, lease: Lease) -> None:
        self._adapter = adapter
        self._lease = lease
        self._began = asyncio.get_running_loop().time()
        self._again_at = self._began + FIRST_STATUS_SECONDS
        self._ended = asyncio.Event()
        self._calling = asyncio.Lock()
        self._shown = False
        self._unsure = False
        self._cleared = False

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. The status is shown where that takes a while, and stays for `run` to go on with."""
        showing: list[asyncio.Task[None]] = []

        def show() -> None:
            showing.append(asyncio.create_task(self.run(lambda _: None), name="presence"))

        try:
            with self._when_due(show):
                return await work
        finally:
            for task in showing:
                task.cancel()
            await asyncio.gather(*showing, return_exceptions=True)

    @contextlib.contextmanager
    def beside(self, group: asyncio.TaskGroup, say: Callable[[str], None]) -> Iterator[None]:
        """Let `run` begin in a group once the status is due, unless the block is over by then."""
        with self._when_due(lambda: group.create_task(self.run(say), name="presence")):
            yield

    @contextlib.contextmanager
    def _when_due(self, show: Callable[[], object]) -> Iterator[None]:
        """As a rule the block is over before: then a timer is all that this has cost."""
        timer = asyncio.get_running_loop().call_later(max(0.0, self._pause()), show)
        try:
            yield
        finally:
            timer.cancel()

    async def run(self, say: Callable[[str], None]) -> None:
        """Show the status, again before it fades, until `end`; where there is none, say that the bot is at work.

        `say` shows a sentence in the answer's place, or below it, until there is something better.
        """
        loop = asyncio.get_running_loop()
        said, pause = False, self._pause()
        while not await at_leisure(pause, self._ended):
            visible = await self._show()
            pause = self._pause()
            if visible or said:
                continue
            silent = loop.time() - self._began
            if silent >= SILENT_SECONDS:
                say(STILL_THINKING)
                said = True
            else:
                pause = min(pause, SILENT_SECONDS - silent)

    async def end(self) -> None:
        """Stop showing it; a platform clears what is shown when a message is posted."""
        self._ended.set()
        async with self._calling:
            return

    def stays(self, *, posted: bool) -> bool:
        """Whether something may be shown that no message has cleared."""
        return self._unsure if posted else self._shown

    async def clear(self, *, posted: bool, left_behind: bool) -> None:
        """Stop showing it, and take away what a message has not cleared: all of it where none was `posted`.

        `left_behind`: a process before this one may have shown it. Does its work once.
        """
        await self.end()
        stays = self.stays(posted=posted) or (left_behind and not posted)
        if stays and not self._cleared and isinstance(self._adapter, ShowsStatus):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLEARED_WITHIN_SECONDS):
                    await self._adapter.show_status(self._lease.claim.address, "")
        self._cleared = True

    async def _show(self) -> bool:
        """Whether the status is known to be shown. A call that was begun comes to its end, also where the turn ends."""
        if not isinstance(self._adapter, ShowsStatus):
            self._put_off(shown=False)
            return False
        await self._lease.until_stored()
        async with self._calling:
            if self._ended.is_set():
                return True
            call = asyncio.ensure_future(self._adapter.show_status(self._lease.claim.address, THINKING))
            try:
                visible = await asyncio.shield(call)
            except asyncio.CancelledError:
                await asyncio.wait([call])
                raise
            finally:
                known = call.result() if call.done() else False
                self._shown = self._shown or known is not None
                self._unsure = self._unsure or known is False
                self._put_off(shown=bool(known))
            return bool(visible)

    def _put_off(self, *, shown: bool) -> None:
        """It is to be shown again before it fades; where it could not be shown, after a while."""
        seconds = self._status_seconds if shown else min(AGAIN_SECONDS, self._status_seconds)
        self._again_at = asyncio.get_running_loop().time() + seconds

    def _pause(self) -> float:
        """Seconds until the status is to be shown, below zero where that is overdue."""
        return self._again_at - asyncio.get_running_loop().time()

    @property
    def _status_seconds(self) -> float:
        return self._adapter.status_seconds if isinstance(self._adapter, ShowsStatus) else AGAIN_SECONDS
