"""Lays out the blocks of a Markdown text as lines of chat: paragraphs, lists, quotes, code, tables.

Spacing, nesting and numbering are the same for every platform and live here; how each writes a block is a `Style`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from markdown_it.token import Token

from adapters.markdown import TASK_BOX, parse
from bot.numbering import Count

RULE = "─" * 12
BOXES = {" ": "☐", "x": "☑"}
"""How a task's state is shown where a platform has no task lists."""


class Style(Protocol):
    """How a platform writes the pieces of a text. All results are lines without newlines, or text with them."""

    @property
    def heading_room(self) -> bool: ...

    def paragraph(self, children: list[Token]) -> str: ...

    def heading(self, children: list[Token], level: int, *, nested: bool) -> str: ...

    def code(self, content: str, language: str) -> list[str]: ...

    def html(self, content: str) -> str: ...

    def table(self, tokens: list[Token]) -> list[str]: ...

    def bullet(self, depth: int) -> str: ...

    def number(self, number: str, mark: str, *, jumps: bool) -> str: ...

    def indent(self, marker: str) -> str: ...

    def quote(self, depth: int, *, code: bool) -> str: ...


@dataclass(slots=True)
class _Item:
    """An open list item: what its first line starts with, and what the others are indented by."""

    source: Token
    marker: str
    indent: str
    started: bool = False


@dataclass(frozen=True, slots=True)
class Laid:
    """A stretch of a text as it is laid out, and what the line between it and the next one depends on.

    `opens_close`, `ends_close`: whether there is room before and behind it as it is (None: there is nothing in it).
    `opens_in`, `ends_in`: in how many quotes its first and its last block stand.
    """

    text: str
    opens_close: bool | None
    opens_in: int
    ends_close: bool
    ends_in: int


@dataclass(slots=True)
class _Layout:
    style: Style
    lines: list[str] = field(default_factory=list)
    quotes: int = 0
    numbers: list[Count | None] = field(default_factory=list)
    items: list[_Item] = field(default_factory=list)
    source_end: int = 0
    last_quotes: int = 0
    after_heading: bool = False
    after_code: bool = False
    opens_close: bool | None = None
    opens_in: int = 0

    def container(self, token: Token) -> None:
        match token.type:
            case "blockquote_open":
                self.quotes += 1
            case "blockquote_close":
                self.quotes -= 1
            case "bullet_list_open":
                self.numbers.append(None)
            case "ordered_list_open":
                self.numbers.append(Count())
            case "bullet_list_close" | "ordered_list_close":
                self.numbers.pop()
            case "list_item_open":
                self.items.append(self._item(token))
            case "list_item_close":
                if not self.items[-1].started:
                    self.write(self.items[-1].source, [""])
                self.items.pop()
            case _:
                pass

    def _item(self, token: Token) -> _Item:
        count = self.numbers[-1]
        outer = self.items[-1].indent if self.items else ""
        if count is None:
            marker = self.style.bullet(len(self.numbers))
        else:
            number = f"{count.next(int(token.info))}"
            marker = self.style.number(number, token.markup or ".", jumps=count.jumped)
        return _Item(token, outer + marker, outer + self.style.indent(marker))

    def paragraph(self, token: Token, inline: Token) -> None:
        children = inline.children or []
        if len(children) == 1 and children[0].type == "math" and children[0].markup == "block":
            self.code(token, children[0].content, "")
        elif token.type == "heading_open":
            text = self.style.heading(children, int(token.tag[1:]), nested=bool(self.items))
            if text:
                self.after_heading |= self.style.heading_room and text.startswith("#")
                self.write(token, text.split("\n"))
                self.after_heading = True
        elif text := self.style.paragraph(children):
            self.write(token, text.split("\n"))

    def code(self, token: Token, content: str, language: str) -> None:
        if self.items and not self.items[-1].started:
            self.write(token, [""])  # the fence must not share a line with the bullet
        self.write(token, self.style.code(content.removesuffix("\n"), language), code=True)

    def write(self, token: Token, lines: list[str], *, code: bool = False) -> None:
        """Add a block's lines, with an empty one before it where the source has one. Code gets no indent.

        Around code there is none: every platform leaves room there.
        """
        if self.opens_close is None:
            self.opens_close, self.opens_in = code or self.after_heading, self.quotes
        start, end = token.map or (self.source_end, self.source_end)
        beside_code = code or self.after_code
        self.after_code = code
        if self.lines and start > self.source_end and not (self.after_heading or beside_code):
            shared = min(self.quotes, self.last_quotes)
            self.lines.append(self.style.quote(shared, code=False).rstrip() if shared else "")
        self.after_heading = False
        self.source_end = max(end, self.source_end)
        self.last_quotes = self.quotes
        quote = self.style.quote(self.quotes, code=code) if self.quotes else ""
        for line in lines:
            self.lines.append(quote + line if code else f"{quote}{self._lead()}{line}".rstrip(" "))

    def _lead(self) -> str:
        if not self.items:
            return ""
        item = self.items[-1]
        if item.started:
            return item.indent
        item.started = True
        for outer in self.items[:-1]:
            if not outer.started:
                outer.started = True
                return outer.marker + item.marker.removeprefix(outer.indent)
        return item.marker


def join(stretches: Iterable[Laid], style: Style) -> str:
    """Put the stretches of a text below each other; the source has an empty line between them."""
    pieces: list[str] = []
    before: Laid | None = None
    for laid in stretches:
        if laid.opens_close is None:
            continue
        if before is not None:
            shared = min(before.ends_in, laid.opens_in)
            close = before.ends_close or laid.opens_close
            pieces.append("\n" if close else f"\n{style.quote(shared, code=False).rstrip() if shared else ''}\n")
        pieces.append(laid.text)
        before = laid
    return "".join(pieces).strip("\n")


def lay_out(markdown: str, style: Style) -> Laid:
    """Write a stretch of a text, or all of it, in a platform's style."""
    layout = _Layout(style)
    table: list[Token] = []
    for token, inline in _with_inline(parse(markdown)):
        if table or token.type == "table_open":
            table.append(token)
            if token.type == "table_close":
                layout.write(table[0], style.table(table), code=True)
                table = []
        elif token.type in {"paragraph_open", "heading_open"} and inline is not None:
            layout.paragraph(token, inline)
        elif token.type in {"fence", "code_block", "math_block"}:
            layout.code(token, token.content, language_of(token))
        elif token.type == "html_block":
            layout.write(token, style.html(token.content.rstrip("\n")).split("\n"))
        elif token.type == "hr":
            layout.write(token, [RULE])
        else:
            layout.container(token)
    return Laid(
        "\n".join(layout.lines),
        layout.opens_close,
        layout.opens_in,
        layout.after_heading or layout.after_code or layout.source_end >= markdown.count("\n"),
        layout.last_quotes,
    )


def _with_inline(tokens: list[Token]) -> Iterator[tuple[Token, Token | None]]:
    """Pair each opening token with the inline token that follows it, if one does."""
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        yield token, following if following is not None and following.type == "inline" else None


def language_of(token: Token) -> str:
    """The language a fence names, as far as it is a name; empty where it names none."""
    words = token.info.split(maxsplit=1)
    return re.sub(r"[^\w+#.-]", "", words[0]) if words else ""


def without_task_box(children: list[Token]) -> tuple[str | None, list[Token]]:
    """Return a task's state (`"x"`, `" "`, or None if this is no task) and the children without its box."""
    box = TASK_BOX.match(children[0].content) if children and children[0].type == "text" else None
    if not box:
        return None, children
    return box[1].lower(), [children[0].copy(content=children[0].content[box.end() :]), *children[1:]]
