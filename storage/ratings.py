"""What people think of answers: one opinion of each person on each, changed or taken back as they like."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Integer, bindparam, delete, select

from bot.messages import Address
from storage.answers import turn_of
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import now
from storage.schema import ratings

Value = Literal[1, -1]

_theirs = (ratings.c.turn_id == bindparam("of_turn"), ratings.c.user_id == bindparam("of_user"))
PRESENT = select(ratings.c.value).where(*_theirs)
RATE = upsert(
    ratings,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["turn_id", "user_id"], set_={"value": insert.excluded.value, "at": insert.excluded.at}
    ),
)
TAKE_BACK = delete(ratings).where(*_theirs, ratings.c.value == bindparam("of_value", type_=Integer))


class Ratings:
    """The queries of opinions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def toggle(self, turn_id: int, platform: str, user_id: str, value: Value) -> bool:
        """Rate an answer, or take the same rating back; whether it is rated so now. Raises `StorageFailed`."""
        return await self._database.write(_toggle, turn_id, platform, user_id, value)

    async def put(self, address: Address, message_id: str, user_id: str, value: Value) -> bool:
        """Rate the answer that a message belongs to; False where it belongs to none. Raises `StorageFailed`."""
        return await self._database.write(_put, address, message_id, user_id, value)

    async def take_back(self, address: Address, message_id: str, user_id: str, value: Value) -> bool:
        """Take a rating back, unless it is another by now; whether there was one. Raises `StorageFailed`."""
        return await self._database.write(_take_back, address, message_id, user_id, value)


def _toggle(connection: Connection, turn_id: int, platform: str, user_id: str, value: Value) -> bool:
    theirs = {"of_turn": turn_id, "of_user": user_id}
    if connection.execute(TAKE_BACK, {**theirs, "of_value": value}).rowcount:
        return False
    _rate(connection, turn_id, platform, user_id, value)
    return True


def _put(connection: Connection, address: Address, message_id: str, user_id: str, value: Value) -> bool:
    turn_id = _rated(connection, address, message_id)
    if turn_id is None:
        return False
    _rate(connection, turn_id, address.platform, user_id, value)
    return True


def _take_back(connection: Connection, address: Address, message_id: str, user_id: str, value: Value) -> bool:
    turn_id = _rated(connection, address, message_id)
    theirs = {"of_turn": turn_id, "of_user": user_id, "of_value": value}
    return turn_id is not None and bool(connection.execute(TAKE_BACK, theirs).rowcount)


def _rated(connection: Connection, address: Address, message_id: str) -> int | None:
    """The turn that a message answers; what a command or a notice says is not rated."""
    row = turn_of(connection, address, message_id)
    return row.id if row is not None and row.kind == "answer" else None


def _rate(connection: Connection, turn_id: int, platform: str, user_id: str, value: Value) -> None:
    row = {"turn_id": turn_id, "platform": platform, "user_id": user_id, "value": value, "at": now()}
    connection.execute(RATE[connection.dialect.name], row)
