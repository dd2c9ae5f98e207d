"""The stretch of a text that is looked at for the next part, as that part would show it. Pure.

A part may open with something that the text does not have at this place (a fence opened again, a table's header), and
the lines of a list item that was cut lose its indent: a `Window` knows where each of its lines stands in the text.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

_NEWLINE = re.compile(r"\n")
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of the text: from where, what the next part opens with, and by how much its lines are indented."""

    position: int
    opener: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the text as the next part would show it, and where each of its lines stands in the text.

    `opener` is the length of what was put in front; `starts`, `sources` and `indents` have one entry a line: its offset
    here, its position in the text, the columns of indent taken from it.
    """

    text: str
    opener: int
    starts: list[int]
    sources: list[int]
    indents: list[int]

    def source(self, offset: int) -> int:
        """Where an offset of the window stands in the text."""
        line = max(0, bisect_right(self.starts, offset) - 1)
        return self.sources[line] + offset - self.starts[line]

    def indent(self, offset: int) -> int:
        """The columns of indent taken from the line at an offset."""
        return self.indents[max(0, bisect_right(self.starts, offset) - 1)]


def window_of(text: str, rest: Rest, length: int) -> Window:
    """The next `length` characters of the rest."""
    shown = [rest.opener]
    window = Window("", len(rest.opener), [], [], [])
    offset, position, indent = len(rest.opener), rest.position, rest.indent
    stretch = text[rest.position : rest.position + length]
    if not indent:
        starts = [0, *(match.end() for match in _NEWLINE.finditer(stretch))]
        return Window(
            rest.opener + stretch,
            offset,
            [offset + start for start in starts],
            [position + start for start in starts],
            [0] * len(starts),
        )
    for number, line in enumerate(stretch.split("\n")):
        taken = 0
        if number and line.strip():
            indent = min(indent, len(line) - len(line.lstrip(" \t")))
        if number:
            taken = min(indent, len(line) - len(line.lstrip(" \t")))
            shown.append("\n")
        shown.append(line[taken:])
        window.starts.append(offset)
        window.sources.append(position + taken)
        window.indents.append(indent)
        offset += len(line) - taken + 1
        position += len(line) + 1
    return Window("".join(shown), window.opener, window.starts, window.sources, window.indents)


def skip_blank(text: str, rest: Rest) -> Rest:
    """Go on to the next line with something on it, and past as much of its indent as the last cut says."""
    position = rest.position
    blank = _BLANK.match(text, position)
    end = blank.end() if blank else position
    line_start = text.rfind("\n", position, end) + 1
    if end == len(text):
        position = end
    elif line_start:
        position = min(line_start + rest.indent, end)
    elif position and text[position - 1] != "\n":
        position = end
    else:
        position = min(position + rest.indent, end)
    return Rest(position, rest.opener, rest.indent)
