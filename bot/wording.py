"""Small pieces of sentences: a name that stands between backticks or plain, a list as people say it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Longer than the names of models and settings; what is longer is a text that somebody put in a name's place.
LONGEST_QUOTED = 80
# A dot with something right behind it, or a colon, could make a link.
_PLAIN = re.compile(r"(?:[^\W_]|[ '’-]|\.(?=\s|$))+")


def quotable(text: str, longest: int = LONGEST_QUOTED) -> str:
    """A text from outside as it can stand between backticks: on one line, cut, and with none of its own."""
    return " ".join(text.split())[:longest].replace("`", "'")


def plain(name: str) -> str:
    """A name as it can stand in Markdown: between backticks where something of it could be markup or a link."""
    shown = quotable(name).strip()
    return shown if _PLAIN.fullmatch(shown) or not shown else f"`{shown}`"


def listed(words: Sequence[str], joint: str = "and") -> str:
    """`a, b and c`, of at least one word."""
    return f" {joint} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
