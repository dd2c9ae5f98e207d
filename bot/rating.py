"""What people think of an answer, said by a button or by a reaction on any of its messages: 👍 or 👎."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import structlog

from bot.messages import Address, ReactionAdded, ReactionRemoved
from storage.ratings import Ratings, Value

log = structlog.get_logger(__name__)

# As Slack names them (https://docs.slack.dev/reference/events/reaction_added) and as Discord writes them.
_MEANS: dict[str, Value] = {"+1": 1, "thumbsup": 1, "👍": 1, "-1": -1, "thumbsdown": -1, "👎": -1}
# The five skin tones: Slack's `::skin-tone-2` to `-6`, Unicode's modifiers; and the selector of the coloured form.
_SKIN = re.compile("::skin-tone-[2-6]|[\U0001f3fb-\U0001f3ff\ufe0f]")
# A message stands at its platform some writes before the database knows of it.
TRIES = 10
LOOK_AGAIN_SECONDS = 0.08


def value_of(emoji: str) -> Value | None:
    """What an emoji says of an answer, whatever its skin; None for all but the two thumbs."""
    return _MEANS.get(_SKIN.sub("", emoji))


@dataclass(frozen=True, slots=True)
class Rating:
    """Takes reactions in."""

    stored: Ratings

    async def reacted(self, event: ReactionAdded | ReactionRemoved) -> None:
        """Keep what a reaction says, or take it back with the reaction. Raises `StorageFailed`."""
        value = value_of(event.emoji)
        if value is None or event.author.is_bot:
            return
        of = (event.address, event.message_id, event.author.id, value)
        if isinstance(event, ReactionRemoved):
            known = await self.stored.take_back(*of)
        else:
            known = await self._put(*of)
        log.info(
            "answer_rated" if known else "reaction_ignored", platform=event.address.platform, message=event.message_id
        )

    async def _put(self, address: Address, message_id: str, user_id: str, value: Value) -> bool:
        """Whether it was an answer: one that was just posted is known some writes later."""
        for _ in range(TRIES):
            if await self.stored.put(address, message_id, user_id, value):
                return True
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return False
