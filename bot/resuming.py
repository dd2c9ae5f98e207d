"""An answer that goes on inside a block of code: the block is opened again, once. Pure.

A cut answer may end within a fence. What follows is a message of its own, in which it would be read as prose.
"""

from __future__ import annotations

import re

from bot.structure import closes, open_fence

_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})")


def reopening(earlier: str) -> str:
    """The line that opens the block which `earlier` leaves open, with its language; empty where none is open."""
    fence = open_fence(earlier)
    return earlier.split("\n")[fence.line].strip() if fence is not None else ""


def resumed(opener: str, said: str) -> str:
    """What was said so far, with the block that it stands in opened: nothing as long as its first line may open it too.

    An opener that the model repeats is there once, and a block that it closes at once is not opened at all.
    """
    if not opener or not said.strip():
        return "" if opener else said
    words = said.lstrip("\n")
    first, newline, rest = words.partition("\n")
    if not newline and (not first.strip() or first.strip()[0] in "`~"):
        return ""
    if _FENCE.match(first):
        mark = opener[: len(opener) - len(opener.lstrip(opener[0]))]
        if first.strip() != opener and closes(first, mark):
            return rest.lstrip("\n")
        return f"{opener}\n{rest}"
    return f"{opener}\n{words}"
