"""Slack tells of a mention twice, as an `app_mention` and as a `message`: the second is worth no more than its ack.

https://docs.slack.dev/reference/events/app_mention. Which of the two comes first is left open, and both are here before
the first is stored: the second waits for that.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

MOST_REMEMBERED = 256
"""Mentions that were told of last. Of a pair the second comes within the second; what is forgotten here the store
knows."""
# What may tell of something besides the words: an event that has any of it is looked at by itself.
_MORE = ("subtype", "edited", "files", "attachments")
_SAME = ("channel", "ts", "thread_ts", "user", "bot_id")

Answer = dict[str, Any] | None
_Key = tuple[str | int | None, ...]


class Twins:
    """The mentions of the user `me` that were told of last, and what became of each. Guards that each is taken once."""

    def __init__(self, me: str) -> None:
        self._mention = f"<@{me}>"
        self._told: OrderedDict[_Key, asyncio.Future[bool]] = OrderedDict()

    async def once(self, envelope: dict[str, Any], handle: Callable[[dict[str, Any]], Awaitable[Answer]]) -> Answer:
        """What `handle` answers, None where it could not store the event. The second of two events is acknowledged
        without it, once the first is stored."""
        key = self._key(envelope.get("payload"))
        if key is None:
            return await handle(envelope)
        while (first := self._told.get(key)) is not None:
            await asyncio.wait([first])
            if first.result():
                return {}
        mine = self._told[key] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await handle(envelope)
        finally:
            mine.set_result(answer is not None)
            if answer is None and self._told.get(key) is mine:
                del self._told[key]
            if len(self._told) > MOST_REMEMBERED:
                self._told.popitem(last=False)
        return answer

    def _key(self, payload: object) -> _Key | None:
        """What is the same in both events of a mention; None for all other events."""
        event = payload.get("event") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(event, dict):
            return None
        text = event.get("text")
        if event.get("type") not in ("app_mention", "message") or not isinstance(text, str):
            return None
        if self._mention not in text or any(event.get(name) for name in _MORE):
            return None
        key = (payload.get("team_id"), *(event.get(name) for name in _SAME))
        if not all(part is None or isinstance(part, str) for part in key):
            return None
        # The words themselves are not kept: a message may have 40,000 characters.
        return *key, hash(text)
