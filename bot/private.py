"""Writing to one person alone: an admin who has to know something, an asker whose place takes no answer."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bot.adapter import Adapter, ReachesPeople
from bot.insisting import insist
from bot.sending import send_once


@runtime_checkable
class Reaching(ReachesPeople, Adapter, Protocol):
    """An adapter that can write to people."""


async def write_to(
    adapter: Reaching, user_id: str, text: str, key: str, *, seconds: float, again: bool = False
) -> None:
    """Write `text` to a person, in as many messages as it takes, each once. Raises a `DeliveryFailure`.

    `key` names what is written, the same in every process; `seconds`: how long a platform that is down is tried.
    `again`: an earlier attempt may have sent some of it.
    """
    place = await insist(key, lambda: adapter.direct(user_id), seconds)
    await send_once(adapter, place, text, key, seconds=seconds, again=again)
