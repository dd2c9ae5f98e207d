"""Small pieces of sentences: a name that stands between backticks, a list as people say it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# Longer than the names of models and settings; what is longer is a text that somebody put in a name's place.
LONGEST_QUOTED = 80


def quotable(text: str, longest: int = LONGEST_QUOTED) -> str:
    """A text from outside as it can stand between backticks: on one line, cut, and with none of its own."""
    return " ".join(text.split())[:longest].replace("`", "'")


def listed(words: Sequence[str], joint: str = "and") -> str:
    """`a, b and c`, of at least one word."""
    return f" {joint} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
