"""Writing to one person alone: an admin who has to know something, an asker whose place takes no answer."""

from __future__ import annotations

import structlog
from typing_extensions import Protocol, runtime_checkable

from bot.adapter import Adapter
from bot.capabilities import ReachesPeople
from bot.errors import DeliveryFailure
from bot.insisting import insist
from bot.sending import send_once

log = structlog.get_logger(__name__)


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


async def reached(adapter: Adapter, user_id: str, text: str, key: str, *, seconds: float, again: bool = False) -> bool:
    """`write_to`, where the platform has that and takes it; whether it did."""
    if not isinstance(adapter, Reaching) or not adapter.is_person(user_id):
        return False
    try:
        await write_to(adapter, user_id, text, key, seconds=seconds, again=again)
    except DeliveryFailure as failure:
        log.warning("asker_not_reached", code=failure.code)
        return False
    return True
