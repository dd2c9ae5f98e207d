"""A person is removed: their words and the answers to them alone, their name and id wherever those stand.

In portions, each durable: an erasure that was broken off is finished by the next one. The accounts stay, as nobody's.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, false, func, select, update

from storage import dead_letters, overheard, summaries
from storage.connection import Connection
from storage.database import Database
from storage.records import Erased
from storage.schema import (
    audit,
    conversations,
    messages,
    ratings,
    reservations,
    settings,
    spending,
    turns,
    usage,
    wordless,
)
from storage.states import is_open
from storage.usage import SPEND

AT_ONCE = 500
# Stands for whoever was removed.
NOBODY = "erased"

_platform: BindParameter[Any] = bindparam("of_platform")
_user: BindParameter[Any] = bindparam("of_user")
_rows: BindParameter[Any] = bindparam("rows", expanding=True)
_turns: BindParameter[Any] = bindparam("turn_ids", expanding=True)
_question = messages.alias("question")
MESSAGES_OF = (
    select(messages.c.id, messages.c.turn_id, messages.c.conversation_id, conversations.c.direct)
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .where(messages.c.platform == _platform, messages.c.author_id == _user)
    .order_by(messages.c.id)
    .limit(AT_ONCE)
)
ERASE_MESSAGES = (
    update(messages).where(messages.c.id.in_(_rows)).values(**wordless, deleted=True, author_id=NOBODY, author_name="")
)
ERASE_ANSWERS = (
    update(messages)
    .where(
        messages.c.role == "assistant",
        messages.c.deleted == false(),
        messages.c.turn_id.in_(_turns),
        ~exists().where(
            _question.c.turn_id == messages.c.turn_id,
            _question.c.role == "user",
            _question.c.author_id.not_in([_user, NOBODY]),
        ),
    )
    .values(**wordless, deleted=True)
)
# In a conversation with the bot alone, everything it said was said to them.
ERASE_DIRECT = (
    update(messages)
    .where(
        messages.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        messages.c.role == "assistant",
        messages.c.deleted == false(),
    )
    .values(**wordless, deleted=True)
)
_of_others = exists().where(
    _question.c.turn_id == turns.c.id, _question.c.role == "user", _question.c.author_id.not_in([_user, NOBODY])
)
# Whoever claims such a turn finds it without questions, and ends it.
ERASE_OUTCOMES = (
    update(turns).where(turns.c.id.in_(_turns), is_open(turns), ~_of_others).values(outcome=None, payload=None)
)
OPEN_AMONG = select(func.count()).select_from(turns).where(turns.c.id.in_(_turns), is_open(turns))
USAGE_OF = (
    select(usage.c.id)
    .where(usage.c.platform == _platform, usage.c.user_id == _user)
    .order_by(usage.c.id)
    .limit(AT_ONCE)
)
ERASE_USAGE = update(usage).where(usage.c.id.in_(_rows)).values(user_id=NOBODY)
_spent = and_(spending.c.platform == _platform, spending.c.user_id == _user)
SPENDING_OF = select(spending).where(_spent).limit(AT_ONCE)
DROP_SPENDING = delete(spending).where(
    _spent,
    spending.c.month == bindparam("of_month"),
    spending.c.workspace == bindparam("of_workspace"),
    spending.c.channel == bindparam("of_channel"),
)
ERASE_RESERVATIONS = (
    update(reservations)
    .where(reservations.c.platform == _platform, reservations.c.user_id == _user)
    .values(user_id=NOBODY)
)
# What somebody thought is nobody's opinion once nobody thought it.
DROP_RATINGS = delete(ratings).where(ratings.c.platform == _platform, ratings.c.user_id == _user)
ERASE_AUDIT = (
    update(audit)
    .where(audit.c.platform == _platform, audit.c.author_id == _user)
    .values(author_id=NOBODY, author_name="")
)
ERASE_SETTINGS = (
    update(settings).where(settings.c.platform == _platform, settings.c.set_by == _user).values(set_by=NOBODY)
)


class Erasure:
    """The queries of removing a person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(self, platform: str, user_id: str) -> Erased:
        """Remove a person from all workspaces of a platform; returns what was found of them. Raises `StorageFailed`."""
        erased = Erased()
        if user_id == NOBODY:
            return erased
        of = {"of_platform": platform, "of_user": user_id}
        for step in (_messages, _overheard, _usage, _spending, _rest):
            while (done := await self._database.write(step, of)) is not None:
                erased = _sum(erased, done)
        if erased != Erased():
            await self._database.scrub()
        return erased


def _sum(one: Erased, other: Erased) -> Erased:
    return Erased(*(getattr(one, each.name) + getattr(other, each.name) for each in fields(Erased)))


def _messages(connection: Connection, of: dict[str, str]) -> Erased | None:
    rows = connection.execute(MESSAGES_OF, of).all()
    if not rows:
        return None
    turn_ids = sorted({row.turn_id for row in rows if row.turn_id is not None})
    direct = sorted({row.conversation_id for row in rows if row.direct})
    connection.execute(ERASE_MESSAGES, {"rows": [row.id for row in rows]})
    dead_letters.forget_payloads(connection, [row.id for row in rows])
    summaries.drop_of_conversations(connection, sorted({row.conversation_id for row in rows}))
    asked = {**of, "turn_ids": turn_ids}
    answers = connection.execute(ERASE_ANSWERS, asked).rowcount if turn_ids else 0
    answers += connection.execute(ERASE_DIRECT, {"conversations": direct}).rowcount if direct else 0
    still_open = 0
    if turn_ids:
        connection.execute(ERASE_OUTCOMES, asked)
        still_open = connection.scalar(OPEN_AMONG, {"turn_ids": turn_ids}) or 0
    return Erased(messages=len(rows), answers=answers, open_turns=still_open)


def _overheard(connection: Connection, of: dict[str, str]) -> Erased | None:
    conversations = overheard.remove_of_person(connection, of, AT_ONCE)
    if not conversations:
        return None
    summaries.drop_of_conversations(connection, sorted(set(conversations)))
    return Erased(messages=len(conversations))


def _usage(connection: Connection, of: dict[str, str]) -> Erased | None:
    rows = list(connection.scalars(USAGE_OF, of))
    if not rows:
        return None
    connection.execute(ERASE_USAGE, {"rows": rows})
    return Erased(usage=len(rows))


def _spending(connection: Connection, of: dict[str, str]) -> Erased | None:
    rows = connection.execute(SPENDING_OF, of).mappings()
    for row in rows:
        connection.execute(SPEND[connection.dialect.name], {**row, "user_id": NOBODY})
        place = {"of_month": row["month"], "of_workspace": row["workspace"], "of_channel": row["channel"]}
        connection.execute(DROP_SPENDING, {**of, **place})
    return Erased(spending=len(rows)) if rows else None


def _rest(connection: Connection, of: dict[str, str]) -> Erased | None:
    connection.execute(ERASE_RESERVATIONS, of)
    changes = connection.execute(ERASE_AUDIT, of).rowcount
    set_by = connection.execute(ERASE_SETTINGS, of).rowcount
    rated = connection.execute(DROP_RATINGS, of).rowcount
    return Erased(audit=changes, settings=set_by, ratings=rated) if changes or set_by or rated else None
