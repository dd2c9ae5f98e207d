"""Reads the blocks of a Markdown text line by line: how well it could be cut before each, and what each stands in.

Structure only: what belongs together within a line is in `spans`, which place is taken is decided in `splitting`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.stretches import settled_length, stretches


def _block_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


_PARSER = _block_parser()


def parse_blocks(markdown: str) -> list[Token]:
    """markdown-it's tokens of the blocks of a text, what stands within lines unread."""
    return _PARSER.parse(markdown)


def stretches_of(markdown: str) -> list[str]:
    """The stretches of a text whose blocks are found without the others: see `stretches`."""
    return stretches(markdown, _settled)


@lru_cache(maxsize=256)
def _settled(window: str) -> int:
    """Remembered, because the head of a growing text is taken apart again and again; a window has about 1,000
    characters. So do 30 answers of 8,000 characters grow side by side."""
    return settled_length(window, parse_blocks(window))


_LIST_ITEM = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])(?:[ \t]{1,4}|$))+")
_QUOTE = re.compile(r"[ \t]*(?:>[ ]?)+")


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


@lru_cache(maxsize=64)
def read_lines(markdown: str) -> tuple[Line, ...]:
    """Return the lines of a text (newlines are U+000A alone) with what is known of each. They are shared: do not change
    them. Remembered, because a growing text is cut at the same places again and again.
    """
    lines: list[Line] = []
    start = 0
    for text in markdown.split("\n"):
        quote = _QUOTE.match(text)
        lines.append(Line(start, text, quote=quote[0].lstrip() if quote else ""))
        start += len(text) + 1
    _Reader(lines).read(parse_blocks(markdown))
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class OpenFence:
    """A fence that the end of a text leaves open: its line's number, and what would close it."""

    line: int
    closer: str


def open_fence(markdown: str) -> OpenFence | None:
    """Return the fenced block that is still open at the end of the text."""
    if "```" not in markdown and "~~~" not in markdown:
        return None
    *head, tail = stretches_of(markdown)
    lines = tail.rstrip("\n").split("\n")
    fences = [token for token in parse_blocks(tail) if token.type == "fence"]
    if not fences or fences[-1].map is None or fences[-1].map[1] < len(lines):
        return None
    start, end = fences[-1].map
    if end - 1 > start and end <= len(lines) and closes(lines[end - 1], fences[-1].markup):
        return None
    before = lines[start].partition(fences[-1].markup)[0]
    return OpenFence(
        sum(stretch.count("\n") for stretch in head) + start, re.sub(r"[^>\s]", " ", before) + fences[-1].markup
    )


def content_indent(line: Line) -> int:
    """Return the column at which the content of a line starts, behind the marker of a list item."""
    if line.item >= 0 and not line.is_code and (marker := _LIST_ITEM.match(line.text)):
        return marker.end()
    return line.indent


def prose(lines: Sequence[Line]) -> str:
    """Return the text with its code blocks blanked out, each character where it was."""
    return "\n".join(" " * len(line.text) if line.is_code or line.is_fence else line.text for line in lines)
