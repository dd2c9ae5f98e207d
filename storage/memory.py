"""What conversations remember, and the end of it: the words go at once, the identity of each message stays.

Identity is what keeps a message from being answered again when a platform sends it twice or it is read back after a
gap. A message without its words counts as deleted: no context holds it, no edit reaches it, and an answer to it that is
being written is not stored.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, delete, false, func, not_, or_, select, tuple_, update

from bot.messages import Address
from storage import dead_letters, overheard, summaries
from storage.connection import Connection
from storage.database import Database
from storage.records import Remembered, now
from storage.schema import conversations, messages, ratings, turns, wordless
from storage.states import is_open, is_queued

# So many messages are wiped in one transaction: other writes wait for no more than that.
AT_ONCE = 500
# Everything that can be said before it. Positions are microseconds since the epoch, ids count from 1.
ALWAYS = 2**62

_there = and_(
    conversations.c.platform == bindparam("of_platform"),
    conversations.c.workspace == bindparam("of_workspace"),
    conversations.c.channel == bindparam("of_channel"),
)
_those_there = select(conversations.c.id).where(_there)
_this_one = conversations.c.id == bindparam("of_conversation")
OF_MESSAGE = (
    select(messages.c.conversation_id, conversations.c.direct, messages.c.position, messages.c.turn_id)
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .where(
        messages.c.platform == bindparam("of_platform"),
        messages.c.workspace == bindparam("of_workspace"),
        messages.c.channel == bindparam("of_channel"),
        messages.c.platform_id == bindparam("of_id"),
    )
)
IN_THREAD = select(conversations.c.id, conversations.c.direct).where(_there, conversations.c.root == bindparam("root"))
IS_DIRECT = select(conversations.c.direct).where(_there).limit(1)
SPOKEN_BY = (
    select(messages.c.id)
    .where(
        messages.c.conversation_id == bindparam("of_conversation"),
        messages.c.author_id == bindparam("by"),
        messages.c.role == "user",
    )
    .limit(1)
)
NEWEST_MESSAGE = select(func.max(messages.c.id))
NEWEST_TURN = select(func.max(turns.c.id))
# From now on it is not read from the platform either.
COMPLETE_ONE = update(conversations).where(_this_one, not_(conversations.c.complete)).values(complete=True)
COMPLETE_ALL = update(conversations).where(_there, not_(conversations.c.complete)).values(complete=True)
_before_turn = and_(is_open(turns), turns.c.id < bindparam("before_turn"))
_untouched = and_(is_queued(turns), turns.c.attempts == 0)
_ended: dict[str, Any] = {"state": "cancelled", "finished_at": bindparam("moment"), "outcome": None, "payload": None}
_in_this = turns.c.conversation_id == bindparam("of_conversation")
_in_those = turns.c.conversation_id.in_(_those_there)
CANCEL_ONE = update(turns).where(_in_this, _before_turn, _untouched).values(_ended)
CANCEL_ALL = update(turns).where(_in_those, _before_turn, _untouched).values(_ended)
CANCEL_EARLIER = (
    update(turns)
    .where(
        turns.c.conversation_id
        == select(turns.c.conversation_id)
        .where(turns.c.id == bindparam("before_turn"))
        .correlate(None)
        .scalar_subquery(),
        _before_turn,
        _untouched,
    )
    .values(_ended)
)
# What was begun is ended by the worker that claims it: something of it may stand at the platform.
FORGET_OUTCOMES_ONE = update(turns).where(_in_this, _before_turn).values(outcome=None, payload=None)
FORGET_OUTCOMES_ALL = update(turns).where(_in_those, _before_turn).values(outcome=None, payload=None)
# The command itself is still to be answered.
BLANK_COMMAND = update(messages).where(messages.c.turn_id == bindparam("own_turn")).values(wordless)
PAGE_OF_ONE = (
    select(messages.c.id, messages.c.position)
    .where(
        messages.c.conversation_id == bindparam("of_conversation"),
        tuple_(messages.c.position, messages.c.id) > tuple_(bindparam("after_position"), bindparam("after_id")),
        messages.c.position <= bindparam("until"),
        messages.c.id <= bindparam("newest"),
        or_(messages.c.turn_id.is_(None), messages.c.turn_id != bindparam("own_turn")),
    )
    .order_by(messages.c.position, messages.c.id)
    .limit(AT_ONCE)
)
PAGE_OF_ALL = (
    select(messages.c.id, messages.c.platform_id)
    .where(
        messages.c.platform == bindparam("of_platform"),
        messages.c.workspace == bindparam("of_workspace"),
        messages.c.channel == bindparam("of_channel"),
        messages.c.platform_id > bindparam("after"),
        messages.c.id <= bindparam("newest"),
    )
    .order_by(messages.c.platform_id)
    .limit(AT_ONCE)
)
WIPE = (
    update(messages)
    .where(messages.c.id.in_(bindparam("rows", expanding=True)), messages.c.deleted == false())
    .values(**wordless, deleted=True)
)
# What was thought of an answer goes with its words.
FORGET_RATINGS = delete(ratings).where(
    ratings.c.turn_id.in_(
        select(messages.c.turn_id)
        .where(messages.c.id.in_(bindparam("rows", expanding=True)), messages.c.role == "assistant")
        .scalar_subquery()
    )
)


class Memory:
    """The queries of forgetting."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_message(self, address: Address, message_id: str) -> Remembered | None:
        """The conversation that holds a message, as it stood when that was said; None where it is not known."""
        return await self._database.read(_of_message, address, message_id)

    async def in_thread(self, address: Address) -> Remembered | None:
        """The conversation of a thread; None where nothing of it is known."""
        return await self._database.read(_in_thread, address)

    async def is_direct(self, address: Address) -> bool | None:
        """Whether a channel is a person's own with the bot; None where nothing of it is known."""
        return await self._database.read(_is_direct, address)

    async def spoken_in(self, conversation: Remembered, author_id: str) -> bool:
        """Whether somebody has said something in a conversation, commands aside."""
        return await self._database.read(_spoken_in, conversation.id, author_id)

    async def cancel_before(self, turn_id: int) -> int:
        """End what waits in a turn's conversation before it and was not begun; returns how many turns those were."""
        return await self._database.write(_cancel_before, turn_id)

    async def forget(self, conversation: Remembered) -> int:
        """Wipe a conversation; returns how many messages lost their words. What waited there to be answered, ends.

        In portions, each durable; doing it again does the rest. Raises `StorageFailed`.
        """
        newest = await self._database.write(_close_one, conversation)
        wiped, after = 0, (-ALWAYS, 0)
        while True:
            count, last = await self._database.write(_wipe_in_one, conversation, newest, after)
            wiped += count
            if last is None:
                await self._database.scrub()
                return wiped
            after = last

    async def forget_channel(self, address: Address) -> int:
        """Wipe all conversations of a channel, as `forget` does one."""
        newest = await self._database.write(_close_all, address)
        wiped, after = 0, ""
        while True:
            count, last = await self._database.write(_wipe_in_all, address, newest, after)
            wiped += count
            if last is None:
                await self._database.scrub()
                return wiped
            after = last


def _of_message(connection: Connection, address: Address, message_id: str) -> Remembered | None:
    row = connection.execute(OF_MESSAGE, {**_of(address), "of_id": message_id}).first()
    return None if row is None else Remembered(row.conversation_id, row.direct, row.position, row.turn_id)


def _in_thread(connection: Connection, address: Address) -> Remembered | None:
    row = connection.execute(IN_THREAD, {**_of(address), "root": address.thread or ""}).first()
    return None if row is None else Remembered(row.id, row.direct, ALWAYS, None)


def _is_direct(connection: Connection, address: Address) -> bool | None:
    direct: bool | None = connection.scalar(IS_DIRECT, _of(address))
    return direct


def _spoken_in(connection: Connection, conversation_id: int, author_id: str) -> bool:
    return connection.scalar(SPOKEN_BY, {"of_conversation": conversation_id, "by": author_id}) is not None


def _cancel_before(connection: Connection, turn_id: int) -> int:
    return connection.execute(CANCEL_EARLIER, {"before_turn": turn_id, "moment": now()}).rowcount


def _close_one(connection: Connection, conversation: Remembered) -> int:
    """Let nothing come into a conversation any more from before; returns the id of the newest message there is."""
    of = {"of_conversation": conversation.id}
    overheard.forget_in_conversation(connection, conversation.id)
    summaries.drop_of_conversations(connection, [conversation.id])
    before = _next_turn(connection) if conversation.turn_id is None else conversation.turn_id
    connection.execute(COMPLETE_ONE, of)
    connection.execute(CANCEL_ONE, {**of, "before_turn": before, "moment": now()})
    connection.execute(FORGET_OUTCOMES_ONE, {**of, "before_turn": before})
    if conversation.turn_id is not None:
        connection.execute(BLANK_COMMAND, {"own_turn": conversation.turn_id})
    return connection.scalar(NEWEST_MESSAGE) or 0


def _close_all(connection: Connection, address: Address) -> int:
    of = _of(address)
    overheard.forget_in_channel(connection, of)
    summaries.drop_in_channel(connection, of)
    before = {"before_turn": _next_turn(connection)}
    connection.execute(COMPLETE_ALL, of)
    connection.execute(CANCEL_ALL, {**of, **before, "moment": now()})
    connection.execute(FORGET_OUTCOMES_ALL, {**of, **before})
    return connection.scalar(NEWEST_MESSAGE) or 0


def _next_turn(connection: Connection) -> int:
    return (connection.scalar(NEWEST_TURN) or 0) + 1


def _wipe_in_one(
    connection: Connection, conversation: Remembered, newest: int, after: tuple[int, int]
) -> tuple[int, tuple[int, int] | None]:
    page = {
        "of_conversation": conversation.id,
        "until": conversation.until,
        "newest": newest,
        "own_turn": conversation.turn_id or 0,
        "after_position": after[0],
        "after_id": after[1],
    }
    rows = connection.execute(PAGE_OF_ONE, page).all()
    last = (rows[-1].position, rows[-1].id) if len(rows) == AT_ONCE else None
    return _wipe(connection, [row.id for row in rows]), last


def _wipe_in_all(connection: Connection, address: Address, newest: int, after: str) -> tuple[int, str | None]:
    rows = connection.execute(PAGE_OF_ALL, {**_of(address), "newest": newest, "after": after}).all()
    return _wipe(connection, [row.id for row in rows]), rows[-1].platform_id if len(rows) == AT_ONCE else None


def _wipe(connection: Connection, rows: list[int]) -> int:
    if not rows:
        return 0
    connection.execute(FORGET_RATINGS, {"rows": rows})
    dead_letters.forget_payloads(connection, rows)
    summaries.drop_of_rows(connection, rows)
    return connection.execute(WIPE, {"rows": rows}).rowcount


def _of(address: Address) -> dict[str, str]:
    return {"of_platform": address.platform, "of_workspace": address.workspace, "of_channel": address.channel}
