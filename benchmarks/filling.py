"""Filling a database with what a busy team leaves behind: a million messages in seconds, as intake and turns store it.

The rows are made inside SQLite, by INSERT … SELECT over a sequence of numbers; the tables are the storage's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, Table, bindparam, cast, func, literal, select

from storage import Store
from storage.connection import Connection
from storage.money import month_of
from storage.records import micros_of, now
from storage.schema import conversations, cursors, messages, reply_parts, spending, turns, usage

# Usual lengths in a chat: a question of 30 tokens, an answer of 70.
QUESTION = "What do you make of item %d, given what we said so far and that the rollout is on Friday?"
ANSWER = (
    "Item %d can wait: the migration has to run on the replica first, the dashboards should show the new error rate "
    "next to the old one, and somebody who knows the billing jobs ought to be on call that evening. Nothing in it is "
    "urgent enough to lose a weekend over, so I would take it up on Monday."
)
PEOPLE = 200
BEFORE_SECONDS = 2 * 86_400.0
"""How long ago the newest of it was said: longer than is read back after a start."""
APART_SECONDS = 30.0
AT_ONCE = 10_000
"""Conversations in one transaction: the write-ahead log stays small."""
_DISCORD_EPOCH_MS = 1_420_070_400_000
_COST_MICROS = 700


@dataclass(frozen=True, slots=True)
class Filling:
    """So many conversations of so many answered questions each, shared out among channels.

    On Slack each is a thread, on Discord a chain of replies. A message is a question or an answer: there are
    `2 * conversations * questions` of them.
    """

    platform: str
    workspace: str
    channels: Sequence[str]
    conversations: int
    questions: int

    @property
    def messages(self) -> int:
        """How many messages it comes to."""
        return 2 * self.conversations * self.questions


async def fill(store: Store, filling: Filling) -> None:
    """Store it all, in a database that holds nothing of it yet. Raises `StorageFailed`."""
    began = now() - micros_of(BEFORE_SECONDS + APART_SECONDS * filling.messages / 2)
    for first in range(0, filling.conversations, AT_ONCE):
        count = min(AT_ONCE, filling.conversations - first)
        await store.database.write(_fill, filling, began, first, count)


def _fill(connection: Connection, filling: Filling, began: int, first: int, count: int) -> None:
    each = filling.questions
    of = {
        "began": began,
        "of_platform": filling.platform,
        "of_workspace": filling.workspace,
        "c_first": first,
        "c_last": first + count - 1,
        "t_first": first * each,
        "t_last": (first + count) * each - 1,
    }
    for table, columns in _rows(filling):
        connection.execute(table.insert().from_select(list(columns), select(*columns.values())), of)
    spent = {"month": month_of(began), "platform": filling.platform, "workspace": filling.workspace}
    rows = [
        {**spent, "channel": channel, "user_id": f"U{person}", "micros": _COST_MICROS}
        for channel in filling.channels
        for person in range(PEOPLE)
    ]
    if first == 0:
        connection.execute(spending.insert(), rows)


def _rows(filling: Filling) -> Iterator[tuple[Table, dict[str, ColumnElement[Any]]]]:
    """Each table with what its columns hold, as expressions over a number: of the conversation, or of the turn."""
    numbers = _sequence("c_first", "c_last")
    place: dict[str, ColumnElement[Any]] = {
        "platform": bindparam("of_platform", type_=String),
        "workspace": bindparam("of_workspace", type_=String),
    }
    root = _identity(filling.platform, _moment(numbers * filling.questions))
    yield (
        conversations,
        {
            "id": numbers + 1,
            **place,
            "channel": _channel(filling, numbers),
            "root": root,
            "direct": literal(False),
            "complete": literal(True),
            "context_start": literal(0),
            "created_at": _moment(numbers * filling.questions),
        },
    )
    yield (
        cursors,
        {
            **place,
            "channel": _channel(filling, numbers),
            "thread": root,
            "platform_id": root,
            "position": _moment(numbers * filling.questions),
        },
    )
    number = _sequence("t_first", "t_last")
    conversation = number // filling.questions
    asked, answered = _moment(number), _moment(number) + micros_of(5.0)
    question, answer = _identity(filling.platform, asked), _identity(filling.platform, answered)
    person = cast(func.printf("U%d", number % PEOPLE), String)
    yield (
        turns,
        {
            "id": number + 1,
            "conversation_id": conversation + 1,
            "key": func.printf("%020x", number),
            "state": literal("answered"),
            "thread": _identity(filling.platform, _moment(conversation * filling.questions)),
            "attempts": literal(1),
            "created_at": asked,
            "finished_at": answered,
        },
    )
    said = {
        "conversation_id": conversation + 1,
        "turn_id": number + 1,
        **place,
        "channel": _channel(filling, conversation),
        "position": asked,
    }
    yield (
        messages,
        {
            **said,
            "platform_id": question,
            "role": literal("user"),
            "author_id": person,
            "author_name": person,
            "text": func.printf(QUESTION, number),
            "sent_at": asked,
        },
    )
    yield (
        messages,
        {
            **said,
            "platform_id": answer,
            "role": literal("assistant"),
            "author_id": literal("UBOT"),
            "author_name": literal("Parley"),
            "text": func.printf(ANSWER, number),
            "sent_at": answered,
        },
    )
    yield (
        reply_parts,
        {
            "turn_id": number + 1,
            "number": literal(1),
            "state": literal("sent"),
            "platform_id": answer,
            "intended_at": answered,
        },
    )
    yield (
        usage,
        {
            "turn_id": number + 1,
            "at": answered,
            **place,
            "channel": _channel(filling, conversation),
            "user_id": person,
            "purpose": literal("answer"),
            "model": literal("gpt-5.4-mini"),
            "key_label": literal("key"),
            "requests": literal(1),
            "prompt_tokens": literal(500),
            "cached_tokens": literal(0),
            "completion_tokens": literal(70),
            "reasoning_tokens": literal(0),
            "estimated": literal(False),
            "cost_micros": literal(_COST_MICROS),
        },
    )


def _sequence(first: str, last: str) -> ColumnElement[int]:
    """The whole numbers between two parameters, both included."""
    start = select(bindparam(first, type_=BigInteger).label("n")).cte(f"from_{first}", recursive=True)
    counted = start.union_all(select(start.c.n + 1).where(start.c.n < bindparam(last, type_=BigInteger)))
    return counted.c.n


def _moment(number: ColumnElement[int]) -> ColumnElement[int]:
    """When question number so-and-so was asked, in microseconds since the epoch."""
    return bindparam("began", type_=BigInteger) + number * micros_of(APART_SECONDS)


def _identity(platform: str, moment: ColumnElement[int]) -> ColumnElement[str]:
    """A message's id as the platform makes it of a moment: Slack's `ts`, Discord's snowflake."""
    if platform == "discord":
        return func.printf("%d", (moment // 1000 - _DISCORD_EPOCH_MS).op("<<")(22))
    return func.printf("%d.%06d", moment // 1_000_000, moment % 1_000_000)


def _channel(filling: Filling, number: ColumnElement[int]) -> ColumnElement[str]:
    """Conversations go round the channels."""
    names = literal("[" + ",".join(f'"{channel}"' for channel in filling.channels) + "]")
    return func.json_extract(names, func.printf("$[%d]", number % len(filling.channels)))
