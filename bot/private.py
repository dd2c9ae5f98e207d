"""Writing to one person alone: an admin who has to know something, an asker whose place takes no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from bot.adapter import Adapter, FindsReplies, ReachesPeople, RepeatsSafely, Trace
from bot.insisting import insist
from bot.messages import Address, PartKey, Reply
from bot.splitting import split


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
    for number, part in enumerate(_parts(adapter, text), 1):
        await insist(key, _Sending(adapter, place, part, PartKey(key, number), again), seconds)


def _parts(adapter: Adapter, text: str) -> Sequence[str]:
    fits = adapter.describe().fits
    return split(text, lambda part: fits(Reply(part)))


class _Sending:
    """One message: from the second try on, it is looked for where sending it again would make another one."""

    def __init__(self, adapter: Adapter, place: Address, text: str, key: PartKey, again: bool) -> None:
        self._adapter = adapter
        self._place = place
        self._text = text
        self._key = key
        self._sent_before = again

    async def __call__(self) -> None:
        if self._sent_before and await self._has_landed():
            return
        self._sent_before = True
        await self._adapter.send(self._place, Reply(self._text), self._key)

    async def _has_landed(self) -> bool:
        adapter = self._adapter
        if isinstance(adapter, RepeatsSafely) or not isinstance(adapter, FindsReplies):
            return False
        return bool(await adapter.find_replies(self._place, Trace(self._key, reply_to=None, after=None)))
