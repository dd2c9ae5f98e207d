"""The one line a channel reads when somebody changed it. Nobody waits for it: one task posts the lines in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from bot.adapter import Adapter
from bot.errors import DeliveryFailure
from bot.messages import Address
from bot.sending import send_once

log = structlog.get_logger(__name__)

MOST_WAITING = 256
# How long a platform that is down or busy is tried.
TRY_FOR_SECONDS = 60.0
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class _Line:
    address: Address
    text: str
    key: str


@dataclass(slots=True)
class Notices:
    """What is to be said in channels. `run` owns the saying; `adapters` are those connected by now."""

    adapters: Mapping[str, Adapter]
    _queue: asyncio.Queue[_Line] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def post(self, address: Address, text: str, key: str) -> None:
        """Say `text` at `address`, soon and once; `key` is that of the command it tells of. Never waits."""
        try:
            self._queue.put_nowait(_Line(address, text, f"notice-{key}"[:_LONGEST_KEY]))
        except asyncio.QueueFull:
            log.warning("notice_dropped", channel=address.channel)

    async def run(self) -> None:
        """Post the lines until cancelled."""
        while True:
            line = await self._queue.get()
            adapter = self.adapters.get(line.address.platform)
            if adapter is not None:
                await self._say(adapter, line)

    async def _say(self, adapter: Adapter, line: _Line) -> None:
        try:
            await send_once(adapter, line.address, f"_{line.text}_", line.key, seconds=TRY_FOR_SECONDS)
        except DeliveryFailure as failure:
            log.warning("notice_unsaid", channel=line.address.channel, code=failure.code)
