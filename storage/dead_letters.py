"""What the operator looks at and decides: turns that failed, what is known of each, and whether it is tried again.

A turn that is tried again keeps its attempts, which fence whoever held it before, and its parts, so that its answer
takes the place of the sentence that stands there. It keeps its command too, or the sentence it was to say: these go
with the words of their message. Every change asks the state of the row itself: it is safe beside a worker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    String,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from bot.messages import Address
from storage import summaries
from storage.connection import Connection
from storage.database import Database
from storage.money import UsageRow
from storage.records import REFERENCE_LENGTH, StoredPart, now
from storage.schema import conversations, messages, ratings, turns, usage
from storage.states import is_failed, is_open
from storage.turn_lines import Decision, TurnLine, TurnMessage, WholeTurn
from storage.turns import PARTS, has_words

DISCARDED = "Discarded"
# So many turns are changed in one transaction: a worker waits for no more than that.
AT_ONCE = 500
_LONGEST_KEY = 20
# The largest id a database gives has 19 digits.
_LONGEST_ID = 18
_HEXADECIMAL = frozenset("0123456789abcdef")

_lines = select(
    turns.c.id,
    turns.c.key,
    turns.c.state,
    conversations.c.platform,
    conversations.c.workspace,
    conversations.c.channel,
    turns.c.thread,
    turns.c.attempts,
    turns.c.crashes,
    turns.c.created_at,
    turns.c.finished_at,
    turns.c.failure,
    turns.c.not_before,
    turns.c.lease_owner,
    turns.c.lease_until,
).join(conversations, conversations.c.id == turns.c.conversation_id)
_reason = bindparam("reason", type_=String)
# A platform's own code may follow the name of the failure.
_for_that_reason = or_(
    _reason == "",
    turns.c.failure == _reason,
    func.substr(turns.c.failure, 1, func.length(_reason) + 1) == _reason + " ",
)


def _newest(lines: Select[Any]) -> Select[Any]:
    return lines.order_by(turns.c.id.desc()).limit(bindparam("most", type_=Integer))


FAILED = _newest(_lines.where(is_failed(turns), _for_that_reason))
FAILED_COUNT = select(func.count()).select_from(turns).where(is_failed(turns), _for_that_reason)
FAILED_IDS = select(turns.c.id).where(is_failed(turns), _for_that_reason).order_by(turns.c.id)
OPEN = _newest(_lines.where(is_open(turns)))
LINE = _lines.where(turns.c.id == bindparam("of_turn"))
BY_ID = select(turns.c.id, turns.c.key).where(turns.c.id == bindparam("of_turn", type_=BigInteger))
# Keys are hexadecimal: every one with this beginning stands before the same beginning with a "g" after it.
BY_REFERENCE = (
    select(turns.c.id, turns.c.key)
    .where(turns.c.key >= bindparam("beginning"), turns.c.key < bindparam("beginning", type_=String) + "g")
    .order_by(turns.c.key)
)
MESSAGES = (
    select(
        messages.c.role,
        messages.c.platform_id,
        messages.c.author_id,
        messages.c.author_name,
        messages.c.text,
        messages.c.attachments,
        messages.c.sent_at,
        messages.c.edited,
        messages.c.deleted,
    )
    .where(messages.c.turn_id == bindparam("of_turn"))
    .order_by(messages.c.position, messages.c.id)
)
USED = (
    select(
        usage.c.user_id,
        usage.c.model,
        usage.c.key_label,
        usage.c.requests,
        usage.c.prompt_tokens,
        usage.c.cached_tokens,
        usage.c.completion_tokens,
        usage.c.reasoning_tokens,
        usage.c.estimated,
        usage.c.cost_micros,
    )
    .where(usage.c.turn_id == bindparam("of_turn"))
    .order_by(usage.c.id)
)
_these = turns.c.id.in_(bindparam("turn_ids", expanding=True))
_knows_what_to_do = or_(turns.c.kind == "answer", turns.c.payload.is_not(None))
STATES = (
    select(
        turns.c.id,
        turns.c.key,
        turns.c.state,
        turns.c.failure,
        has_words.label("asked"),
        _knows_what_to_do.label("knows"),
    )
    .where(_these)
    .order_by(turns.c.id)
)
RETRY = (
    update(turns)
    .where(_these, is_failed(turns), has_words, _knows_what_to_do)
    .values(state="queued", crashes=0, not_before=0, finished_at=None, failure=None)
    .returning(turns.c.id, turns.c.pressed)
)
OLD_ANSWERS = select(messages.c.id).where(
    messages.c.turn_id.in_(bindparam("turn_ids", expanding=True)), messages.c.role == "assistant"
)
# The half of an answer that a broken stream left is no answer any more: the whole one takes its place.
FORGET_ANSWERS = delete(messages).where(
    messages.c.turn_id.in_(bindparam("turn_ids", expanding=True)), messages.c.role == "assistant"
)
FORGET_PAYLOADS = (
    update(turns)
    .where(
        turns.c.id.in_(
            select(messages.c.turn_id)
            .where(messages.c.id.in_(bindparam("rows", expanding=True)), messages.c.role != "assistant")
            .scalar_subquery()
        ),
        is_failed(turns),
        turns.c.payload.is_not(None),
    )
    .values(payload=None)
)
FORGET_RATINGS = delete(ratings).where(ratings.c.turn_id.in_(bindparam("turn_ids", expanding=True)))
_longest_failure: int = turns.c.failure.type.length  # type: ignore[attr-defined]
DISCARD = (
    update(turns)
    .where(_these, is_failed(turns))
    .values(
        state="cancelled",
        payload=None,
        finished_at=bindparam("moment"),
        failure=func.substr(literal(f"{DISCARDED} ", String) + func.coalesce(turns.c.failure, ""), 1, _longest_failure),
    )
    .returning(turns.c.id)
)


class DeadLetters:
    """The queries of the operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def failed(self, reason: str = "", most: int = 50) -> tuple[Sequence[TurnLine], int]:
        """The turns that failed, newest first, `most` of them at most; and how many there are.

        `reason` picks those of one failure, by its name in `bot.errors`.
        """
        return await self._database.read(_failed, reason, most)

    async def failed_ids(self, reason: str = "") -> Sequence[int]:
        """The ids of all turns that failed, oldest first."""
        return await self._database.read(_failed_ids, reason)

    async def open(self, most: int = 50) -> Sequence[TurnLine]:
        """The turns that wait or run, newest first, `most` of them at most."""
        return await self._database.read(_open, most)

    async def named(self, name: str) -> Sequence[tuple[int, str]]:
        """Id and key of every turn that `name` may mean: its id, its key, or the key's first 8 characters or more."""
        return await self._database.read(_named, name)

    async def whole(self, turn_id: int) -> WholeTurn | None:
        """All that is known of a turn; None where there is none of this id."""
        return await self._database.read(_whole, turn_id)

    async def retry(self, turn_ids: Sequence[int]) -> AsyncIterator[Decision]:
        """Put failed turns back into the queue, to be begun at once; gives for each known one what was done."""
        for ids in _portions(turn_ids):
            for decision in await self._database.write(_retry, ids):
                yield decision

    async def discard(self, turn_ids: Sequence[int]) -> AsyncIterator[Decision]:
        """Take failed turns out of the list, keeping why they failed; gives for each known one what was done."""
        for ids in _portions(turn_ids):
            for decision in await self._database.write(_discard, ids):
                yield decision


def _portions(turn_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(turn_ids), AT_ONCE):
        yield turn_ids[first : first + AT_ONCE]


def _failed(connection: Connection, reason: str, most: int) -> tuple[Sequence[TurnLine], int]:
    picked = {"reason": reason}
    lines = [_line(tuple(row)) for row in connection.execute(FAILED, {**picked, "most": most})]
    return lines, connection.scalar(FAILED_COUNT, picked) or 0


def _failed_ids(connection: Connection, reason: str) -> Sequence[int]:
    return list(connection.scalars(FAILED_IDS, {"reason": reason}))


def _open(connection: Connection, most: int) -> Sequence[TurnLine]:
    return [_line(tuple(row)) for row in connection.execute(OPEN, {"most": most})]


def _named(connection: Connection, name: str) -> Sequence[tuple[int, str]]:
    found: dict[int, str] = {}
    if name.isascii() and name.isdecimal() and len(name) <= _LONGEST_ID:
        found |= {row.id: row.key for row in connection.execute(BY_ID, {"of_turn": int(name)})}
    beginning = name.lower()
    if REFERENCE_LENGTH <= len(beginning) <= _LONGEST_KEY and set(beginning) <= _HEXADECIMAL:
        found |= {row.id: row.key for row in connection.execute(BY_REFERENCE, {"beginning": beginning})}
    return list(found.items())


def _whole(connection: Connection, turn_id: int) -> WholeTurn | None:
    of = {"of_turn": turn_id}
    row = connection.execute(LINE, of).first()
    if row is None:
        return None
    return WholeTurn(
        _line(tuple(row)),
        [TurnMessage(*each) for each in connection.execute(MESSAGES, of)],
        [StoredPart(*each) for each in connection.execute(PARTS, of)],
        [UsageRow(*tuple(each)) for each in connection.execute(USED, of)],
    )


def _line(row: Sequence[Any]) -> TurnLine:
    turn_id, key, state, platform, workspace, channel, thread, *others = row
    return TurnLine(turn_id, key, state, Address(platform, workspace, channel, thread), *others)


def _retry(connection: Connection, turn_ids: Sequence[int]) -> Sequence[Decision]:
    return _decide(connection, turn_ids, _queue_again)


def _queue_again(connection: Connection, turn_ids: Sequence[int]) -> Sequence[int]:
    rows = connection.execute(RETRY, {"turn_ids": turn_ids}).all()
    queued = [row.id for row in rows]
    if queued and (old := list(connection.scalars(OLD_ANSWERS, {"turn_ids": queued}))):
        # The model that is asked again is told of what it said before in no way.
        summaries.drop_of_rows(connection, old)
    # What somebody wished to have answered anew has an answer, which stays until there is a new one (`answers.py`).
    if first := [row.id for row in rows if row.pressed is None]:
        connection.execute(FORGET_ANSWERS, {"turn_ids": first})
        connection.execute(FORGET_RATINGS, {"turn_ids": first})
    return queued


def _discard(connection: Connection, turn_ids: Sequence[int]) -> Sequence[Decision]:
    return _decide(connection, turn_ids, _put_away)


def _put_away(connection: Connection, turn_ids: Sequence[int]) -> Sequence[int]:
    return list(connection.scalars(DISCARD, {"turn_ids": turn_ids, "moment": now()}))


def _decide(
    connection: Connection, turn_ids: Sequence[int], change: Callable[[Connection, Sequence[int]], Sequence[int]]
) -> Sequence[Decision]:
    before = connection.execute(STATES, {"turn_ids": turn_ids}).all()
    changed = frozenset(change(connection, turn_ids))
    return [
        Decision(
            row.id,
            row.key,
            row.state,
            row.failure,
            "done" if row.id in changed else _why_not(row),
        )
        for row in before
    ]


def _why_not(row: Any) -> Literal["not_failed", "unasked", "forgotten"]:
    if row.state != "failed":
        return "not_failed"
    return "forgotten" if row.asked and not row.knows else "unasked"


def forget_payloads(connection: Connection, rows: Sequence[int]) -> None:
    """Forget what failed turns were to carry out or to say for messages that lose their words, by the ids of their
    rows, in the transaction that is open."""
    connection.execute(FORGET_PAYLOADS, {"rows": rows})
