"""Reading back what was said: a channel's or thread's history, and the chain of replies above a message.

Only the channel that was asked for is ever read. What the payloads mean lives in `parsing.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import structlog
from discord.http import HTTPClient

from adapters.discord import rest
from adapters.discord.members import Members
from adapters.discord.parsing import parse_history_entry, reply_target
from adapters.discord.places import Places
from adapters.discord.values import identifier, is_object, objects
from bot.capabilities import Trace
from bot.errors import DeliveryFailure, DeliveryRefused, MessageGone
from bot.messages import Address, IncomingMessage

log = structlog.get_logger(__name__)

PAGE = 100
"""Messages that one request gives at most."""

SEARCHED_PAGES = 10
"""Pages read in search of a message of our own, from where it must stand on."""

NOTICE_PAGES = 3
"""Pages read beyond those that would do if all of history were speech."""


def channel_of(address: Address) -> str:
    """The channel that Discord means by an address: a thread is a channel of its own."""
    return address.thread or address.channel


async def read_history(
    http: HTTPClient,
    places: Places,
    address: Address,
    *,
    before: str | None,
    after: str | None,
    limit: int,
    members: Members | None = None,
) -> list[IncomingMessage]:
    """The newest `limit` messages between two ids (exclusive), oldest first. Raises a `DeliveryFailure`.

    `members` asks what their authors are in the guild: that matters where the messages are to be acted upon.
    Discord's own `after` gives the oldest ones; so the pages are read backwards, down to it.
    """
    floor = int(after) if after is not None else 0
    asked = min(PAGE, max(1, limit))
    found: list[IncomingMessage] = []
    for _ in range(limit // asked + NOTICE_PAGES):
        page = await _page(http, address, asked, before=before)
        entries = [entry for entry in objects(page) if identifier(entry.get("id"))]
        newer = [entry for entry in entries if int(identifier(entry["id"])) > floor]
        found += await _parse(newer, places, address, members)
        if len(found) >= limit or len(entries) < asked or len(newer) < len(entries):
            break
        before = identifier(entries[-1]["id"])
    return found[:limit][::-1]


async def read_chain(
    http: HTTPClient, places: Places, address: Address, message_id: str, limit: int
) -> list[IncomingMessage]:
    """The message and those it replies to, oldest first; as many of them as can be read. Never raises.

    Each message that is fetched brings the one it replies to along.
    """
    found: list[IncomingMessage] = []
    seen: set[str] = set()
    wanted: str | None = message_id
    payload: Any = None
    while wanted is not None and wanted not in seen and len(found) < limit:
        seen.add(wanted)
        if not is_object(payload):
            payload = await _fetch(http, address, wanted)
        if not is_object(payload):
            break
        payload = {"channel_id": channel_of(address), **payload}
        found += await _parse([payload], places, address)
        wanted = reply_target(payload)
        if "referenced_message" in payload and payload["referenced_message"] is None:
            break  # the message replied to was deleted
        payload = payload.get("referenced_message")
    return found[::-1]


async def find_own(http: HTTPClient, address: Address, trace: Trace, own_id: str) -> list[str]:
    """The ids of the bot's own messages that may be the one of `trace`, oldest first. Raises a `DeliveryFailure`.

    Discord keeps no nonce with a message. What tells them apart is where they stand and what they reply to; a reply
    whose question was deleted before it was sent stands there as a plain message.
    """
    own = [entry async for entry in _since(http, address, trace.after or "0") if _wrote(own_id, entry)]
    replies = [identifier(entry["id"]) for entry in own if reply_target(entry) == trace.reply_to]
    plain = [identifier(entry["id"]) for entry in own if reply_target(entry) is None]
    if replies or trace.reply_to is None:
        return replies or plain
    # What stands there alone may be of another answer: it is ours only where there was nothing left to reply to.
    return [] if await _exists(http, address, trace.reply_to) else plain


async def find_own_file(http: HTTPClient, address: Address, name: str, after: str | None, own_id: str) -> str | None:
    """The id of the bot's message since another one that carries a file of this name, None where there is none.

    Raises a `DeliveryFailure`.
    """
    async with aclosing(_since(http, address, after or "0")) as entries:
        async for entry in entries:
            if _wrote(own_id, entry) and any(f.get("filename") == name for f in objects(entry.get("attachments"))):
                return identifier(entry["id"])
    return None


async def _since(http: HTTPClient, address: Address, after: str) -> AsyncGenerator[Mapping[str, Any], None]:
    """All that stands after a message, oldest first.

    Raises a `DeliveryFailure`: a refusal also where that is too much to search, and where Discord gives nothing to
    those who may not read (https://docs.discord.com/developers/resources/message#get-channel-messages): what is not
    shown may stand there all the same.
    """
    for number in range(SEARCHED_PAGES):
        page = await _page(http, address, PAGE, after=after)
        entries = sorted((each for each in objects(page) if identifier(each.get("id"))), key=lambda e: int(e["id"]))
        if not entries and number == 0 and not any(objects(await _page(http, address, 1))):
            raise DeliveryRefused("nothing_to_read")
        for entry in entries:
            yield entry
        if len(entries) < PAGE:
            return
        after = identifier(entries[-1]["id"])
    raise DeliveryRefused("too_much_to_search")


async def _page(http: HTTPClient, address: Address, most: int, **between: str | None) -> Any:
    return await rest.read(http, lambda: http.logs_from(channel_of(address), most, **between))


async def _exists(http: HTTPClient, address: Address, message_id: str) -> bool:
    try:
        await rest.read(http, lambda: http.get_message(channel_of(address), message_id))
    except MessageGone:
        return False
    return True


def _wrote(own_id: str, entry: Mapping[str, Any]) -> bool:
    author = entry.get("author")
    return is_object(author) and identifier(author.get("id")) == own_id and not entry.get("interaction_metadata")


async def _fetch(http: HTTPClient, address: Address, message_id: str) -> Any:
    try:
        return await rest.call(http, http.get_message(channel_of(address), message_id))
    except DeliveryFailure as failure:
        log.info("chain_ends", message=message_id, code=failure.code)
        return None


async def _parse(
    entries: Sequence[Any], places: Places, address: Address, members: Members | None = None
) -> list[IncomingMessage]:
    """The speech among message objects of REST, in their order. They do not say whose guild they are of."""
    guild = {"guild_id": address.workspace} if address.workspace else {}
    payloads: list[Mapping[str, Any]] = [{**entry, **guild} for entry in entries]
    if members is not None:
        payloads = await members.among(payloads)
    parsed = [parse_history_entry(payload, await places.surroundings(payload)) for payload in payloads]
    return [message for message in parsed if message is not None]
