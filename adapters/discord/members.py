"""What the authors of messages are in their guild, where a message object does not say so: those of history do not.

Each is asked for once in a pass. https://docs.discord.com/developers/resources/guild#get-guild-member needs no
privileged intent; the whole list of members does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from discord.http import HTTPClient

from adapters.discord import rest
from adapters.discord.values import identifier, is_object
from bot.errors import DeliveryFailure

log = structlog.get_logger(__name__)

MOST_ASKED = 200
"""Members that are asked for in one pass at most."""

SECONDS = 8.0
"""How long a pass waits for members in all."""


class Members:
    """Asks for members during one pass through what was missed. Guards what it has been told, and its bounds."""

    def __init__(self, http: HTTPClient) -> None:
        self._http = http
        self._told: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._left = SECONDS

    async def among(self, payloads: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The same message objects, each with its author as a member of the guild, where that can be had. Never raises.

        Of whom it can't, what they may do stays unknown.
        """
        authors = {_author(payload) for payload in payloads} - {None, *self._told}
        began = time.monotonic()
        asked = [author for author in authors if author is not None][: max(0, MOST_ASKED - len(self._told))]
        if asked and self._left > 0:
            await asyncio.gather(*(self._ask(*author, deadline=self._left) for author in asked))
            self._left -= time.monotonic() - began
        found = [self._told.get(author) if (author := _author(payload)) else None for payload in payloads]
        return [{**p, "member": m} if m is not None else p for p, m in zip(payloads, found, strict=True)]

    async def _ask(self, guild_id: str, user_id: str, *, deadline: float) -> None:
        said = None
        try:
            said = await rest.call(self._http, self._http.get_member(guild_id, user_id), deadline)
        except DeliveryFailure as failure:
            log.info("member_unknown", code=failure.code)
        self._told[guild_id, user_id] = said if is_object(said) else None


def _author(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """The guild and the id of the person who wrote a message; None where the message says what they are there."""
    author, guild_id = payload.get("author"), identifier(payload.get("guild_id"))
    if not guild_id or not is_object(author) or is_object(payload.get("member")) or payload.get("webhook_id"):
        return None
    user_id = identifier(author.get("id"))
    return (guild_id, user_id) if user_id and author.get("bot") is not True else None
