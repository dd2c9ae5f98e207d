"""The beginning of an unfinished Markdown text that stays as it is whatever is written next: what a stream may show.

A stream can only be appended to, so nothing in it can be closed provisionally. Pure.
"""

from __future__ import annotations

import re

from bot.closing import close_open
from bot.structure import open_fence

_GAP = re.compile(r"\s+")
# So many words are looked back at for a place where no emphasis and no link is open, and then so many lines.
MOST_WORDS = 60
MOST_LINES = 20


def settled(markdown: str) -> str:
    """The longest beginning of whole words at whose end nothing is open: no fence, no emphasis, no half link or row.

    May be empty; ends without white space. Never raises.
    """
    fence = open_fence(markdown)
    text = markdown if fence is None else "\n".join(markdown.split("\n")[: fence.line]) + "\n"
    head, newline, line = text.rpartition("\n")
    # Of what may be a row of a table the whole line is shown, or nothing.
    gaps = [gap.start() for gap in _GAP.finditer(line)] if "|" not in line else []
    for end in reversed(gaps[-MOST_WORDS:]):
        if end and _is_closed(whole := head + newline + line[:end]):
            return whole
    lines = head.split("\n") if newline else []
    for _ in range(min(MOST_LINES, len(lines))):
        if _is_closed(whole := "\n".join(lines).rstrip()):
            return whole
        lines.pop()
    return ""


def _is_closed(text: str) -> bool:
    return close_open(text) == text
