"""Other buttons under an answer that stands already. Nobody waits for them: one task changes them in order.

A luxury, tried for a while: what a button asks for is looked up when it is pressed, so one that is out of date does no
harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from bot import buttons
from bot.adapter import Adapter
from bot.capabilities import ShowsButtons
from bot.controls.held import HeldControls
from bot.errors import DeliveryFailure, StorageFailed
from bot.insisting import insist
from bot.messages import Address, Button
from storage.answers import Answers
from storage.records import ENDED_WITH_WORDS

log = structlog.get_logger(__name__)

MOST_WAITING = 256
# How long a platform that is down or busy is tried.
TRY_FOR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Offer:
    address: Address
    message_id: str
    buttons: tuple[Button, ...]


@dataclass(slots=True)
class Offering:
    """What is to be offered: a change of buttons, or, by its id, a turn whose question has a new wording.

    `run` owns the changing; `adapters` are those connected by now.
    """

    answers: Answers
    controls: HeldControls
    adapters: Mapping[str, Adapter]
    _queue: asyncio.Queue[_Offer | int] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def edited(self, turn_id: int) -> None:
        """A question that was answered has a new wording: offer to answer it again, soon. Never waits."""
        self._put(turn_id)

    def put(self, address: Address, message_id: str, wanted: tuple[Button, ...]) -> None:
        """Put these buttons under a message, soon. Never waits."""
        self._put(_Offer(address, message_id, wanted))

    async def run(self) -> None:
        """Change buttons until cancelled."""
        while True:
            next_one = await self._queue.get()
            offer = await self._again(next_one) if isinstance(next_one, int) else next_one
            adapter: object = self.adapters.get(offer.address.platform) if offer is not None else None
            if offer is not None and isinstance(adapter, ShowsButtons):
                await _change(adapter, offer)

    def _put(self, wanted: _Offer | int) -> None:
        try:
            self._queue.put_nowait(wanted)
        except asyncio.QueueFull:
            log.warning("buttons_dropped")

    async def _again(self, turn_id: int) -> _Offer | None:
        """The offer to answer a turn again. None while it is being written, which takes the new wording anyway."""
        try:
            shown = await self.answers.of_turn(turn_id)
            if shown is None or shown.kind != "answer" or shown.state not in ENDED_WITH_WORDS:
                return None
            if not (await self.controls.at(shown.address)).buttons:
                return None
        except StorageFailed as failure:
            log.info("not_offered", turn=turn_id, reason=str(failure))
            return None
        return _Offer(shown.address, shown.last_id, buttons.EDITED if shown.remembered else buttons.EDITED_UNRATED)


async def _change(adapter: ShowsButtons, offer: _Offer) -> None:
    try:
        await insist(
            offer.message_id,
            lambda: adapter.set_buttons(offer.address, offer.message_id, offer.buttons),
            TRY_FOR_SECONDS,
        )
    except DeliveryFailure as failure:
        log.info("buttons_not_changed", channel=offer.address.channel, code=failure.code)
