"""Cuts a Markdown text into messages: at paragraphs first, then list items and lines, sentences, words.

What is cut stays readable: a fenced block is closed and opened again with its language, a table's header is repeated,
a numbered list goes on with its number. A cut depends on a bounded stretch of text alone, so it can be made while the
text still grows and never moves afterwards. The platforms' sizes are not known here: the caller says what fits.

Parts carry no numbers like (2/3). They would be needed where parts can come apart or out of order, and here they can't:
each is posted once the one before it stands, by one author, and both platforms show such messages as one under the
other. How many there will be is not known while the first is read, so numbers would have to change under the reader.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.closing import close_open
from bot.numbering import numbered
from bot.spans import emphasised, is_boundary, sentences, together, words
from bot.structure import Level, Line, content_indent, prose, read_lines
from bot.windows import Rest, Window, skip_blank, window_of

__all__ = ["Fits", "Growing", "close_open", "split", "split_stable"]

Fits = Callable[[str], bool]
"""Tells whether a Markdown text is one message once rendered. A prefix of what fits should fit too; where it does not
(a half-open link is longer than a whole one), the parts still fit, they are only a little shorter."""

_NEWLINES = "\n"
_FIRST_PROBE = 64
_FINE_PROBES = 1_024
_FINE_STEP = 16
_ENOUGH = 0.5
"""A better place to cut is taken if the part is then at least this share of what would fit."""


def split(markdown: str, fits: Fits) -> list[str]:
    """Cut a text into parts that each fit; a blank text has none. Never raises on any text.

    The parts put together are the text, but for white space at the cuts and for what a part closes or opens again
    (fences, table headers, quote marks, the indent of a list item) and the numbers of a list numbered `1. 1. 1.`.
    """
    return Growing(fits).split(markdown)


def split_stable(markdown: str, fits: Fits) -> tuple[list[str], str]:
    """Cut a text that still grows into (finished parts, the growing part).

    Give the whole text so far each time. The finished parts of a text are the first ones of any longer text, in this
    function and in `split`; the growing part fits and may be empty. A cut is decided with a look-ahead of about a
    sixteenth of a part: until then the characters behind the growing part are held back.
    """
    return Growing(fits).split_stable(markdown)


class Growing:
    """One text that grows and is cut again and again: what was measured of it before is not measured anew.

    It may be given any text: only what that has in common with the one before is remembered. Holds that text and its
    finished parts, once each.
    """

    def __init__(self, fits: Fits) -> None:
        self._fits = fits
        self._text = ""
        self._finished: list[_Finished] = []
        self._probed = _Probed(Rest(-1))

    def split(self, markdown: str) -> list[str]:
        """What `split` makes of it."""
        return [part for part, _ in self._parts(markdown)]

    def split_stable(self, markdown: str) -> tuple[list[str], str]:
        """What `split_stable` makes of it."""
        finished: list[str] = []
        for part, is_final in self._parts(markdown):
            if not is_final:
                return finished, part
            finished.append(part)
        return finished, ""

    def _parts(self, markdown: str) -> Iterator[tuple[str, bool]]:
        """Yield each part with whether it is final: no text that may follow could change it."""
        text = numbered(markdown.replace("\r\n", "\n").replace("\r", "\n"))
        if not text.startswith(self._text):
            self._finished.clear()
            self._probed = _Probed(Rest(-1))
        self._text = text
        rest = skip_blank(text, Rest(0))
        for finished in self._finished:
            yield finished.part, True
            rest = skip_blank(text, finished.rest)
        final = True
        while rest.position < len(text):
            probed = self._probed if self._probed.rest == rest else _Probed(rest)
            if final:
                self._probed = probed
            overflow = _overflow(text, probed, self._fits)
            if overflow is None:
                yield window_of(text, rest, len(text)).text.rstrip(), False
                return
            window = overflow.window
            final = final and overflow.is_decided
            lines = read_lines(window.text)
            cut = _between_words(overflow, lines, self._fits) or _between_characters(window, lines, self._fits)
            if cut is None:
                rest = Rest(rest.position, "", rest.indent)  # no room beside the fence or header: go on without it
                continue
            following = Rest(window.source(cut.offset), cut.opener, cut.indent)
            if final:
                self._finished.append(_Finished(cut.part, following))
            yield cut.part, final
            rest = skip_blank(text, following)


@dataclass(frozen=True, slots=True)
class _Finished:
    """A part that no longer changes, and what is left behind it."""

    part: str
    rest: Rest


@dataclass(slots=True)
class _Probed:
    """How much of a rest is known to fit: the length to be tried next, and that of the window that fitted last."""

    rest: Rest
    length: int = _FIRST_PROBE
    known: int = 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place to cut a window: what the part before it is, and with what the next one opens."""

    part: str
    offset: int
    opener: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class _Overflow:
    """A window that is too long, but fits up to the offset `known`. More text would change it unless `is_decided`."""

    window: Window
    known: int
    is_decided: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a window where it may be cut: at the start of its line or within it."""

    offset: int
    line: Line
    is_sentence: bool = False


def _overflow(text: str, probed: _Probed, fits: Fits) -> _Overflow | None:
    """Find a stretch of the rest that is too long for a part; None if all of it fits. Goes on from what was probed.

    The lengths tried do not depend on how much text there is: that is what makes a cut final.
    """
    rest = probed.rest
    available = len(text) - rest.position
    while probed.length <= available:
        window = window_of(text, rest, probed.length)
        if not fits(window.text):
            return _Overflow(window, probed.known, is_decided=True)
        probed.known = len(window.text)
        probed.length += probed.length if probed.length < _FINE_PROBES else probed.length // _FINE_STEP
    window = window_of(text, rest, available)
    return None if fits(window.text.rstrip()) else _Overflow(window, probed.known, is_decided=False)


def _between_words(overflow: _Overflow, lines: Sequence[Line], fits: Fits) -> _Cut | None:
    """Choose the best place between blocks, items, lines, sentences or words; None if no such place fits."""
    window = overflow.window
    text = prose(lines)
    uncut = together(text)

    def fitting_cut(place: _Place) -> _Cut | None:
        cut = _cut(window, place.offset, place.line)
        return cut if cut.part[window.opener :].strip() and fits(cut.part) else None

    def seems_fitting(place: _Place) -> bool:
        return place.offset <= overflow.known or fitting_cut(place) is not None

    starts = [
        _Place(line.start, line)
        for line in lines
        if line.level < Level.NEVER and line.start > window.opener and not _inside(uncut, line.start)
    ]
    fitting = starts[: _count_fitting(starts, seems_fitting)]
    first = fitting[-1].offset if fitting else 0
    beyond = starts[len(fitting)].offset if len(fitting) < len(starts) else len(window.text) + 1
    between = [line for line in lines if first <= line.start < beyond]
    gaps = _gaps(between, window.opener, uncut, emphasised(text))
    gaps = gaps[: _count_fitting(gaps, seems_fitting)]
    by_likeness = sorted([*fitting, *gaps], key=lambda place: -place.offset)
    if by_likeness:
        by_likeness.insert(0, _best(window, lines, fitting, gaps, fits))
    return next(filter(None, map(fitting_cut, by_likeness)), None)


def _best(window: Window, lines: Sequence[Line], fitting: list[_Place], gaps: list[_Place], fits: Fits) -> _Place:
    """Choose among the places that fit: a block's or item's start if the part is then not too short, else the last."""
    last = (gaps or fitting)[-1]
    enough = window.opener + (last.offset - window.opener) * _ENOUGH

    def latest(level: Level, least: float) -> _Place | None:
        found = (place for place in reversed(fitting) if place.line.level <= level and place.offset >= least)
        return next(found, None)

    item = lines[bisect_right([line.start for line in lines], last.offset) - 1].item
    chosen = latest(Level.BLOCK, enough)
    if chosen is None and window.opener < item <= last.offset and fits(window.text[item:]):
        chosen = latest(Level.ITEM, item)  # it may go whole into the next part
    for level in (Level.ITEM, Level.NESTED, Level.LINE, Level.CODE):
        chosen = chosen or latest(level, enough)
    ends = [gap for gap in gaps if gap.is_sentence and gap.offset >= enough]
    return chosen or (ends[-1] if ends else last)


def _gaps(
    lines: Sequence[Line], opener: int, uncut: Sequence[tuple[int, int]], marked: Sequence[tuple[int, int]]
) -> list[_Place]:
    """Return where words start in these lines."""
    gaps = []
    for line in lines:
        starts = set(sentences(line.text))
        for column in sorted(starts.union(words(line.text))):
            offset = line.start + column
            if offset > opener and (line.is_code or not (_inside(uncut, offset) or _inside(marked, offset))):
                gaps.append(_Place(offset, line, is_sentence=column in starts))
    return gaps


def _between_characters(window: Window, lines: Sequence[Line], fits: Fits) -> _Cut | None:
    """Cut what has no better place: a giant word, link or line of code. None if nothing fits beside the opener."""
    text = window.text
    starts = [line.start for line in lines]

    def at(offset: int) -> _Cut:
        return _cut(window, offset, lines[bisect_right(starts, offset) - 1])

    low, high = window.opener, len(text) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(at(middle).part) else (low, middle)
    while low > window.opener:
        low = _between_graphemes(window, low, together(prose(lines)))
        if low > window.opener and fits(at(low).part):
            return at(low)
        low -= 1 + (low - window.opener) // _FINE_STEP
    if window.opener:
        return None
    low = 1  # not even one character fits: it goes out alone, or nothing ever would
    while not is_boundary(text, low):
        low += 1
    return at(low)


def _between_graphemes(window: Window, offset: int, uncut: Sequence[tuple[int, int]]) -> int:
    """Go back from an offset to where neither a character nor, if anything stands before it, a link is cut."""
    while offset > window.opener and not is_boundary(window.text, offset):
        offset -= 1
    for start, end in uncut:
        if start < offset < end and window.text[window.opener : start].strip():
            offset = start
    return offset if window.text[window.opener : offset].strip() else window.opener


def _cut(window: Window, offset: int, line: Line) -> _Cut:
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


def _inside(spans: Sequence[tuple[int, int]], offset: int) -> bool:
    """Tell whether an offset falls inside one of the spans, which are in order."""
    index = bisect_left(spans, (offset, 0)) - 1
    return index >= 0 and spans[index][0] < offset < spans[index][1]


def _count_fitting(places: list[_Place], is_fitting: Callable[[_Place], bool]) -> int:
    """Return how many places fit, if those that fit come first."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if is_fitting(places[middle]) else (low, middle)
    return low
