"""A sign of life while a question has no word of answer yet: Slack's status line, Discord's typing."""

from __future__ import annotations

import asyncio

from bot.adapter import Adapter, ShowsStatus
from bot.messages import Address

# An answer that comes at once needs no status, and Slack's would cost a call.
FIRST_STATUS_SECONDS = 0.3
THINKING = "is thinking…"


class Presence:
    """Shows the status from `run` until `end`, and never after: no call of it is under way once `end` returns."""

    def __init__(self, adapter: Adapter, address: Address) -> None:
        self._adapter = adapter
        self._address = address
        self._ended = asyncio.Event()
        self._calling = asyncio.Lock()
        self._shown = False

    async def run(self) -> None:
        """Show the status, again before it fades, until `end`."""
        if not isinstance(self._adapter, ShowsStatus):
            return
        pause = FIRST_STATUS_SECONDS
        while not await self._ends_within(pause):
            async with self._calling:
                if not self._ended.is_set():
                    self._shown = True
                    await self._adapter.show_status(self._address, THINKING)
            pause = self._adapter.status_seconds

    async def end(self) -> None:
        """Stop showing it; a platform clears what is shown when a message is posted."""
        self._ended.set()
        async with self._calling:
            return

    async def clear(self, *, left_behind: bool) -> None:
        """Stop showing it where no message was posted. `left_behind`: a process before this one may have shown it."""
        await self.end()
        if (self._shown or left_behind) and isinstance(self._adapter, ShowsStatus):
            await self._adapter.show_status(self._address, "")

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True
