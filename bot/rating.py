"""What people think of an answer, said by a button or by a reaction on any of its messages: 👍 or 👎."""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog

from bot.messages import ReactionAdded, ReactionRemoved
from storage.ratings import Ratings, Value

log = structlog.get_logger(__name__)

# As Slack names them (https://docs.slack.dev/reference/events/reaction_added) and as Discord writes them.
_MEANS: dict[str, Value] = {"+1": 1, "thumbsup": 1, "👍": 1, "-1": -1, "thumbsdown": -1, "👎": -1}
# The five skin tones: Slack's `::skin-tone-2` to `-6`, Unicode's modifiers; and the selector of the coloured form.
_SKIN = re.compile("::skin-tone-[2-6]|[\U0001f3fb-\U0001f3ff\ufe0f]")


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
        added = isinstance(event, ReactionAdded)
        change = self.stored.put if added else self.stored.take_back
        if await change(event.address, event.message_id, event.author.id, value):
            log.info("answer_rated", platform=event.address.platform, message=event.message_id, value=value * added)
