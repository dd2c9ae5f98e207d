"""Cuts a Markdown text into messages: at paragraphs first, then list items and lines, sentences, words.

What is cut stays readable: a fenced block is closed and opened again with its language, a table's header is repeated. A
cut depends on a bounded stretch of text alone, so it can be made while the text still grows and never moves afterwards.
The platforms' sizes are not known here: the caller says what fits.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bot.closing import close_open
from bot.structure import (
    Level,
    Line,
    content_indent,
    emphasised,
    is_boundary,
    prose,
    read_lines,
    sentences,
    together,
    words,
)

__all__ = ["Fits", "close_open", "split", "split_stable"]

Fits = Callable[[str], bool]
"""Tells whether a Markdown text is one message once rendered. A prefix of what fits should fit too; where it does not
(a half-open link is longer than a whole one), the parts still fit, they are only a little shorter."""

_T = TypeVar("_T")

_NEWLINES = "\n"
_NEWLINE = re.compile(r"\n")
_BLANK = re.compile(r"\s*\n|\s+")
_FIRST_PROBE = 64
_FINE_PROBES = 1_024
_FINE_STEP = 16
_ENOUGH = 0.5
"""A better place to cut is taken if the part is then at least this share of what would fit."""


def split(markdown: str, fits: Fits) -> list[str]:
    """Cut a text into parts that each fit; a blank text has none. Never raises on any text.

    The parts put together are the text, but for white space at the cuts and for what a part closes or opens again
    (fences, table headers, quote marks, the indent of a list item).
    """
    return [part for part, _ in _parts(markdown, fits)]


def split_stable(markdown: str, fits: Fits) -> tuple[list[str], str]:
    """Cut a text that still grows into (finished parts, the growing part).

    Give the whole text so far each time. The finished parts of a text are the first ones of any longer text, in this
    function and in `split`; the growing part fits and may be empty. A cut is decided with a look-ahead of about a
    sixteenth of a part: until then the characters behind the growing part are held back.
    """
    finished: list[str] = []
    for part, is_final in _parts(markdown, fits):
        if not is_final:
            return finished, part
        finished.append(part)
    return finished, ""


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of the text: from where, what the next part opens with, and by how much its lines are indented."""

    position: int
    opener: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class _Window:
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
        line = max(0, bisect_right(self.starts, offset) - 1)
        return self.sources[line] + offset - self.starts[line]

    def indent(self, offset: int) -> int:
        return self.indents[max(0, bisect_right(self.starts, offset) - 1)]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place to cut a window: what the part before it is, and with what the next one opens."""

    part: str
    offset: int
    opener: str = ""
    indent: int = 0


def _parts(markdown: str, fits: Fits) -> Iterator[tuple[str, bool]]:
    """Yield each part with whether it is final: no text that may follow could change it."""
    text = markdown.replace("\r\n", "\n").replace("\r", "\n")
    rest = _skip_blank(text, _Rest(0))
    final = True
    while rest.position < len(text):
        length, is_decided = _overflow(text, rest, fits)
        window = _window(text, rest, length or len(text))
        if length is None:
            yield window.text.rstrip(), False
            return
        final = final and is_decided
        lines = read_lines(window.text)
        cut = _between_words(window, lines, fits) or _between_characters(window, lines, fits)
        if cut is None:
            rest = _Rest(rest.position, "", rest.indent)  # no room beside the fence or header: go on without it
            continue
        yield cut.part, final
        rest = _skip_blank(text, _Rest(window.source(cut.offset), cut.opener, cut.indent))


def _overflow(text: str, rest: _Rest, fits: Fits) -> tuple[int | None, bool]:
    """Return how long a stretch of the rest is too long for a part, and whether more text could change that.

    The lengths tried do not depend on how much text there is: that is what makes a cut final. None: all of it fits.
    """
    available = len(text) - rest.position
    length = _FIRST_PROBE
    while length <= available:
        if not fits(_window(text, rest, length).text):
            return length, True
        length += length if length < _FINE_PROBES else length // _FINE_STEP
    return (None, False) if fits(_window(text, rest, available).text.rstrip()) else (available, False)


def _window(text: str, rest: _Rest, length: int) -> _Window:
    shown = [rest.opener]
    window = _Window("", len(rest.opener), [], [], [])
    offset, position, indent = len(rest.opener), rest.position, rest.indent
    stretch = text[rest.position : rest.position + length]
    if not indent:
        starts = [0, *(match.end() for match in _NEWLINE.finditer(stretch))]
        return _Window(
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
    return _Window("".join(shown), window.opener, window.starts, window.sources, window.indents)


def _skip_blank(text: str, rest: _Rest) -> _Rest:
    """Go on to the next line with something on it, and past as much of its indent as the last cut says."""
    position = rest.position
    blank = _BLANK.match(text, position)
    at_line_start = position == 0 or text[position - 1] == "\n"
    if blank and "\n" in blank[0]:
        position = position + blank[0].rindex("\n") + 1
        at_line_start = True
    start = position
    while position < len(text) and text[position] in " \t" and (not at_line_start or position - start < rest.indent):
        position += 1
    if not text[position:].strip() if len(text) - position < _FIRST_PROBE else False:
        position = len(text)
    return _Rest(position, rest.opener, rest.indent)


def _between_words(window: _Window, lines: list[Line], fits: Fits) -> _Cut | None:
    """Choose the best place between blocks, items, lines, sentences or words; None if no such place fits."""
    text = prose(lines)
    uncut = together(text)
    places = [
        index
        for index, line in enumerate(lines)
        if line.level < Level.NEVER and line.start > window.opener and not _inside(uncut, line.start)
    ]
    cuts: dict[int, _Cut] = {}

    def at(offset: int, line: Line) -> bool:
        cut = cuts[offset] = _cut(window, offset, line)
        return bool(cut.part[window.opener :].strip()) and fits(cut.part)

    last = _last_fitting(places, lambda index: at(lines[index].start, lines[index]))
    fitting = places[: last + 1]
    first = fitting[-1] if fitting else 0
    beyond = places[last + 1] if last + 1 < len(places) else len(lines)
    gaps = _gaps(lines[first:beyond], window.opener, uncut, emphasised(text))
    last_gap = _last_fitting(gaps, lambda gap: at(gap[0], gap[1]))
    if not fitting and last_gap < 0:
        return None
    limit = gaps[last_gap][0] if last_gap >= 0 else lines[first].start
    enough = window.opener + (limit - window.opener) * _ENOUGH

    def latest(level: Level, least: float) -> int | None:
        found = [index for index in fitting if lines[index].level <= level and lines[index].start >= least]
        return lines[found[-1]].start if found else None

    straddler = lines[bisect_right([line.start for line in lines], limit) - 1]
    chosen = latest(Level.BLOCK, enough)
    if chosen is None and window.opener < straddler.item <= limit and fits(window.text[straddler.item :]):
        chosen = latest(Level.ITEM, straddler.item)
    for level in (Level.ITEM, Level.NESTED, Level.LINE, Level.CODE):
        chosen = latest(level, enough) if chosen is None else chosen
    if chosen is None:
        ends = [offset for offset, _, is_sentence in gaps[: last_gap + 1] if is_sentence and offset >= enough]
        chosen = ends[-1] if ends else limit
    by_offset = {lines[index].start: lines[index] for index in fitting} | {offset: line for offset, line, _ in gaps}
    if chosen != limit and not at(chosen, by_offset[chosen]):
        chosen = limit
    return cuts[chosen]


def _gaps(
    lines: list[Line], opener: int, uncut: list[tuple[int, int]], marked: list[tuple[int, int]]
) -> list[tuple[int, Line, bool]]:
    """Return where words start in these lines: offset, line, and whether a sentence starts there."""
    gaps = []
    for line in lines:
        starts = set(sentences(line.text))
        for column in sorted(starts.union(words(line.text))):
            offset = line.start + column
            if offset > opener and (line.is_code or not (_inside(uncut, offset) or _inside(marked, offset))):
                gaps.append((offset, line, column in starts))
    return gaps


def _between_characters(window: _Window, lines: list[Line], fits: Fits) -> _Cut | None:
    """Cut what has no better place: a giant word, link or line of code. None if nothing fits beside the opener."""
    text = window.text
    starts = [line.start for line in lines]

    def at(offset: int) -> _Cut:
        return _cut(window, offset, lines[bisect_right(starts, offset) - 1])

    low, high = window.opener, len(text) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(at(middle).part) else (low, middle)
    while low > window.opener and not is_boundary(text, low):
        low -= 1
    for start, end in together(prose(lines)):
        if window.opener < start < low < end and text[window.opener : start].strip():
            low = start
            break
    while low > window.opener and not text[window.opener : low].strip():
        low -= 1
    if low == window.opener:
        if window.opener:
            return None
        low = 1  # not even one character fits: it goes out alone, or nothing ever would
        while not is_boundary(text, low):
            low += 1
    return at(low)


def _cut(window: _Window, offset: int, line: Line) -> _Cut:
    """Cut the window at an offset of this line: close what is open around it, and say how to open it again."""
    part = window.text[:offset].rstrip()
    indent = window.indent(offset)
    if offset == line.start:
        if line.reopening is None:
            return _Cut(part, offset, "", indent + line.indent)
        if line.reopening.closer:
            part = f"{window.text[:offset].rstrip(_NEWLINES)}\n{line.reopening.closer}"
        return _Cut(part, offset, line.reopening.opener, indent + line.indent)
    if line.reopening is not None and line.reopening.closer:
        part = f"{window.text[:offset].rstrip(_NEWLINES)}\n{line.reopening.closer}"
        return _Cut(part, offset, line.reopening.opener + line.quote, indent + line.indent)
    if line.is_code:
        return _Cut(part, offset, "    ", indent)
    return _Cut(part, offset, line.quote, indent + content_indent(line))


def _inside(spans: list[tuple[int, int]], offset: int) -> bool:
    """Tell whether an offset falls inside one of the spans, which are in order."""
    index = bisect_left(spans, (offset, 0)) - 1
    return index >= 0 and spans[index][0] < offset < spans[index][1]


def _last_fitting(items: list[_T], is_fitting: Callable[[_T], bool]) -> int:
    """Return the index of the last item that fits, if those that fit come first; -1 if none does."""
    low, high = -1, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_fitting(items[middle]) else (low, middle)
    return low
