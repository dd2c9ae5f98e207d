"""One message of an answer into the room that was made for it among the platform's limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from bot.adapter import Action, Description
from bot.errors import DeliveryDelayed, MessageGone
from bot.messages import Address, Button, Reply
from bot.pacing import Pace, Slot
from bot.parts import Parts
from bot.words import Words


@dataclass(frozen=True, slots=True)
class Showing:
    """Shows an answer's messages, by their index. `before_first` is awaited before the model's words are shown."""

    parts: Parts
    pace: Pace
    address: Address
    words: Words
    description: Description
    mentions: Mapping[str, str]
    before_first: Callable[[], Awaitable[None]] | None

    def fits(self, text: str) -> bool:
        """Whether a text is one message."""
        return self.description.fits(Reply(text, self.mentions))

    def action(self, index: int, *, growing: bool = False) -> Action:
        """What showing a message takes: a post, an edit, or what a stream has for it."""
        if self.parts.streams(index):
            return "append" if growing else "stop"
        return "edit" if self.parts.posted(index) else "send"

    async def place(self, index: int, text: str, buttons: tuple[Button, ...], *, last: bool) -> None:
        """Show it once there is room, anew where somebody deleted it. Raises what `show` does."""
        action = self.action(index)
        slot = self.pace.at_once(action, self.address)
        if slot is None:
            await self.parts.keep_now()  # the process may die over the wait
            slot = await self.pace.take(action, self.address)
        try:
            await self.show(index, text, buttons, action, slot, last=last)
        except MessageGone:
            await self.parts.post_anew_from(index)
            slot = await self.pace.take("send", self.address)
            await self.show(index, text, buttons, "send", slot, last=last)

    async def show(
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
        """Show it in the room that was made for it; where the process ends, nobody waits for room.

        Raises `LeaseLost` and a `DeliveryFailure`.
        """
        if self.words.text and self.before_first is not None:
            await self.before_first()
        try:
            with slot or nullcontext():
                await self.parts.show(index, text, buttons, as_stream=action == "start", growing=growing, last=last)
        except DeliveryDelayed as delayed:
            self.pace.hold(action, self.address, delayed.retry_after)
            raise
