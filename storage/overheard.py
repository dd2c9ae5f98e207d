"""What people had said in a channel shortly before a conversation began there: kept for that conversation alone.

A message stands here once for each conversation that took it along, whatever else is known of it. Its edits and its
deletion reach all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, false, or_, select, true, union_all, update

from bot.messages import IncomingMessage
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.history import window_of
from storage.records import Along, Claim, Window, micros
from storage.schema import messages, overheard, reply_parts, turns

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_rows: BindParameter[Any] = bindparam("rows", expanding=True)
_channel = and_(
    overheard.c.platform == bindparam("of_platform"),
    overheard.c.workspace == bindparam("of_workspace"),
    overheard.c.channel == bindparam("of_channel"),
)
_this_message = and_(_channel, overheard.c.platform_id == bindparam("of_id"))
_wiped: Mapping[str, Any] = {"text": "", "author_name": "", "attachments": (), "deleted": True}

# What is not to be heard: commands and what was said by those who are not answered, what was deleted or forgotten.
UNHEARD = union_all(
    select(messages.c.platform_id).where(
        messages.c.platform == bindparam("of_platform"),
        messages.c.workspace == bindparam("of_workspace"),
        messages.c.channel == bindparam("of_channel"),
        messages.c.platform_id.in_(_ids),
        or_(messages.c.role == "aside", messages.c.deleted == true()),
    ),
    select(overheard.c.platform_id).where(_channel, overheard.c.platform_id.in_(_ids), overheard.c.deleted == true()),
)
# Of the bot's own messages only those of an answer that is whole and remembered: none of what it said to a command.
REMEMBERED = (
    select(reply_parts.c.platform_id)
    .join(turns, turns.c.id == reply_parts.c.turn_id)
    .where(
        reply_parts.c.platform_id.in_(_ids),
        turns.c.kind == "answer",
        exists().where(messages.c.turn_id == turns.c.id, messages.c.role == "assistant", messages.c.deleted == false()),
    )
)
KNOWN_OVERHEARD = select(overheard.c.id).where(_this_message).limit(1)
KEEP = upsert(overheard, lambda insert: insert.on_conflict_do_nothing())
EDIT_OVERHEARD = (
    update(overheard)
    .where(_this_message, overheard.c.deleted == false())
    .values(text=bindparam("to_text"), attachments=bindparam("to_attachments"))
)
DELETE_OVERHEARD = update(overheard).where(_this_message).values(_wiped)
WIPE_IN_ONE = update(overheard).where(overheard.c.conversation_id == bindparam("of_conversation")).values(_wiped)
WIPE_IN_CHANNEL = update(overheard).where(_channel).values(_wiped)
OLD = (
    select(overheard.c.id, overheard.c.conversation_id)
    .where(overheard.c.sent_at < bindparam("before"))
    .order_by(overheard.c.sent_at)
    .limit(bindparam("most"))
)
SPOKEN_BY = (
    select(overheard.c.id, overheard.c.conversation_id)
    .where(overheard.c.platform == bindparam("of_platform"), overheard.c.author_id == bindparam("of_user"))
    .order_by(overheard.c.id)
    .limit(bindparam("most"))
)
REMOVE_OVERHEARD = delete(overheard).where(overheard.c.id.in_(_rows))


class Overheard:
    """The queries of what a conversation takes along from its channel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_along(
        self, turn_id: int, conversation_id: int, start: int, said: Sequence[IncomingMessage], own_id: str
    ) -> Window | None:
        """Keep what was said in one channel for a conversation there; what a turn may read then, as `History.window`
        has it, or None where nothing of it may be heard.

        Messages by `own_id` are the bot's own.
        """
        along = Along(said, own_id)
        return await self._database.insist(_take_along, turn_id, conversation_id, start, along)


def begin_with(connection: Connection, claim: Claim, along: Along) -> Claim:
    """The claim of a new conversation's first turn with its window, which what is taken along belongs to.

    In the transaction that is open.
    """
    _keep(connection, claim.conversation_id, along)
    window = window_of(connection, claim.turn_id, claim.conversation_id, claim.context_start)
    return replace(claim, window=window)


def _take_along(connection: Connection, turn_id: int, conversation_id: int, start: int, along: Along) -> Window | None:
    kept = _keep(connection, conversation_id, along)
    return window_of(connection, turn_id, conversation_id, start) if kept else None


def _keep(connection: Connection, conversation_id: int, along: Along) -> int:
    said = along.said
    if not said:
        return 0
    a = said[0].address
    place = {"of_platform": a.platform, "of_workspace": a.workspace, "of_channel": a.channel}
    unheard = set(connection.scalars(UNHEARD, {**place, "ids": [message.id for message in said]}))
    if own := [message.id for message in said if message.author.id == along.own_id]:
        unheard |= set(own) - set(connection.scalars(REMEMBERED, {"ids": own}))
    rows = [_row(message, conversation_id) for message in said if message.id not in unheard]
    if rows:
        connection.execute(KEEP[connection.dialect.name], rows)
    return len(rows)


def _row(message: IncomingMessage, conversation_id: int) -> dict[str, object]:
    return {
        "conversation_id": conversation_id,
        "platform": message.address.platform,
        "workspace": message.address.workspace,
        "channel": message.address.channel,
        "platform_id": message.id,
        "author_id": message.author.id,
        "author_name": message.author.name,
        "is_bot": message.author.is_bot,
        "text": message.whole_text,
        "attachments": message.attachments,
        "sent_at": micros(message.sent_at),
    }


def knows(connection: Connection, of: Mapping[str, str]) -> bool:
    """Whether a message was taken along anywhere. In the transaction that is open."""
    return connection.scalar(KNOWN_OVERHEARD, of) is not None


def edit(connection: Connection, of: Mapping[str, str], wording: Mapping[str, object]) -> bool:
    """Give a message its new wording wherever it was taken along; whether it was. In the transaction that is open."""
    return bool(connection.execute(EDIT_OVERHEARD, {**of, **wording}).rowcount)


def forget_message(connection: Connection, of: Mapping[str, str]) -> bool:
    """Take a message's words wherever it was taken along; whether it was. In the transaction that is open."""
    return bool(connection.execute(DELETE_OVERHEARD, of).rowcount)


def forget_in_conversation(connection: Connection, conversation_id: int) -> None:
    """Take the words of all that a conversation took along, in the transaction that is open."""
    connection.execute(WIPE_IN_ONE, {"of_conversation": conversation_id})


def forget_in_channel(connection: Connection, of: Mapping[str, str]) -> None:
    """Take the words of all that was taken along in a channel, in the transaction that is open."""
    connection.execute(WIPE_IN_CHANNEL, of)


def remove_old(connection: Connection, before: int, most: int) -> Sequence[int]:
    """Remove at most so many of those sent before a moment; returns of each the conversation that had taken it along.

    In the transaction that is open.
    """
    return _remove(connection, connection.execute(OLD, {"before": before, "most": most}).all())


def remove_of_person(connection: Connection, of: Mapping[str, str], most: int) -> Sequence[int]:
    """Remove at most so many messages of a person; returns of each the conversation that had taken it along.

    In the transaction that is open.
    """
    return _remove(connection, connection.execute(SPOKEN_BY, {**of, "most": most}).all())


def _remove(connection: Connection, rows: Sequence[Any]) -> Sequence[int]:
    if rows:
        connection.execute(REMOVE_OVERHEARD, {"rows": [row.id for row in rows]})
    return [row.conversation_id for row in rows]
