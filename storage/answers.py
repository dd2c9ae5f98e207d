"""Answers that people do something with: found by a message of theirs, asked for anew, gone on with, stopped.

A turn that is answered anew keeps its attempts, which fence whoever held it before, and its parts, so that its new
answer takes the place of the old one.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import BigInteger, String, bindparam, delete, exists, false, insert, or_, select, update

from bot.messages import Address, Author
from storage import summaries
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import Pressed, Shown, micros_of, now
from storage.schema import conversations, messages, ratings, reply_parts, turns, uploads
from storage.states import is_ended, is_open

# Presses that follow each other so closely are one: a finger was quicker than the eye.
ONE_PRESS_SECONDS = 2.0
# Between the id of the message that an answer goes on below, and the key of the turn that does so.
BELOW = ":"

_turn = (
    select(
        turns.c.id,
        turns.c.state,
        turns.c.kind,
        turns.c.thread,
        conversations.c.platform,
        conversations.c.workspace,
        conversations.c.channel,
        conversations.c.direct,
    )
    .select_from(turns)
    .join(conversations, conversations.c.id == turns.c.conversation_id)
)
_there = (
    conversations.c.platform == bindparam("of_platform"),
    conversations.c.workspace == bindparam("of_workspace"),
    conversations.c.channel == bindparam("of_channel"),
)
OF_MESSAGE = _turn.join(reply_parts, reply_parts.c.turn_id == turns.c.id).where(
    reply_parts.c.platform_id == bindparam("of_id"), *_there
)
OF_FILE = _turn.join(uploads, uploads.c.turn_id == turns.c.id).where(
    uploads.c.platform_id == bindparam("of_id"), *_there
)
OF_TURN = _turn.where(turns.c.id == bindparam("of_turn"))
ASKERS = (
    select(messages.c.author_id)
    .where(messages.c.turn_id == bindparam("of_turn"), messages.c.role == "user")
    .order_by(messages.c.position, messages.c.id)
)
LAST_PART = (
    select(reply_parts.c.platform_id)
    .where(reply_parts.c.turn_id == bindparam("of_turn"), reply_parts.c.platform_id.is_not(None))
    .order_by(reply_parts.c.number.desc())
    .limit(1)
)
_still_asked = exists().where(
    messages.c.turn_id == turns.c.id, messages.c.role == "user", messages.c.deleted == false()
)
_this = turns.c.id == bindparam("of_turn")
AGAIN = (
    update(turns)
    .where(
        _this,
        is_ended(turns),
        turns.c.kind == "answer",
        _still_asked,
        # Of a turn that was answered anew, `not_before` is when that was asked for.
        or_(
            turns.c.pressed.is_(None),
            (turns.c.pressed != bindparam("press", type_=String))
            & (turns.c.not_before < bindparam("lately", type_=BigInteger)),
        ),
    )
    .values(
        state="queued",
        crashes=0,
        # It waits since now, not since the question.
        not_before=bindparam("moment"),
        finished_at=None,
        failure=None,
        outcome=None,
        pressed=bindparam("press"),
        stopped_by=None,
    )
    .returning(turns.c.id)
)
OLD_ANSWER = select(messages.c.id).where(messages.c.turn_id == bindparam("of_turn"), messages.c.role == "assistant")
FORGET_ANSWER = delete(messages).where(messages.c.turn_id == bindparam("of_turn"), messages.c.role == "assistant")
FORGET_RATINGS = delete(ratings).where(ratings.c.turn_id == bindparam("of_turn"))
STANDING = select(
    turns.c.key,
    turns.c.conversation_id,
    turns.c.thread,
    turns.c.attempts,
    turns.c.pressed,
    turns.c.not_before,
    is_open(turns).label("is_open"),
).where(_this)
REMEMBERED = (
    select(messages.c.text)
    .where(messages.c.turn_id == bindparam("of_turn"), messages.c.role == "assistant", messages.c.deleted == false())
    .limit(1)
)
NEW_TURN = upsert(turns, lambda insert: insert.on_conflict_do_nothing(index_elements=["key"]).returning(turns.c.id))
NEW_MESSAGE = insert(messages)
STOP = update(turns).where(_this, is_open(turns), turns.c.kind == "answer").values(stopped_by=bindparam("by"))


class Answers:
    """The queries of the buttons."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_message(self, address: Address, message_id: str) -> Shown | None:
        """The answer that a message of the bot's belongs to; None where that is not known (any more)."""
        return await self._database.read(_of_message, address, message_id)

    async def of_turn(self, turn_id: int) -> Shown | None:
        """The answer of a turn, where it has a message at its platform."""
        return await self._database.read(_of_turn, turn_id)

    async def again(self, turn_id: int, press: str) -> Pressed:
        """Have a turn that has ended answered anew, in place, once for each `press` and all of one moment.

        It runs once no other of its conversation does. The conversation remembers the old answer, and what was thought
        of it, until there is a new one. Raises `StorageFailed`.
        """
        return await self._database.write(_again, turn_id, press)

    async def remembered(self, turn_id: int) -> str:
        """What the conversation knows to have been answered; empty where that is nothing. Raises `StorageFailed`."""
        return await self._database.read(_remembered, turn_id)

    async def go_on(self, turn_id: int, by: Author, words: str) -> Pressed:
        """Have an answer gone on with below it, once, by a turn whose question are these `words` of who pressed.

        Raises `StorageFailed`.
        """
        return await self._database.write(_go_on, turn_id, by, words)

    async def stop(self, turn_id: int, by: str) -> bool:
        """Write down that somebody of this name wants no more of an answer; False where it has ended."""
        return await self._database.write(_stop, turn_id, by)


def turn_of(connection: Connection, address: Address, message_id: str) -> Any:
    """The row of the turn whose answer a message is part of, or a file; None where it is of none.

    In the transaction that is open.
    """
    of = {
        "of_platform": address.platform,
        "of_workspace": address.workspace,
        "of_channel": address.channel,
        "of_id": message_id,
    }
    return connection.execute(OF_MESSAGE, of).first() or connection.execute(OF_FILE, of).first()


def _of_message(connection: Connection, address: Address, message_id: str) -> Shown | None:
    row = turn_of(connection, address, message_id)
    return None if row is None else _shown(connection, row)


def _of_turn(connection: Connection, turn_id: int) -> Shown | None:
    row = connection.execute(OF_TURN, {"of_turn": turn_id}).first()
    return None if row is None else _shown(connection, row)


def _shown(connection: Connection, row: Any) -> Shown | None:
    of = {"of_turn": row.id}
    last_id: str | None = connection.scalar(LAST_PART, of)
    if last_id is None:
        return None
    address = Address(row.platform, row.workspace, row.channel, row.thread)
    askers = tuple(connection.scalars(ASKERS, of))
    remembered = connection.scalar(REMEMBERED, of) is not None
    return Shown(row.id, row.state, row.kind, address, row.direct, askers, last_id, remembered)


def _again(connection: Connection, turn_id: int, press: str) -> Pressed:
    moment = now()
    wish = {"of_turn": turn_id, "press": press, "moment": moment, "lately": moment - micros_of(ONE_PRESS_SECONDS)}
    if connection.execute(AGAIN, wish).first() is not None:
        # The model that is asked anew is told of the old answer in no way.
        summaries.drop_of_rows(connection, list(connection.scalars(OLD_ANSWER, {"of_turn": turn_id})))
        return "queued"
    standing = connection.execute(STANDING, {"of_turn": turn_id}).first()
    if standing is None:
        return "unasked"
    if standing.pressed is not None and (standing.pressed == press or standing.not_before >= wish["lately"]):
        return "repeated"
    return "busy" if standing.is_open else "unasked"


def forget_old(connection: Connection, turn_id: int) -> None:
    """Let a new answer take the place of the old one, in the transaction that is open.

    What people thought was of the old one.
    """
    of = {"of_turn": turn_id}
    summaries.drop_of_rows(connection, list(connection.scalars(OLD_ANSWER, of)))
    connection.execute(FORGET_ANSWER, of)
    connection.execute(FORGET_RATINGS, of)


def _remembered(connection: Connection, turn_id: int) -> str:
    return connection.scalar(REMEMBERED, {"of_turn": turn_id}) or ""


def _go_on(connection: Connection, turn_id: int, by: Author, words: str) -> Pressed:
    of = {"of_turn": turn_id}
    standing, shown = connection.execute(STANDING, of).first(), _of_turn(connection, turn_id)
    if standing is None or shown is None:
        return "unasked"
    if standing.is_open:
        return "busy"
    if not shown.remembered:
        return "unasked"
    key, moment = _key_of_next(standing.key, standing.attempts), now()
    turn = {
        "kind": "answer",
        "conversation_id": standing.conversation_id,
        "key": key,
        "state": "queued",
        "thread": standing.thread,
        "created_at": moment,
    }
    next_id: int | None = connection.scalar(NEW_TURN[connection.dialect.name], turn)
    if next_id is None:
        return "repeated"
    place = shown.address
    said = {
        "conversation_id": standing.conversation_id,
        "turn_id": next_id,
        "platform": place.platform,
        "workspace": place.workspace,
        "channel": place.channel,
        "platform_id": f"{shown.last_id}{BELOW}{key}",
        "role": "user",
        "author_id": by.id,
        "author_name": by.name,
        "text": words,
        "sent_at": moment,
        "position": moment,
    }
    connection.execute(NEW_MESSAGE, said)
    return "queued"


def _key_of_next(key: str, attempts: int) -> str:
    """The key of the turn that goes on with an answer, the same for every press: an answer anew has another number."""
    return hashlib.blake2b(f"{key}\0{attempts}".encode(), digest_size=10).hexdigest()


def _stop(connection: Connection, turn_id: int, by: str) -> bool:
    return bool(connection.execute(STOP, {"of_turn": turn_id, "by": by}).rowcount)


def stands_below(platform_id: str) -> str:
    """The platform's message that the answer to a question replies to: the question, or what it wishes continued."""
    return platform_id.partition(BELOW)[0]


def goes_on(platform_id: str) -> bool:
    """Whether a question is the wish that an answer be continued."""
    return BELOW in platform_id
