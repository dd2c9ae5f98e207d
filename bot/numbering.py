"""Gives the items of lists that are numbered `1. 1. 1.` the numbers a reader sees, so that a part of a list goes on.

Markdown counts such items itself, from the first one's number; cut apart, each part would begin anew. Pure.
"""

import re
from functools import lru_cache

from bot.structure import parse_blocks, stretches_of

_MARKER = re.compile(r"([ \t>]*)(\d{1,9})(?=[.)](?:[ \t]|$))")
_MARKERS = re.compile(rf"^{_MARKER.pattern}", re.MULTILINE)


def numbered(markdown: str) -> str:
    """Write the numbers that a list shows from its first repeated one on; all else stays as it is.

    What is rewritten does not depend on the text behind it. Newlines are U+000A alone. Never raises.
    """
    if not _may_repeat(markdown):
        return markdown
    return "".join(_numbered(stretch) if _may_repeat(stretch) else stretch for stretch in stretches_of(markdown))


@lru_cache(maxsize=64)
def _numbered(markdown: str) -> str:
    """The same of one stretch of a text: no list goes beyond it."""
    lines = markdown.split("\n")
    rewritten: set[int] = set()
    lists: list[Count | None] = []
    for token in parse_blocks(markdown):
        match token.type:
            case "ordered_list_open":
                lists.append(Count())
            case "bullet_list_open":
                lists.append(None)
            case "ordered_list_close" | "bullet_list_close":
                lists.pop()
            case "list_item_open" if token.map and (current := lists[-1]) is not None:
                shown = current.next(int(token.info))
                if shown != int(token.info) and token.map[0] not in rewritten:
                    _rewrite(lines, token.map[0], token.map[1], int(token.info), shown)
                rewritten.add(token.map[0])
            case _:
                pass
    return "\n".join(lines)


class Count:
    """Counts the items of a list as they are shown: as they are written, but from a repeated number on by one each.

    CommonMark shows `1. 2. 5.` as 1, 2, 3; whoever wrote it meant 5, and so did a part of a nested list (`11.`) with
    what follows it in the list around it (`3.`).
    """

    def __init__(self) -> None:
        self.jumped = False
        """Whether the last item does not go on with the number before it: a reader of Markdown would number it anew."""
        self._shown = 0
        self._written: int | None = None
        self._repeats = False

    def next(self, written: int) -> int:
        """The number of the next item, which is written with this one."""
        self._repeats = self._repeats or written == self._written
        shown = self._shown + 1 if self._repeats else written
        self.jumped = self._written is not None and shown != self._shown + 1
        self._shown = shown
        self._written = written
        return self._shown


def _may_repeat(markdown: str) -> bool:
    """Whether a number is written twice: without parsing, for most texts. Which of them are items of one list, and
    which follow each other there, their indents alone do not tell."""
    numbers = [match[2] for match in _MARKERS.finditer(markdown)]
    return len(numbers) > len(set(numbers))


def _rewrite(lines: list[str], first: int, end: int, written: int, shown: int) -> None:
    """Give an item its number, and move what stands in it along where that is longer."""
    marker = _MARKER.match(lines[first])
    if marker is None or int(marker[2]) != written:
        return
    longer = len(str(shown)) - len(marker[2])
    lines[first] = f"{marker[1]}{shown}{lines[first][marker.end() :]}"
    content = marker.end() + 2
    for index in range(first + 1, min(end, len(lines))):
        if longer > 0 and lines[index][:content].isspace() and lines[index].strip():
            lines[index] = " " * longer + lines[index]
