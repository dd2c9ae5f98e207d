"""What holds of a value that came out of a parser, whatever its annotation promises."""

from __future__ import annotations

from datetime import datetime


def is_text(value: object) -> bool:
    """A text, of whatever characters."""
    return isinstance(value, str)


def is_storable(value: object) -> bool:
    """A text that a database and any JSON writer take: with neither NUL nor halves of characters."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def is_count(value: object, below: int = 2**53) -> bool:
    """A whole number from 0 on, small enough."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def is_moment(value: object) -> bool:
    """A moment with a zone."""
    return isinstance(value, datetime) and value.tzinfo is not None


def are_flags(*values: object) -> bool:
    """Nothing but true and false."""
    return all(isinstance(value, bool) for value in values)
