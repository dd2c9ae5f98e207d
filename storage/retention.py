"""What was said long ago is removed, a portion at a time: the words first, the rows once nothing can ask for them.

A row is a message's identity: as long as a platform may give the message again, the row stays, without words and names.
Turns that are open keep all they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, false, not_, or_, select, tuple_, update

from storage import dead_letters, overheard, summaries
from storage.connection import Connection
from storage.database import Database
from storage.records import Portion, now
from storage.schema import audit, messages, ratings, reply_parts, turns, uploads, usage, wordless
from storage.states import is_ended, is_open

# So many rows are looked at in one transaction: other writes wait for no more than that.
AT_ONCE = 500
START = (-(2**62), 0)

_rows: BindParameter[Any] = bindparam("rows", expanding=True)
_after = tuple_(bindparam("after_at"), bindparam("after_id"))
_is_open = exists().where(turns.c.id == messages.c.turn_id, is_open(turns))
PAGE_OF_MESSAGES = (
    select(messages.c.sent_at, messages.c.id)
    .where(tuple_(messages.c.sent_at, messages.c.id) > _after, messages.c.sent_at < bindparam("before"))
    .order_by(messages.c.sent_at, messages.c.id)
    .limit(AT_ONCE)
)
WIPE_MESSAGES = (
    update(messages)
    .where(
        messages.c.id.in_(_rows),
        ~_is_open,
        or_(messages.c.deleted == false(), messages.c.author_name != ""),
    )
    .values(**wordless, author_name="", deleted=True)
)
# What was thought of an answer goes with its words.
REMOVE_RATINGS = delete(ratings).where(
    ratings.c.turn_id.in_(
        select(messages.c.turn_id)
        .where(messages.c.id.in_(_rows), messages.c.role == "assistant", messages.c.deleted)
        .scalar_subquery()
    )
)
REMOVE_RATINGS_OF_TURNS = delete(ratings).where(ratings.c.turn_id.in_(_rows))
REMOVE_MESSAGES = delete(messages).where(messages.c.id.in_(_rows), ~_is_open)
# A turn goes after its messages: as long as one of them is known, it must be known that it was answered.
PAGE_OF_TURNS = (
    select(turns.c.finished_at, turns.c.id)
    .where(
        is_ended(turns),
        tuple_(turns.c.finished_at, turns.c.id) > _after,
        turns.c.finished_at < bindparam("before"),
        ~exists().where(messages.c.turn_id == turns.c.id),
    )
    .order_by(turns.c.finished_at, turns.c.id)
    .limit(AT_ONCE)
)
LET_USAGE_STAND_ALONE = update(usage).where(usage.c.turn_id.in_(_rows)).values(turn_id=None)
REMOVE_PARTS = delete(reply_parts).where(reply_parts.c.turn_id.in_(_rows))
REMOVE_UPLOADS = delete(uploads).where(uploads.c.turn_id.in_(_rows))
REMOVE_TURNS = delete(turns).where(turns.c.id.in_(_rows))
PAGE_OF_AUDIT = (
    select(audit.c.at, audit.c.id)
    .where(tuple_(audit.c.at, audit.c.id) > _after, audit.c.at < bindparam("before"))
    .order_by(audit.c.at, audit.c.id)
    .limit(AT_ONCE)
)
# Who changed what and when stays; what people wrote for the model does not.
WIPE_AUDIT = (
    update(audit)
    .where(
        audit.c.id.in_(_rows),
        audit.c.name == "system",
        not_(and_(audit.c.before.is_(None), audit.c.after.is_(None))),
    )
    .values(before=None, after=None)
)

Change = Callable[[Connection, Sequence[int]], int]


class Retention:
    """The queries of the sweep. Each works on one portion and says where the next begins, None at the end.

    `before` is a moment in microseconds since the epoch, `after` the `last` of the portion before.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def wipe_messages(self, before: int, after: tuple[int, int] = START) -> Portion:
        """Take their words and names from messages sent before a moment."""
        return await self._database.write(_portion, PAGE_OF_MESSAGES, _wipe_messages, before, after)

    async def remove_overheard(self, before: int) -> Portion:
        """Remove what conversations took along from their channels that was sent before a moment."""
        done = await self._database.write(_remove_overheard, before)
        return Portion(done, START if done == AT_ONCE else None)

    async def remove_messages(self, before: int, after: tuple[int, int] = START) -> Portion:
        """Remove the rows of messages sent before a moment."""
        return await self._database.write(_portion, PAGE_OF_MESSAGES, _remove_messages, before, after)

    async def remove_turns(self, before: int, after: tuple[int, int] = START) -> Portion:
        """Remove the turns that ended before a moment and have no message left. What they took stays counted."""
        return await self._database.write(_portion, PAGE_OF_TURNS, _remove_turns, before, after)

    async def wipe_audit(self, before: int, after: tuple[int, int] = START) -> Portion:
        """Take the system messages from lines of the audit written before a moment."""
        return await self._database.write(_portion, PAGE_OF_AUDIT, _wipe_audit, before, after)

    async def scrub(self) -> None:
        """Let nothing that was wiped linger in the log beside the file, where that can be done now."""
        await self._database.scrub()


def since(days: float, moment: int | None = None) -> int:
    """The moment before which what was said is forgotten, with a retention of so many days; 0 for never."""
    if not days:
        return 0
    return (now() if moment is None else moment) - round(days * 86_400_000_000)


def _portion(connection: Connection, page: Any, change: Change, before: int, after: tuple[int, int]) -> Portion:
    rows = connection.execute(page, {"before": before, "after_at": after[0], "after_id": after[1]}).all()
    done = change(connection, [row[1] for row in rows]) if rows else 0
    return Portion(done, (rows[-1][0], rows[-1][1]) if len(rows) == AT_ONCE else None)


def _wipe_messages(connection: Connection, rows: Sequence[int]) -> int:
    wiped = connection.execute(WIPE_MESSAGES, {"rows": rows}).rowcount
    connection.execute(REMOVE_RATINGS, {"rows": rows})
    dead_letters.forget_payloads(connection, rows)
    if wiped:
        summaries.drop_of_rows(connection, rows)
    return wiped


def _remove_overheard(connection: Connection, before: int) -> int:
    conversations = overheard.remove_old(connection, before, AT_ONCE)
    if conversations:
        summaries.drop_of_conversations(connection, sorted(set(conversations)))
    return len(conversations)


def _remove_messages(connection: Connection, rows: Sequence[int]) -> int:
    return connection.execute(REMOVE_MESSAGES, {"rows": rows}).rowcount


def _remove_turns(connection: Connection, rows: Sequence[int]) -> int:
    connection.execute(LET_USAGE_STAND_ALONE, {"rows": rows})
    connection.execute(REMOVE_PARTS, {"rows": rows})
    connection.execute(REMOVE_RATINGS_OF_TURNS, {"rows": rows})
    connection.execute(REMOVE_UPLOADS, {"rows": rows})
    return connection.execute(REMOVE_TURNS, {"rows": rows}).rowcount


def _wipe_audit(connection: Connection, rows: Sequence[int]) -> int:
    return connection.execute(WIPE_AUDIT, {"rows": rows}).rowcount
