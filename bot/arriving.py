"""Which messages are being taken in at this moment, so that what follows on one can wait until that is known.

What is read back is taken in beside what is told, and a Discord thread beside its channel: a reply may overtake its
question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.errors import StorageFailed
from bot.messages import Address

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Taking:
    """A message that `times` tasks take in: it may be told of while it is read back."""

    times: int = 0
    failure: StorageFailed | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Arriving:
    """The messages on their way into the store."""

    def __init__(self) -> None:
        self._here: dict[_Key, _Taking] = {}

    @contextmanager
    def taking_in(self, address: Address, message_id: str) -> Iterator[None]:
        """A message is being taken in as long as this lasts; where it raises `StorageFailed`, it was not."""
        key = _key(address, message_id)
        taking = self._here.setdefault(key, _Taking())
        taking.times += 1
        try:
            yield
        except StorageFailed as failure:
            taking.failure = failure
            raise
        finally:
            taking.times -= 1
            if not taking.times:
                del self._here[key]
                taking.done.set()

    async def settled(self, address: Address, message_id: str) -> None:
        """Return once a message is not being taken in. Raises `StorageFailed` where it could not be: what follows on it
        has to wait too."""
        if taking := self._here.get(_key(address, message_id)):
            await taking.done.wait()
            if taking.failure is not None:
                raise StorageFailed("the message before it could not be stored") from taking.failure


def _key(address: Address, message_id: str) -> _Key:
    return address.platform, address.channel, message_id
