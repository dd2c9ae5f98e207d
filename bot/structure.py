"""Where a Markdown text may be cut: its blocks line by line, and the spans within lines that belong together.

Structure only. Which of the places is taken, and what the next part must open with, is decided in `splitting`.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum

from markdown_it import MarkdownIt
from markdown_it.token import Token


def _block_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


_PARSER = _block_parser()
_LIST_ITEM = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])(?:[ \t]{1,4}|$))+")
_QUOTE = re.compile(r"[ \t]*(?:>[ ]?)+")
_TICKS = re.compile(r"`+")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_LABEL = r"\[(?:[^\[\]\\\n]|\\.|\[[^\[\]\n]{0,200}\]|\n(?!\s*\n)){0,1000}\]"
_TOGETHER = re.compile(
    rf"!?\[!{_LABEL}\([^()\s]*\)\]\([^()\s]*\)"
    rf"|!?{_LABEL}(?:\((?:[^()\s]|\([^()\s]*\))*(?:[ \n][\"'][^\"'\n]*[\"'])?\)|\[[^\[\]\n]{{0,200}}\])?"
    r"|<[A-Za-z][^<>\n]{0,1000}>"
    r"|https?://[^\s<>]+"
    r"|\$\$[^$]{1,1000}\$\$|\\\(.{1,500}?\\\)|\\\[[^\0]{1,1000}?\\\]"
)
_EMPHASIS = re.compile(
    r"(?<![*\w])(\*{1,3})(?=\S)[^*\n]{1,300}?(?<=\S)\1(?!\*)"
    r"|(?<![_\w])(_{1,3})(?=\S)[^_\n]{1,300}?(?<=\S)\2(?![_\w])"
    r"|~~(?=\S)[^~\n]{1,300}?~~"
)
_HALF_TAG = re.compile(r"<[A-Za-z][^<>\s]*$")
_HALF_BOLD = re.compile(r"(?<![^\s(\[])\*\*(?=[^\s*])[^*\n]{1,300}\*?$")
_HALF_WITHIN = 400
"""How many characters before the end of a window something half-open is looked for."""

_SENTENCE_END = re.compile(r"[.!?…:;][\"'”’)\]*_]*[ \t]+(?=[^a-z\s])|[。！？；][”’」』）]*(?=\S)")
_SPACE = re.compile(r"[ \t]+(?=\S)|(?<=[，、：])(?=\S)")
_LOOKS_LIKE_BLOCK = re.compile(
    r"(?:[-*+]|\d{1,9}[.)])(?:\s|$)|#{1,6}(?:\s|$)|>|```|~~~|\||={1,}\s*$|-{1,}\s*$|\[[^\]]+\]:"
)


class Level(IntEnum):
    """How well a text can be cut before a line, best first."""

    BLOCK = 0
    ITEM = 1
    NESTED = 2
    LINE = 3
    CODE = 4
    NEVER = 5


@dataclass(frozen=True, slots=True)
class Reopening:
    """A fence or a table around a line: what closes the part before, and what the part after starts with."""

    opener: str
    closer: str


@dataclass(slots=True)
class Line:
    """One line of the text: where it starts, how well a cut before it is, and what it stands in.

    `indent` is the column where the content of the surrounding list item starts, `item` the offset at which the
    outermost list item around the line starts (-1: none), `quote` the quote marks it starts with.
    """

    start: int
    text: str
    level: Level = Level.NEVER
    indent: int = 0
    item: int = -1
    quote: str = ""
    reopening: Reopening | None = None
    is_code: bool = False
    is_fence: bool = False
    in_table: bool = False


@dataclass(slots=True)
class _Reader:
    """Walks block tokens and notes on each line what it stands in."""

    lines: list[Line]
    containers: list[str] = field(default_factory=list)
    item_start: int = -1
    after_heading: bool = False

    def read(self, tokens: list[Token]) -> None:
        for token in tokens:
            kind = token.type.removesuffix("_open").removesuffix("_close")
            if kind in {"blockquote", "bullet_list", "ordered_list", "list_item"}:
                if token.nesting == 1:
                    self._enter(kind, token)
                else:
                    self.containers.pop()
            elif token.map and token.nesting >= 0 and kind not in {"inline", "thead", "tbody", "tr"}:
                self._leaf(kind, token.map[0], token.map[1])
                if kind == "fence":
                    self._fence(token)

    def _enter(self, kind: str, token: Token) -> None:
        start, end = token.map or (0, 0)
        if kind == "list_item" and "list_item" not in self.containers:
            self.item_start = self.lines[start].start if start < len(self.lines) else -1
            for line in self.lines[start:end]:
                line.item = self.item_start
        if kind != "list_item":
            self._mark(start, self._level())
        elif start < len(self.lines):
            self._mark(start, Level.ITEM if len(self.containers) == 1 else Level.NESTED)
        if kind == "list_item":
            self._indent(start, end)
        self.containers.append(kind)

    def _indent(self, start: int, end: int) -> None:
        """A continuation line of an item is indented as far as it is, its first line as far as its marker goes."""
        for index in range(start, min(end, len(self.lines))):
            line = self.lines[index]
            if not line.quote:
                line.indent = len(line.text) - len(line.text.lstrip(" \t"))

    def _level(self) -> Level:
        return Level.NESTED if self.containers else Level.BLOCK

    def _mark(self, index: int, level: Level) -> None:
        if index < len(self.lines):
            line = self.lines[index]
            line.level = min(line.level, Level.CODE if self.after_heading else level)

    def _leaf(self, kind: str, start: int, end: int) -> None:
        self._mark(start, self._level())
        self.after_heading = kind == "heading"
        inner = self.lines[start + 1 : end]
        match kind:
            case "paragraph":
                for line in inner:
                    line.level = Level.LINE
            case "table":
                header = "".join(f"{line.text}\n" for line in self.lines[start : start + 2])
                for line in self.lines[start + 3 : end]:
                    line.level = Level.LINE
                for line in self.lines[start + 2 : end]:
                    line.reopening = Reopening(header.lstrip(" \t"), "")
                for line in self.lines[start:end]:
                    line.in_table = True
            case "code_block" | "html_block":
                for line in self.lines[start:end]:
                    line.is_code = kind == "code_block"
                    line.indent = 0
                for line in inner:
                    line.level = Level.CODE if line.text.strip() else Level.NEVER
            case _:
                pass

    def _fence(self, token: Token) -> None:
        start, end = token.map or (0, 0)
        opener = self.lines[start].text
        before, mark, info = opener.partition(token.markup)
        lead = re.sub(r"[^>]", " ", before).lstrip(" ") if ">" in before else ""
        closed = end - 1 > start and closes(self.lines[end - 1].text, token.markup)
        self.lines[start].is_fence = True
        reopening = Reopening(f"{lead}{mark}{info}\n", f"{lead}{mark}")
        width = len(before) if ">" not in before else 0
        for index in range(start + 1, min(end, len(self.lines))):
            line = self.lines[index]
            line.is_code = True
            line.indent = min(width, len(line.text) - len(line.text.lstrip(" \t")))
            if closed and index == end - 1:
                continue
            line.reopening = reopening
            if index > start + 1 and line.text.strip(" \t>"):
                blank_before = not self.lines[index - 1].text.strip(" \t>")
                line.level = Level.LINE if blank_before else Level.CODE


def closes(line: str, markup: str) -> bool:
    """Tell whether a line closes the fence that was opened with `markup`."""
    bare = line.strip(" \t>")
    return len(bare) >= len(markup) and not bare.strip(markup[0])


def read_lines(markdown: str) -> list[Line]:
    """Return the lines of a text (newlines are U+000A alone) with what is known of each."""
    lines: list[Line] = []
    start = 0
    for text in markdown.split("\n"):
        quote = _QUOTE.match(text)
        lines.append(Line(start, text, quote=quote[0].lstrip() if quote else ""))
        start += len(text) + 1
    _Reader(lines).read(_PARSER.parse(markdown))
    return lines


@dataclass(frozen=True, slots=True)
class OpenFence:
    """A fence that the end of a text leaves open: its line's number, and what would close it."""

    line: int
    closer: str


def open_fence(markdown: str) -> OpenFence | None:
    """Return the fenced block that is still open at the end of the text."""
    if "```" not in markdown and "~~~" not in markdown:
        return None
    lines = markdown.rstrip("\n").split("\n")
    fences = [token for token in _PARSER.parse(markdown) if token.type == "fence"]
    if not fences or fences[-1].map is None or fences[-1].map[1] < len(lines):
        return None
    start, end = fences[-1].map
    if end - 1 > start and end <= len(lines) and closes(lines[end - 1], fences[-1].markup):
        return None
    before = lines[start].partition(fences[-1].markup)[0]
    return OpenFence(start, re.sub(r"[^>\s]", " ", before) + fences[-1].markup)


def content_indent(line: Line) -> int:
    """Return the column at which the content of a line starts, behind the marker of a list item."""
    if line.item >= 0 and not line.is_code and (marker := _LIST_ITEM.match(line.text)):
        return marker.end()
    return line.indent


def prose(lines: list[Line]) -> str:
    """Return the text with its code blocks blanked out, each character where it was."""
    return "\n".join(" " * len(line.text) if line.is_code or line.is_fence else line.text for line in lines)


def together(markdown: str) -> list[tuple[int, int]]:
    """Return the spans (start, end) of prose that no cut should fall into: links, code, addresses, formulas."""
    code = _code_spans(markdown)
    for start, end in code:
        markdown = f"{markdown[:start]}{'x' * (end - start)}{markdown[end:]}"
    spans = code + [match.span() for match in _TOGETHER.finditer(markdown)]
    half = _half_open(markdown)
    if half is not None:
        spans.append((half, len(markdown)))
    return _merged(spans)


def _half_open(markdown: str) -> int | None:
    """Return where a link, code, bold text or formula starts whose end may lie behind the end of the text."""
    first = max(0, len(markdown) - _HALF_WITHIN)
    line = max(first, markdown.rfind("\n", first) + 1)
    found = [_half_link(markdown, line), markdown.rfind("\\(", line), markdown.rfind("\\[", first)]
    found = [start for start in found if start >= 0 and not _is_closed(markdown, start)]
    found += [match.start() for match in (_HALF_TAG.search(markdown, line), _HALF_BOLD.search(markdown, line)) if match]
    ticks = markdown.find("`", line)
    if ticks >= 0:
        found.append(ticks)
    return min(found, default=None)


def _is_closed(markdown: str, start: int) -> bool:
    closer = {"\\(": "\\)", "\\[": "\\]"}.get(markdown[start : start + 2])
    return closer is not None and closer in markdown[start:]


def _half_link(markdown: str, first: int) -> int:
    """Return where the label of an unfinished link starts, or -1."""
    opened: list[int] = []
    label = -1
    for index in range(first, len(markdown)):
        if markdown[index] == "[":
            opened.append(index)
        elif markdown[index] == "]" and opened:
            label = opened.pop()
    if opened:
        return opened[0] - (markdown[opened[0] - 1 : opened[0]] == "!")
    target = markdown.rfind("](", first)
    if label < 0 or target < 0:
        return -1
    address = markdown[target + 2 :]
    return label if not re.search(r"\s", address) and address.count("(") >= address.count(")") else -1


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _code_spans(markdown: str) -> list[tuple[int, int]]:
    """Return the spans of inline code: from a run of backticks to the next of its length in the same paragraph."""
    spans: list[tuple[int, int]] = []
    start = 0
    for end in [*(match.end() for match in _PARAGRAPH_END.finditer(markdown)), len(markdown)]:
        runs = [match.span() for match in _TICKS.finditer(markdown, start, end)]
        by_length: dict[int, list[int]] = {}
        for index, (first, last) in enumerate(runs):
            by_length.setdefault(last - first, []).append(index)
        index = 0
        while index < len(runs):
            same = by_length[runs[index][1] - runs[index][0]]
            place = bisect_right(same, index)
            if place < len(same):
                spans.append((runs[index][0], runs[same[place]][1]))
                index = same[place]
            index += 1
        start = end
    return spans


def emphasised(markdown: str) -> list[tuple[int, int]]:
    """Return the spans of emphasis: cutting in one shows its marks."""
    return [match.span() for match in _EMPHASIS.finditer(markdown)]


def sentences(line: str) -> list[int]:
    """Return where sentences start in a line, the first left out."""
    return [match.end() for match in _SENTENCE_END.finditer(line) if not _LOOKS_LIKE_BLOCK.match(line, match.end())]


def words(line: str) -> list[int]:
    """Return where words start in a line, the first left out, and so are words that would start a block."""
    return [match.end() for match in _SPACE.finditer(line) if not _LOOKS_LIKE_BLOCK.match(line, match.end())]


def is_boundary(text: str, index: int) -> bool:
    """Tell whether what a reader sees as one character ends at `index` (an approximation of UAX #29)."""
    if not 0 < index < len(text):
        return True
    before, after = text[index - 1], text[index]
    if after.isascii() and before.isascii():
        return not (before == "\r" and after == "\n")
    if "\u200d" in (before, after) or "\udc00" <= after <= "\udfff":
        return False
    if unicodedata.category(after) in {"Mn", "Mc", "Me"} or "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    if "\U000e0020" <= after <= "\U000e007f" or ("\u1160" <= after <= "\u11ff"):
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        start = index
        while start and _is_flag_half(text[start - 1]):
            start -= 1
        return (index - start) % 2 == 0
    return True


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
