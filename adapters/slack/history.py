"""Reading a conversation back from Slack: its messages between two points, and the bot's own reply to a turn.

Both are bounded in pages, since `conversations.*` is tier 3 (50 calls a minute). What the rows mean is `parsing.py`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.failures import SlackFault, ask
from adapters.slack.parsing import Identity, is_ours
from adapters.slack.values import clean, order_of
from bot.capabilities import Trace
from bot.messages import Address, PartKey

# Slack recommends at most 200 rows a page: https://docs.slack.dev/apis/web-api/pagination
PAGE = 200
MOST_PAGES = 15
_SEARCHED_PAGES = 5

METADATA_TYPE = "parley_reply"


def metadata_of(key: PartKey) -> dict[str, Any]:
    """What a reply carries so that it can be recognised; any app in the channel can read it."""
    return {"event_type": METADATA_TYPE, "event_payload": {"turn": key.turn, "part": key.number}}


async def read_rows(
    web: AsyncWebClient, address: Address, *, before: str | None, after: str | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The newest `limit` rows with `after` < id < `before`, oldest first; raises `SlackFault`."""
    newest: deque[Mapping[str, Any]] = deque(maxlen=max(limit, 0))
    rows: list[Mapping[str, Any]] = []
    arguments: dict[str, Any] = {"latest": before, "oldest": after}
    if address.thread is None:
        async for page in _pages(web, address, MOST_PAGES, arguments | {"limit": min(PAGE, max(limit, 1))}):
            rows += page
            if len(_between(rows, before, after)) >= limit:
                break
        newest.extend(reversed(_between(rows, before, after)[:limit]))
    else:
        async for page in _pages(web, address, MOST_PAGES, arguments | {"limit": PAGE}):
            rows += page
        newest.extend(_between(rows, before, after))
    return sorted({row["ts"]: row for row in newest}.values(), key=lambda row: order_of(row["ts"]))


async def find_own(web: AsyncWebClient, address: Address, trace: Trace, me: Identity) -> Sequence[str]:
    """The bot's own message that carries the key's metadata; without one, those in the thread that carry none.

    A stream carries metadata from its end on: one that was cut off has none. Raises `SlackFault`.
    """
    wanted = metadata_of(trace.key)
    arguments = {"include_all_metadata": True, "oldest": trace.after, "limit": PAGE}
    unmarked: list[str] = []
    async for page in _pages(web, address, _searched(address), arguments):
        for row in _between(page, None, trace.after):
            if is_ours(row, me):
                if _carries(row.get("metadata"), wanted):
                    return [str(row["ts"])]
                if address.thread is not None and not (row.get("metadata") or row.get("files") or row.get("subtype")):
                    unmarked.append(str(row["ts"]))
    return unmarked


async def find_own_file(
    web: AsyncWebClient, address: Address, name: str, after: str | None, me: Identity
) -> str | None:
    """The id of the file of this name that the bot has posted since a message, None where it has not.

    Raises `SlackFault`.
    """
    async for _, file in _own_files(web, address, after, me):
        if file.get("name") == name and (file_id := clean(file.get("id"))):
            return file_id
    return None


async def find_sharing(
    web: AsyncWebClient, address: Address, file_id: str, after: str | None, me: Identity
) -> str | None:
    """The `ts` of the bot's message since another one that shows a file, or that it was deleted; raises `SlackFault`.

    A deleted file keeps its id there: {"id": "F…", "mode": "tombstone"}.
    """
    async for ts, file in _own_files(web, address, after, me):
        if file.get("id") == file_id:
            return ts
    return None


async def _own_files(
    web: AsyncWebClient, address: Address, after: str | None, me: Identity
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """The files that the bot's messages since another one show, each with its message's `ts`."""
    async for page in _pages(web, address, _searched(address), {"oldest": after, "limit": PAGE}):
        for row in page:
            files = row.get("files")
            if is_ours(row, me) and isinstance(files, list):
                for file in files:
                    if isinstance(file, dict):
                        yield str(row["ts"]), file


def _searched(address: Address) -> int:
    return _SEARCHED_PAGES if address.thread is None else MOST_PAGES


async def _pages(
    web: AsyncWebClient, address: Address, most: int, arguments: Mapping[str, Any]
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """A thread's pages come oldest first, a channel's newest first. A thread that is gone has no pages."""
    cursor: str | None = None
    for _ in range(most):
        if address.thread is None:
            call = web.conversations_history(channel=address.channel, cursor=cursor, **arguments)
        else:
            call = web.conversations_replies(channel=address.channel, ts=address.thread, cursor=cursor, **arguments)
        try:
            answer = await ask(call)
        except SlackFault as fault:
            if fault.refused and fault.code in ("thread_not_found", "message_not_found"):
                return
            raise
        found = answer.get("messages")
        yield [row for row in (found if isinstance(found, list) else []) if isinstance(row, dict) and _has_id(row)]
        metadata = answer.get("response_metadata")
        cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
        if not cursor:
            return


def _between(rows: list[Mapping[str, Any]], before: str | None, after: str | None) -> list[Mapping[str, Any]]:
    """Slack repeats a thread's first post whatever the bounds."""
    low = order_of(after) if after is not None else None
    high = order_of(before) if before is not None else None
    return [
        row
        for row in rows
        if (low is None or order_of(row["ts"]) > low) and (high is None or order_of(row["ts"]) < high)
    ]


def _has_id(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("ts"), str) and bool(order_of(row["ts"]))


def _carries(metadata: object, wanted: Mapping[str, Any]) -> bool:
    """Slack may give numbers back as it likes; compare as text."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != wanted["event_type"]:
        return False
    payload = metadata.get("event_payload")
    return isinstance(payload, dict) and all(str(payload.get(k)) == str(v) for k, v in wanted["event_payload"].items())
