"""Takes a Markdown text apart into stretches of whole blocks, each of which reads alone as it does in the text. Pure.

An answer grows at its end, and its head has been read before: the stretches of a text are the first ones of any longer
text, so what was made of each can be kept, and only the last one is read anew. Where they end depends on a bounded
stretch of the text alone. What a reader of Markdown takes for a block is the caller's to say.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from markdown_it.token import Token

Cut = Callable[[str], int]
"""Tells how many characters of a text of whole lines stay as they are whatever follows them, and what follows can be
read without: 0 where that is not known. Called with the same texts again and again: it should remember."""

WINDOW = 800
"""Characters that are looked at for the end of a stretch: a few paragraphs. Where a block is longer, twice as many."""

_CONTAINERS = frozenset({"bullet_list_open", "ordered_list_open", "blockquote_open"})


def stretches(markdown: str, cut: Cut) -> list[str]:
    """Take a text apart; the last stretch is what may still change, and may be empty. Put together they are the text.

    A text with carriage returns is one stretch: readers of Markdown do not agree on what they are.
    """
    found: list[str] = []
    start, size = 0, WINDOW
    while "\r" not in markdown:
        end = markdown.find("\n", start + size) + 1
        if not end:
            break
        length = cut(markdown[start:end])
        if length:
            found.append(markdown[start : start + length])
            start, size = start + length, WINDOW
        else:
            size *= 2
    return [*found, markdown[start:]]


def settled_length(markdown: str, tokens: Sequence[Token], most_lines: int | None = None) -> int:
    """A `Cut` of a text of whole lines by its block tokens: up to the last outermost block behind an empty line.

    No more than `most_lines` lines of it. Not between two lists or quotes: how one looks may depend on the other.
    """
    lines = markdown.split("\n")
    blocks = [token for token in tokens if not token.level and token.nesting >= 0 and token.map]
    for before, block in reversed(list(pairwise(blocks))):
        first = block.map[0] if block.map else 0
        if most_lines is not None and first > most_lines:
            continue
        if not lines[first - 1].strip(" \t") and not (before.type in _CONTAINERS and block.type in _CONTAINERS):
            return sum(len(line) + 1 for line in lines[:first])
    return 0
