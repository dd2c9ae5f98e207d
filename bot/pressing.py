"""What a press of a button does: who may, whether there is still something to do it with, and that it is durable.

A press is found by the message it stood under, in the database alone: it works after a restart and months later. What
is not to be done is a sentence to the one who pressed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot import buttons, limits
from bot.controls.held import HeldControls
from bot.messages import Button, ButtonPressed
from bot.offering import Offering
from bot.policy import is_admin, refuse_button, refuse_question
from bot.reservations import Reservations
from bot.results import Result, told
from bot.settings import Settings
from bot.stopping import Stopping
from storage.answers import Answers
from storage.money import Spender
from storage.ratings import Ratings, Value
from storage.records import Pressed, Shown

log = structlog.get_logger(__name__)

UNKNOWN = "I don't know that answer any more: it is too old, or it was forgotten. Just ask me again."
ENDED = "I'm not writing that answer any more."
BUSY = "I'm still writing that answer. Stop it first, or let me come to its end."
UNASKED = "The question was deleted or forgotten, so there is nothing left to answer. Just ask me again."
NO_MONEY = "A budget for this place is used up, so I can't ask the model just now. An admin can raise it."
GONE_ON = "I've gone on with that below already."
RATED: dict[Value, str] = {
    1: "Noted as a good answer, thank you. Press 👍 again to take that back.",
    -1: "Noted as a bad answer, thank you. Press 👎 again to take that back.",
}
TAKEN_BACK = "I've taken your rating back."
# What the model reads, and the conversation remembers, as said by who pressed Continue.
GO_ON = "Go on exactly where your answer stopped. Repeat nothing of it and don't introduce it."

_WORDS: dict[Pressed, str] = {"queued": "", "repeated": "", "busy": BUSY, "unasked": UNASKED}
_VALUES: dict[Button, Value] = {"good": 1, "bad": -1}
# A message stands at its platform some writes before the database knows of it, and of the answer's end: who is as quick
# as that is waited for. Less than any platform waits for its acknowledgement.
KNOWN_WITHIN_SECONDS = 0.8
LOOK_AGAIN_SECONDS = 0.05
# So many ratings are remembered, lest one that is told twice be taken back.
MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Pressing:
    """Carries presses out. `on_work` is called when a turn waits to be claimed.

    `_rated`: what came of each press that rated, by its id.
    """

    answers: Answers
    ratings: Ratings
    controls: HeldControls
    settings: Settings
    limits: limits.Limits
    reservations: Reservations
    stopping: Stopping
    offering: Offering
    on_work: Callable[[], None]
    _rated: dict[str, str] = field(default_factory=dict)

    async def press(self, pressed: ButtonPressed) -> Result:
        """Do what a button asks for; what is to be seen of it comes by the answer. Raises `StorageFailed`."""
        until = time.monotonic() + KNOWN_WITHIN_SECONDS
        shown = await self.answers.of_message(pressed.address, pressed.message_id)
        while shown is None and time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            shown = await self.answers.of_message(pressed.address, pressed.message_id)
        if shown is None or shown.kind != "answer":
            return told(UNKNOWN)
        if (value := _VALUES.get(pressed.action)) is not None:
            return await self._rate(pressed, shown, value)
        if why := refuse_button(pressed.author, shown.address, shown.askers, self.settings):
            return told(why)
        if pressed.action == "stop":
            return await self._stop(pressed, shown)
        if why := await self._refuse_work(pressed, shown):
            return told(why)
        do = self._go_on if pressed.action == "continue" else self._again
        came = await do(pressed, shown)
        while came == "busy" and time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            came = await do(pressed, shown)
        log.info("button_pressed", turn=shown.turn_id, action=pressed.action, came=came, by=pressed.author.id)
        if came == "queued":
            self.on_work()
        return told(GONE_ON if came == "repeated" and pressed.action == "continue" else _WORDS[came])

    async def _rate(self, pressed: ButtonPressed, shown: Shown, value: Value) -> Result:
        if pressed.author.is_bot:
            return told("")
        said = self._rated.get(pressed.id)
        if said is None:
            is_rated = await self.ratings.toggle(shown.turn_id, shown.address.platform, pressed.author.id, value)
            if len(self._rated) >= MOST_REMEMBERED:
                self._rated.clear()
            said = self._rated[pressed.id] = RATED[value] if is_rated else TAKEN_BACK
            log.info("answer_rated", turn=shown.turn_id, value=value * is_rated)
        return told(said)

    async def _stop(self, pressed: ButtonPressed, shown: Shown) -> Result:
        """Written down first: a process that dies now, or another one that writes the answer, must know of it."""
        if not await self.answers.stop(shown.turn_id, pressed.author.name):
            return told(ENDED)
        self.stopping.answer(shown.turn_id, pressed.author)
        return told("")

    async def _refuse_work(self, pressed: ButtonPressed, shown: Shown) -> str:
        """Why somebody's press is to have nothing asked of the model: what holds for questions holds for these."""
        author, address = pressed.author, shown.address
        effective = await self.controls.at(address)
        if why := refuse_question(author, address, effective, self.settings, direct=shown.direct):
            return why
        if not shown.askers:
            return UNASKED
        # Who asked pays for it, as at first; for what goes on, who wants more.
        payer = author.id if pressed.action == "continue" else shown.askers[-1]
        spender = Spender(address.platform, address.workspace, address.channel, payer)
        if not await self.reservations.is_open(spender, effective):
            return NO_MONEY
        if not (effective.admins_exempt and is_admin(author, self.settings)):
            hit = self.limits.take(author, address, time.time())
            if hit is not None:
                return limits.notice(hit)
        return ""

    async def _again(self, pressed: ButtonPressed, shown: Shown) -> Pressed:
        return await self.answers.again(shown.turn_id, pressed.id)

    async def _go_on(self, pressed: ButtonPressed, shown: Shown) -> Pressed:
        """Below it, as a message of its own: what people have read stays where they read it, and the cut stays seen.

        An answer that grew once more would move under their eyes, and its parts with it.
        """
        came = await self.answers.go_on(shown.turn_id, pressed.author, GO_ON)
        if came in ("queued", "repeated"):
            self.offering.put(shown.address, shown.last_id, buttons.ANSWERED)
        return came
