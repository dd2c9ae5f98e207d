"""What was said while no socket listened: channels by their history, threads by their replies.

Which places these are, and what a row means, is the caller's business. `conversations.*` is tier 3 (50 calls a minute),
shared with everything else that reads: a few places are read at once, more of them slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.failures import SlackFault, ask
from adapters.slack.history import PAGE, read_rows
from adapters.slack.parsing import PLATFORM
from adapters.slack.values import clean, order_of
from bot.capabilities import Unread
from bot.messages import Address

log = structlog.get_logger(__name__)

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]

AT_ONCE = 20
SECONDS_BETWEEN = 2.0
TRIES = 3
# Conversations of a kind that the app is in and was never spoken to; a workspace may have thousands.
MOST_OTHERS = 50
# Rows of a channel in which the beginnings of older threads are looked for: five calls.
MOST_OLDER = 1_000
# Each kind takes a scope of its own: where one lacks, the others are listed all the same.
_KINDS = ("public_channel", "private_channel", "im", "mpim")


async def read_missed(
    web: AsyncWebClient, team: str, known: Sequence[Unread], *, since: datetime, horizon: datetime, most: int
) -> AsyncGenerator[tuple[Address, Rows], None]:
    """Yield each place with its new rows, a channel before its threads; none where it refuses.

    What begins a thread that is read too comes with the thread: both are answered together. Raises `SlackFault` at the
    end where some could not be read just now.
    """
    reading = _Reading(web, most)
    threads = {(u.address.channel, u.address.thread): u for u in known if u.address.thread is not None}
    channels = {u.address.channel: u for u in known if u.address.thread is None}
    for unread in known:
        address = Address(PLATFORM, unread.address.workspace, unread.address.channel)
        channels.setdefault(address.channel, Unread(address, since))
    for channel in await reading.member_of():
        if channel not in channels:
            channels[channel] = Unread(Address(PLATFORM, team, channel), since)
    for unread in channels.values():
        rows = await reading.rows(unread.address, horizon)
        new = {str(row["ts"]): row for row in rows or () if order_of(str(row["ts"])) > order_of(_ts(unread.since))}
        older = await reading.beginnings(unread.address, horizon, threads)
        wanted = _threads_of(unread.address, since, [*older, *(rows or ())], threads)
        begun = {ts: [new.pop(ts)] for thread in wanted if (ts := str(thread.address.thread)) in new}
        if rows is not None:
            yield unread.address, list(new.values())
        for thread in wanted:
            first = begun.get(str(thread.address.thread), [])
            replies = await reading.rows(thread.address, thread.since)
            if replies is not None or first:
                yield thread.address, _each_once([*first, *(replies or ())])
    if reading.fault is not None:
        raise reading.fault


async def read_place(web: AsyncWebClient, place: Unread, most: int) -> Rows:
    """The new rows of one place; none where it refuses. Raises `SlackFault` where it can't be read just now."""
    reading = _Reading(web, most)
    rows = await reading.rows(place.address, place.since)
    if reading.fault is not None:
        raise reading.fault
    return rows or ()


def _threads_of(of: Address, since: datetime, rows: Rows, known: dict[tuple[str, str], Unread]) -> list[Unread]:
    """The threads of a channel that may have something new, those with the newest reply first. Those known are taken
    out of `known`."""
    wanted: list[Unread] = []
    for row in sorted(rows, key=lambda row: order_of(clean(row.get("latest_reply")) or str(row["ts"])), reverse=True):
        if not row.get("reply_count") and not row.get("latest_reply") and row.get("thread_ts") != row["ts"]:
            continue
        ts = str(row["ts"])
        thread = known.pop((of.channel, ts), Unread(Address(of.platform, of.workspace, of.channel, ts), since))
        latest = row.get("latest_reply")
        if not isinstance(latest, str) or order_of(latest) > order_of(_ts(thread.since)):
            wanted.append(thread)
    untold = [key for key in known if key[0] == of.channel]
    return wanted + [known.pop(key) for key in untold]


def _each_once(rows: Rows) -> Rows:
    return list({str(row["ts"]): row for row in rows}.values())


class _Reading:
    """One reading back: its pace, and the last fault that may pass. `fault` is None where all was read."""

    def __init__(self, web: AsyncWebClient, most: int) -> None:
        self._web = web
        self._most = most
        self._pace = _Pace()
        self.fault: SlackFault | None = None

    async def rows(self, place: Address, since: datetime) -> Rows | None:
        """The newest rows of a place from a time on; none where it refuses. None where it can't be read just now."""
        after = _ts(since)

        async def read() -> Rows:
            return await read_rows(self._web, place, before=None, after=after, limit=self._most)

        return await self._insist(read, channel=place.channel)

    async def beginnings(
        self, channel: Address, horizon: datetime, known: Mapping[tuple[str, str], Unread]
    ) -> Sequence[Mapping[str, Any]]:
        """The rows that began a channel's known threads before the horizon, as many as a few calls give: each says when
        the last reply came, so that not every thread has to be asked. Nothing where there are no more threads than
        that."""
        old = {thread for of, thread in known if of == channel.channel and order_of(thread) <= order_of(_ts(horizon))}
        if len(old) <= MOST_OLDER // PAGE:
            return ()
        after = f"{min(map(order_of, old)) - Decimal('0.000001'):f}"

        async def read() -> Rows:
            return await read_rows(self._web, channel, before=_ts(horizon), after=after, limit=MOST_OLDER)

        return [row for row in await self._insist(read, channel=channel.channel) or () if str(row["ts"]) in old]

    async def member_of(self) -> Sequence[str]:
        """The ids of conversations that the app is in, as many of each kind as are read at most."""
        found: list[str] = []
        for kind in _KINDS:
            found += await self._insist(lambda kind=kind: self._listed(kind), kind=kind) or ()  # type: ignore[misc]
        return found

    async def _insist(self, read: Callable[[], Awaitable[Sequence[T]]], **what: str) -> Sequence[T] | None:
        """What is read; nothing where it is refused, None where it can't be had just now."""
        for attempt in range(1, TRIES + 1):
            await self._pace.wait()
            try:
                return await read()
            except SlackFault as fault:
                # What a scope is missing for is never read: its questions go unanswered where no event tells of them.
                tell = log.warning if fault.needed else log.info
                tell("slack_unread", code=fault.code, status=fault.status, needed=fault.needed, **what)
                if not (fault.transient or fault.token_refused) or (fault.unserved and attempt == TRIES):
                    return ()
                if attempt == TRIES or fault.token_refused:  # once that is set right it is all read again
                    self.fault = fault
                    return None
                await asyncio.sleep(fault.retry_after or SECONDS_BETWEEN * attempt)
        return None

    async def _listed(self, kind: str) -> Sequence[str]:
        found: list[str] = []
        cursor: str | None = None
        while len(found) < MOST_OTHERS:
            answer = await ask(
                self._web.users_conversations(types=kind, exclude_archived=True, limit=MOST_OTHERS, cursor=cursor)
            )
            listed = answer.get("channels")
            entries = listed if isinstance(listed, list) else []
            found += [clean(entry.get("id")) for entry in entries if isinstance(entry, dict) and clean(entry.get("id"))]
            metadata = answer.get("response_metadata")
            cursor = clean(metadata.get("next_cursor")) if isinstance(metadata, dict) else ""
            if not cursor:
                break
        return found[:MOST_OTHERS]


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
