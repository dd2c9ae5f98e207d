"""Intake over a store, as the application builds it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from bot.admission import Admission
from bot.controls.held import HeldControls
from bot.holds import Holds
from bot.intake import Intake
from bot.lease import Room
from bot.limits import Limits
from bot.messages import IncomingMessage
from bot.revisions import Revising
from bot.settings import Settings
from storage import Store


def intake(store: Store, on_work: Callable[[], None] = lambda: None, **settings: object) -> Intake:
    """An intake whose stops and wishes to forget go nowhere and whose platforms answer as they are used to."""
    chosen = Settings(**settings, _env_file=None)  # type: ignore[arg-type, call-arg]
    return Intake(
        inbox=store.inbox,
        revising=Revising(store.revisions, store.marks),
        controls=HeldControls(store.controls, chosen),
        admission=Admission(chosen, Limits(0, 0, 0, 0)),
        platforms=lambda _: None,
        on_work=on_work,
        reserve=lambda _: nullcontext(Room()),
        at_hand=lambda *_: (),
        on_stop=_go_on,
        on_forget=_leave,
        holds=Holds(),
    )


async def _go_on(message: IncomingMessage, turn_id: int, root: str) -> None:
    """Leave what is to be stopped as it is."""


async def _leave(message: IncomingMessage, turn_id: int) -> None:
    """Leave what is to be forgotten to its turn."""
