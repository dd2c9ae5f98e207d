"""Sending a text that is no answer's: in as many messages as it takes, each once, however often it has to be tried."""

from __future__ import annotations

from bot.adapter import Adapter
from bot.capabilities import FindsReplies, RepeatsSafely, Trace
from bot.errors import DeliveryDelayed
from bot.insisting import insist
from bot.messages import Address, PartKey, Reply
from bot.splitting import split


async def send_once(
    adapter: Adapter, place: Address, text: str, key: str, *, seconds: float, again: bool = False
) -> None:
    """Send `text` to a place. Raises a `DeliveryFailure`.

    `key` names what is sent, the same in every process; `seconds`: how long a platform that is down is tried.
    `again`: an earlier attempt may have sent some of it.
    """
    fits = adapter.describe().fits
    for number, part in enumerate(split(text, lambda part: fits(Reply(part))), 1):
        await insist(key, _Sending(adapter, place, part, PartKey(key, number), again), seconds)


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
        before, self._sent_before = self._sent_before, True
        try:
            await self._adapter.send(self._place, Reply(self._text), self._key)
        except DeliveryDelayed:
            self._sent_before = before  # it was not taken
            raise

    async def _has_landed(self) -> bool:
        adapter = self._adapter
        if isinstance(adapter, RepeatsSafely) or not isinstance(adapter, FindsReplies):
            return False
        return bool(await adapter.find_replies(self._place, Trace(self._key, reply_to=None, after=None)))
