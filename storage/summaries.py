"""Summaries of what the model no longer reads of a conversation: kept, read for the next one, dropped when untrue.

A summary tells of everything before a position. Once a message it tells of is edited, deleted, forgotten or too old, it
is dropped, and all that were made of it; an earlier one, which does not tell of that message, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    String,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    false,
    literal,
    null,
    select,
    union_all,
)

from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import StoredMessage, Summary, now
from storage.schema import conversations, messages, overheard, summaries

_rows: BindParameter[Any] = bindparam("rows", expanding=True)
_conversations: BindParameter[Any] = bindparam("conversations", expanding=True)

# In the order of `StoredMessage`'s fields.
SAID = select(
    messages.c.id,
    messages.c.turn_id,
    messages.c.platform_id,
    messages.c.role,
    messages.c.author_id,
    messages.c.author_name,
    messages.c.text,
    messages.c.position,
    messages.c.sent_at,
    messages.c.attachments,
    messages.c.file_texts,
    messages.c.edited_at,
    messages.c.is_bot,
).where(messages.c.deleted == false())
# Their ids are below zero: they are not those of messages.
OVERHEARD = select(
    (-overheard.c.id).label("id"),
    cast(null(), BigInteger).label("turn_id"),
    overheard.c.platform_id,
    literal("overheard", String).label("role"),
    overheard.c.author_id,
    overheard.c.author_name,
    overheard.c.text,
    overheard.c.sent_at.label("position"),
    overheard.c.sent_at,
    overheard.c.attachments,
    cast(null(), Text).label("file_texts"),
    literal(0, BigInteger).label("edited_at"),
    overheard.c.is_bot,
).where(overheard.c.deleted == false())
_since = union_all(
    SAID.where(
        messages.c.role != "aside",
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.position >= bindparam("since"),
    ),
    OVERHEARD.where(
        overheard.c.conversation_id == bindparam("conversation_id"), overheard.c.sent_at >= bindparam("since")
    ),
)
SINCE = _since.order_by(_since.selected_columns.position, _since.selected_columns.id)
START = select(conversations.c.context_start).where(conversations.c.id == bindparam("conversation_id"))
ALL = (
    select(summaries.c.until, summaries.c.text)
    .where(summaries.c.conversation_id == bindparam("conversation_id"))
    .order_by(summaries.c.until)
)
ADD = upsert(
    summaries,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["conversation_id", "until"],
        set_={name: insert.excluded[name] for name in ("text", "model", "tokens", "at")},
    ),
)
_tells_of = and_(messages.c.conversation_id == summaries.c.conversation_id, messages.c.position < summaries.c.until)
_told = select(summaries.c.id).join(messages, _tells_of)
DROP_OF_MESSAGE = delete(summaries).where(
    summaries.c.id.in_(
        _told.where(
            messages.c.platform == bindparam("of_platform"),
            messages.c.workspace == bindparam("of_workspace"),
            messages.c.channel == bindparam("of_channel"),
            messages.c.platform_id == bindparam("of_id"),
        )
    )
)
DROP_OF_ROWS = delete(summaries).where(summaries.c.id.in_(_told.where(messages.c.id.in_(_rows))))
# What was overheard stands before everything else: every summary of the conversation tells of it.
DROP_OF_OVERHEARD = delete(summaries).where(
    summaries.c.conversation_id.in_(
        select(overheard.c.conversation_id).where(
            overheard.c.platform == bindparam("of_platform"),
            overheard.c.workspace == bindparam("of_workspace"),
            overheard.c.channel == bindparam("of_channel"),
            overheard.c.platform_id == bindparam("of_id"),
        )
    )
)
DROP_OF_CONVERSATIONS = delete(summaries).where(summaries.c.conversation_id.in_(_conversations))
DROP_IN_CHANNEL = delete(summaries).where(
    summaries.c.conversation_id.in_(
        select(conversations.c.id).where(
            conversations.c.platform == bindparam("of_platform"),
            conversations.c.workspace == bindparam("of_workspace"),
            conversations.c.channel == bindparam("of_channel"),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Material:
    """What a summary can be made of: where the model's window begins, the latest summary, and all since that."""

    start: int
    latest: Summary | None
    since: Sequence[StoredMessage]


class Summaries:
    """The queries of what is summarised."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def material(self, conversation_id: int) -> Material:
        """What the next summary of a conversation can be made of."""
        return await self._database.read(_material, conversation_id)

    async def add(self, conversation_id: int, summary: Summary, made_of: Material, *, model: str, tokens: int) -> bool:
        """Keep a summary of `tokens` tokens, made by `model`; False where what it was made of is no longer so.

        Somebody may have had it forgotten meanwhile, or has edited or deleted some of it.
        """
        row = {
            "conversation_id": conversation_id,
            "until": summary.until,
            "text": summary.text,
            "model": model,
            "tokens": tokens,
            "at": now(),
        }
        return await self._database.write(_add, row, made_of)


def all_of(connection: Connection, conversation_id: int) -> Sequence[Summary]:
    """A conversation's summaries, the oldest first, in the transaction that is open."""
    rows: Sequence[Any] = connection.execute(ALL, {"conversation_id": conversation_id}).all()
    return [Summary(*row) for row in rows]


def _material(connection: Connection, conversation_id: int) -> Material:
    of = {"conversation_id": conversation_id}
    known = all_of(connection, conversation_id)
    latest = known[-1] if known else None
    rows: Sequence[Any] = connection.execute(SINCE, {**of, "since": latest.until if latest else 0}).all()
    return Material(connection.scalar(START, of) or 0, latest, list(map(StoredMessage._make, rows)))


def _add(connection: Connection, row: Mapping[str, Any], made_of: Material) -> bool:
    found = _material(connection, row["conversation_id"])
    if found.latest != made_of.latest or _before(found, row["until"]) != _before(made_of, row["until"]):
        return False
    connection.execute(ADD[connection.dialect.name], row)
    return True


def _before(material: Material, until: int) -> list[tuple[object, ...]]:
    return [(said.id, said.author_id, said.text) for said in material.since if said.position < until]


def drop_of_message(connection: Connection, of: Mapping[str, str]) -> None:
    """Drop the summaries that tell of a message, in the transaction that is open."""
    connection.execute(DROP_OF_MESSAGE, of)
    connection.execute(DROP_OF_OVERHEARD, of)


def drop_of_rows(connection: Connection, rows: Sequence[int]) -> None:
    """Drop the summaries that tell of messages, by the ids of their rows, in the transaction that is open."""
    connection.execute(DROP_OF_ROWS, {"rows": rows})


def drop_of_conversations(connection: Connection, ids: Sequence[int]) -> None:
    """Drop all summaries of conversations, in the transaction that is open."""
    connection.execute(DROP_OF_CONVERSATIONS, {"conversations": ids})


def drop_in_channel(connection: Connection, of: Mapping[str, str]) -> None:
    """Drop all summaries of a channel's conversations, in the transaction that is open."""
    connection.execute(DROP_IN_CHANNEL, of)
