"""Takes mentions off the end of a message, in time that grows with its length alone. Pure.

An expression that ends in `\\s*$` tries every blank of a long gap anew: two thousand blanks, which anybody may post,
held the event loop for seconds. So the end is looked at from behind.
"""

from __future__ import annotations

import re

OPENING = "<@"
"""How a mention begins on Slack and on Discord."""


def without_mentions_at_end(text: str, mention: re.Pattern[str]) -> tuple[str, bool]:
    """`text` without the mentions at its end and the blanks around them, and whether there were any.

    `mention` matches one whole mention. Where there is none, `text` comes back as it was.
    """
    end = _before_blanks(text, len(text))
    found = False
    while (start := text.rfind(OPENING, 0, end)) >= 0 and mention.fullmatch(text, start, end):
        end, found = _before_blanks(text, start), True
    return (text[:end], True) if found else (text, False)


def _before_blanks(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end
