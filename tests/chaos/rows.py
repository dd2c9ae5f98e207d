"""What stands in the bot's database, read beside it: never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bot.catchup import HOLD_SECONDS
from storage.records import micros_of
from tests.chaos.answers import QUESTION

_OPEN = "state IN ('queued', 'running')"


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only = 1")
        yield connection


def questions_beside(database: Path, token: str) -> frozenset[str]:
    """The tokens of all questions that the turn of one question is to answer."""
    with _reading(database) as connection:
        texts = connection.execute(
            "SELECT text FROM messages WHERE role = 'user' AND turn_id IN"
            " (SELECT turn_id FROM messages WHERE role = 'user' AND text LIKE ?)",
            (f"%[{token}]%",),
        ).fetchall()
    return frozenset(found for (text,) in texts for found in QUESTION.findall(text))


def open_turns(database: Path) -> int:
    """How many turns are queued or running."""
    with _reading(database) as connection:
        [count] = connection.execute(f"SELECT count(*) FROM turns WHERE {_OPEN}").fetchone()  # noqa: S608 - our own words
    return int(count)


def most_deaths(database: Path) -> int:
    """How many processes died over the unluckiest open turn, the one that has it, or has it next, counted as dead."""
    with _reading(database) as connection:
        [most] = connection.execute(
            f"SELECT coalesce(max(crashes + 1), 0) FROM turns WHERE {_OPEN}"  # noqa: S608
        ).fetchone()
    return int(most)


def unsettled(database: Path) -> list[str]:
    """Whatever is not at its end: open or failed turns, messages only intended, questions without a turn."""
    queries = {
        "a turn is not answered": "SELECT key, state, attempts, crashes, failure FROM turns WHERE state <> 'answered'",
        "a part is not confirmed": "SELECT t.key, p.number, p.state, p.platform_id FROM reply_parts p"
        " JOIN turns t ON t.id = p.turn_id WHERE p.state <> 'sent' OR p.platform_id IS NULL",
        "a message has two parts": "SELECT platform_id, count(*) AS parts FROM reply_parts"
        " GROUP BY platform_id HAVING count(*) > 1",
    }
    with _reading(database) as connection:
        return [
            f"{what}: {dict(row)}" for what, query in queries.items() for row in connection.execute(query).fetchall()
        ]


def queued_at(database: Path, token: str) -> int:
    """When the turn of a question was stored, in microseconds since the epoch; 0 where there is none.

    A question that joined a turn was stored later.
    """
    with _reading(database) as connection:
        found = connection.execute(
            "SELECT min(t.created_at) FROM messages m JOIN turns t ON t.id = m.turn_id"
            " WHERE m.role = 'user' AND m.text LIKE ?",
            (f"%[{token}]%",),
        ).fetchone()
    return int(found[0] or 0)


def held_until(database: Path, token: str) -> int:
    """Until when the turn of a question was held back for older ones at the latest, in microseconds since the epoch.

    0 where it was let go before. Of one that was begun twice nobody knows any more: as long as a hold lasts.
    """
    with _reading(database) as connection:
        found = connection.execute(
            "SELECT max(CASE t.attempts WHEN 1 THEN t.not_before ELSE t.created_at + ? END)"
            " FROM messages m JOIN turns t ON t.id = m.turn_id WHERE m.role = 'user' AND m.text LIKE ?",
            (micros_of(HOLD_SECONDS), f"%[{token}]%"),
        ).fetchone()
    return int(found[0] or 0)


def of_question(database: Path, token: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The keys of the turns that hold a question, and every row about it."""
    with _reading(database) as connection:
        asked = _all(connection, "SELECT * FROM messages WHERE text LIKE ? AND role = 'user'", f"%[{token}]%")
        turns = [row["turn_id"] for row in asked]
        conversations = [row["conversation_id"] for row in asked]
        held = [each for turn in turns for each in _all(connection, "SELECT * FROM turns WHERE id = ?", turn)]
        parts = [p for turn in turns for p in _all(connection, "SELECT * FROM reply_parts WHERE turn_id = ?", turn)]
        places = [
            c for each in conversations for c in _all(connection, "SELECT * FROM conversations WHERE id = ?", each)
        ]
        beside = [
            row
            for each in conversations
            for row in _all(
                connection,
                "SELECT id, turn_id, platform_id, role, substr(text, 1, 60) AS begins, position, sent_at"
                " FROM messages WHERE conversation_id = ? ORDER BY position, id",
                each,
            )
        ]
    return [str(turn["key"]) for turn in held], [*asked, *held, *parts, *places, *beside]


def _all(connection: sqlite3.Connection, query: str, argument: object) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query, (argument,)).fetchall()]
