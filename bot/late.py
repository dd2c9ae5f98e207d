"""The word that goes before an answer which comes late: people should know that their question was not overlooked."""

from __future__ import annotations

# Shorter waits need no words: a restart or a busy model explains itself.
LATE_AFTER_SECONDS = 300.0

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def late_word(seconds: float) -> str:
    """What to say before the answer to a question asked so long ago; empty where it is in time."""
    if seconds < LATE_AFTER_SECONDS:
        return ""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    count = round(seconds / size)
    return f"_Sorry, this comes late: you asked {count} {unit}{'' if count == 1 else 's'} ago._\n\n"
