"""The turn that a message gets as it is stored: one of its own, the one that waits in its conversation, or none.

These are parts of intake's transaction.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping

from sqlalchemy import BigInteger, bindparam, case, exists, select, update

from bot.messages import IncomingMessage
from storage.connection import Connection
from storage.dialect import upsert
from storage.records import Accepted, Ruling, edited_at, micros, now
from storage.schema import messages, turns
from storage.states import is_open, is_queued

_last_open = turns.alias("last_open")
_newer_question = exists().where(messages.c.turn_id == turns.c.id, messages.c.position > bindparam("at_position"))
_held_until = bindparam("held_until", type_=BigInteger)
JOIN_TURN = (
    update(turns)
    .where(
        turns.c.id
        == select(_last_open.c.id)
        .where(_last_open.c.conversation_id == bindparam("in_conversation"), is_open(_last_open))
        .order_by(_last_open.c.id.desc())
        .limit(1)
        .scalar_subquery(),
        # Asked of the row itself: a worker of another process may be claiming it at this moment.
        is_queued(turns),
        turns.c.attempts == 0,
        turns.c.kind == "answer",
    )
    .values(
        # The answer goes to where the latest question was asked.
        thread=case((_newer_question, turns.c.thread), else_=bindparam("to_thread", type_=turns.c.thread.type)),
        # What waits for older questions has the whole turn wait.
        not_before=case((turns.c.not_before < _held_until, _held_until), else_=turns.c.not_before),
    )
    .returning(turns.c.id)
)
NEW_TURN = upsert(turns, lambda insert: insert.on_conflict_do_nothing(index_elements=["key"]).returning(turns.c.id))


def turn_key(message: IncomingMessage, again: str = "") -> str:
    """The key of the turn that `message` starts: 20 hexadecimal digits made from its identity alone.

    Where it has started one before and asks anew, `again` tells the two apart.
    """
    a = message.address
    names = (a.platform, a.workspace, a.channel, message.id, *filter(None, [again]))
    return hashlib.blake2b("\0".join(names).encode(errors="replace"), digest_size=10).hexdigest()


def turn_for(
    connection: Connection, message: IncomingMessage, conversation_id: int, not_before: int, ruling: Ruling
) -> Accepted:
    """What becomes of a message: queued with a turn of its own, joined to one that waits, or stored. In the transaction
    that is open."""
    thread = message.address.thread
    if ruling.kind is None:
        return Accepted("stored", _ended_turn(connection, message, conversation_id) if ruling.decided else None)
    if ruling.kind == "answer":
        question = {
            "in_conversation": conversation_id,
            "to_thread": thread,
            "at_position": micros(message.sent_at),
            "held_until": not_before,
        }
        waiting: int | None = connection.scalar(JOIN_TURN, question)
        if waiting is not None:
            return Accepted("joined", waiting)
    turn = {
        "kind": ruling.kind,
        "payload": ruling.payload,
        "conversation_id": conversation_id,
        "state": "queued",
        "thread": thread,
        "not_before": not_before,
        "created_at": now(),
    }
    return Accepted("queued", _new_turn(connection, message, turn))


def _ended_turn(connection: Connection, message: IncomingMessage, conversation_id: int) -> int:
    """A turn that is over before it begins: by it a message counts as decided on."""
    turn = {
        "conversation_id": conversation_id,
        "kind": "notice",
        "state": "cancelled",
        "thread": message.address.thread,
        "created_at": now(),
        "finished_at": now(),
    }
    return _new_turn(connection, message, turn)


def _new_turn(connection: Connection, message: IncomingMessage, turn: Mapping[str, object]) -> int:
    """The id of a message's new turn."""
    new = NEW_TURN[connection.dialect.name]
    tried: Iterator[int | None] = (connection.scalar(new, {**turn, "key": key}) for key in _keys(message))
    return next(turn_id for turn_id in tried if turn_id is not None)


def _keys(message: IncomingMessage) -> Iterator[str]:
    """The keys that a message's turns have, one after the other: it may be taken back by an edit, and ask again by
    another, which may bear the same moment as the one before."""
    yield turn_key(message)
    moment = edited_at(message)
    yield turn_key(message, again=str(moment))
    for number in itertools.count(2):
        yield turn_key(message, again=f"{moment} {number}")
