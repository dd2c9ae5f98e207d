"""Single values of what Discord sends, whatever they turn out to be: none makes these raise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

DISCORD_EPOCH_MS = 1_420_070_400_000
"""Snowflakes count milliseconds from 2015-01-01."""


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON array; nothing where it is no array."""
    return (entry for entry in value if is_object(entry)) if isinstance(value, list) else iter(())


def strings(value: object) -> list[str]:
    """The ids of a JSON array, as strings."""
    return [entry for entry in map(identifier, value) if entry] if isinstance(value, list) else []


def string(value: object) -> str:
    """A JSON string, else the empty one."""
    return value if isinstance(value, str) else ""


def identifier(value: object) -> str:
    """A snowflake: Discord writes it as a string of digits; a number is taken too. Empty where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 1 << 64 else ""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        return ""
    return value if len(value) <= 20 else ""


def moment_of(value: object) -> datetime | None:
    """A timestamp as Discord writes it; None where it is none."""
    try:
        moment = datetime.fromisoformat(string(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def moment_sent(payload: Mapping[str, Any]) -> datetime | None:
    """The payload's own timestamp, else the one inside the message's snowflake."""
    if (moment := moment_of(payload.get("timestamp"))) is not None:
        return moment
    try:
        return datetime.fromtimestamp(((int(payload["id"]) >> 22) + DISCORD_EPOCH_MS) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
