"""What was said while no socket listened: channels by their history, threads by their replies.

Which places these are, and what a row means, is the caller's business. `conversations.*` is tier 3 (50 calls a minute),
shared with everything else that reads: a few places are read at once, more of them slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.failures import SlackFault, ask
from adapters.slack.history import read_rows
from adapters.slack.parsing import PLATFORM, clean, order_of
from bot.adapter import Unread
from bot.messages import Address

log = structlog.get_logger(__name__)

Rows = Sequence[Mapping[str, Any]]

AT_ONCE = 20
SECONDS_BETWEEN = 2.0
TRIES = 3
# Channels that the app is in and was never spoken to; a workspace may have thousands.
MOST_OTHERS = 100
# Direct messages take scopes of their own: where those lack, channels are listed all the same.
_KINDS = ("public_channel,private_channel", "im,mpim")


async def read_missed(
    web: AsyncWebClient, team: str, known: Sequence[Unread], since: datetime, most: int
) -> AsyncGenerator[tuple[Address, Rows], None]:
    """Yield each place with its rows, a channel before its threads. A place that can't be read is passed over."""
    pace = _Pace()
    threads = {(u.address.channel, u.address.thread): u for u in known if u.address.thread is not None}
    channels = {u.address.channel: u for u in known if u.address.thread is None}
    for unread in known:
        address = Address(PLATFORM, unread.address.workspace, unread.address.channel)
        channels.setdefault(address.channel, Unread(address, since))
    for channel in await _member_of(web, pace):
        if channel not in channels:
            channels[channel] = Unread(Address(PLATFORM, team, channel), since)
    for unread in channels.values():
        rows = await _read(web, unread, most, pace)
        yield unread.address, rows
        for thread in _threads_of(unread, rows, threads):
            yield thread.address, await _read(web, thread, most, pace)


def _threads_of(channel: Unread, rows: Rows, known: dict[tuple[str, str], Unread]) -> list[Unread]:
    """The threads of a channel that may have something new. Those known are taken out of `known`."""
    wanted: list[Unread] = []
    for row in reversed(rows):
        if not row.get("reply_count") and not row.get("latest_reply"):
            continue
        of = channel.address
        ts = str(row["ts"])
        thread = known.pop((of.channel, ts), Unread(Address(of.platform, of.workspace, of.channel, ts), channel.since))
        latest = row.get("latest_reply")
        if not isinstance(latest, str) or order_of(latest) > order_of(_ts(thread.since)):
            wanted.append(thread)
    older = [key for key in known if key[0] == channel.address.channel]
    return wanted + [known.pop(key) for key in older]


async def _read(web: AsyncWebClient, place: Unread, most: int, pace: _Pace) -> Rows:
    for attempt in range(TRIES):
        await pace.wait()
        try:
            return await read_rows(web, place.address, before=None, after=_ts(place.since), limit=most)
        except SlackFault as fault:
            if not fault.transient or attempt + 1 == TRIES:
                log.info("slack_place_unread", channel=place.address.channel, code=fault.code, status=fault.status)
                break
            await asyncio.sleep(fault.retry_after or SECONDS_BETWEEN * (attempt + 1))
    return ()


async def _member_of(web: AsyncWebClient, pace: _Pace) -> Sequence[str]:
    """The ids of conversations that the app is in, as many as are read at most."""
    found: list[str] = []
    for kinds in _KINDS:
        try:
            found += await _listed(web, kinds, pace)
        except SlackFault as fault:
            log.info("slack_channels_unlisted", kinds=kinds, code=fault.code, status=fault.status, needed=fault.needed)
    return found[:MOST_OTHERS]


async def _listed(web: AsyncWebClient, kinds: str, pace: _Pace) -> Sequence[str]:
    found: list[str] = []
    cursor: str | None = None
    while len(found) < MOST_OTHERS:
        await pace.wait()
        answer = await ask(
            web.users_conversations(types=kinds, exclude_archived=True, limit=MOST_OTHERS, cursor=cursor)
        )
        listed = answer.get("channels")
        entries = listed if isinstance(listed, list) else []
        found += [clean(entry.get("id")) for entry in entries if isinstance(entry, dict) and clean(entry.get("id"))]
        metadata = answer.get("response_metadata")
        cursor = clean(metadata.get("next_cursor")) if isinstance(metadata, dict) else ""
        if not cursor:
            break
    return found


class _Pace:
    """So many calls at once, the rest with a distance between them."""

    def __init__(self) -> None:
        self._left = AT_ONCE
        self._next = 0.0

    async def wait(self) -> None:
        if self._left > 0:
            self._left -= 1
            return
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + SECONDS_BETWEEN
        await asyncio.sleep(at - now)


def _ts(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"
