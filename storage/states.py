"""What state a turn is in, as a condition of a query.

A state is asked for in the very words of the partial indexes. With a bound value instead, no planner could tell that
they apply; and SQLite, which looks whether this value may make one apply, prepares the statement anew each time, which
takes longer than all else about a claim.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, literal_column


def is_open(a_turn: FromClause) -> ColumnElement[bool]:
    """Whether a turn is queued or running."""
    return a_turn.c.state.in_([literal_column("'queued'"), literal_column("'running'")])


def is_queued(a_turn: FromClause) -> ColumnElement[bool]:
    """Whether a turn waits to be claimed."""
    return a_turn.c.state == literal_column("'queued'")


def is_running(a_turn: FromClause) -> ColumnElement[bool]:
    """Whether a turn is running."""
    return a_turn.c.state == literal_column("'running'")


def is_failed(a_turn: FromClause) -> ColumnElement[bool]:
    """Whether a turn has failed."""
    return a_turn.c.state == literal_column("'failed'")


def is_ended(a_turn: FromClause) -> ColumnElement[bool]:
    """Whether a turn is over."""
    return a_turn.c.state.in_([literal_column(f"'{state}'") for state in ("answered", "failed", "cancelled")])
