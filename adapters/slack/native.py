"""Markdown as models write it → the Markdown that Slack's `markdown` block renders.

Written anew from tokens rather than passed on, in the forms Slack names and no others, so that HTML, LaTeX, bold within
words and the other things models write come out as they were meant. `native_inline` has what stands within a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it.token import Token

from adapters.blocks import language_of, without_task_box
from adapters.markdown import parse, plain_text, stretches_of
from adapters.slack.native_inline import escape, harmless, in_cell, render_inline
from adapters.tables import records, rows_of, sides_of
from bot.numbering import Count

_LONGEST_HEADING = 150
"""Characters of a header block, which Slack makes of a heading; longer ones are written bold:
https://docs.slack.dev/reference/block-kit/blocks/header-block"""

_DEEPEST_HEADING = 3
_WIDEST_TABLE = 20
"""Columns of a table block, which Slack makes of a table: https://docs.slack.dev/reference/block-kit/blocks/table-block"""

_BACKTICKS = re.compile(r"`{3,}")
_DELIMITERS = {"left": ":---", "right": "---:", "center": ":---:"}


Mentions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Native:
    """A text for a `markdown` block, and what Slack counts of its tables: characters in cells, rows of the longest."""

    text: str
    cells: int = 0
    rows: int = 0


@lru_cache(maxsize=64)
def as_native(markdown: str, mentions: Mentions = ()) -> Native:
    """Write `markdown` for a `markdown` block; `mentions` pairs display names with the user ids `@Name` may become.

    Never raises; never pings anyone else. Empty only where `markdown` is blank.
    """
    *head, tail = stretches_of(markdown)
    written = [*(_kept(stretch, mentions) for stretch in head), _written(tail, mentions)]
    text = "\n\n".join(each.text for each in written if each.text)
    if not text.strip():
        text = escape(markdown.strip(), at_line_start=True)  # link definitions alone: better shown than nothing
    return Native(text, sum(each.cells for each in written), max(each.rows for each in written))


def _written(markdown: str, mentions: Mentions) -> Native:
    writer = _Writer(parse(markdown), dict(mentions))
    return Native("\n".join(_apart(writer.blocks(None))), writer.cells, writer.rows)


@lru_cache(maxsize=256)
def _kept(stretch: str, mentions: Mentions) -> Native:
    """The same of what stays as it is while a text grows: remembered, unlike what does not."""
    return _written(stretch, mentions)


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of a block, and of which kind it is."""

    kind: str
    lines: list[str]


@dataclass(slots=True)
class _Writer:
    """Walks the tokens once, from `position` on."""

    tokens: list[Token]
    mentions: Mapping[str, str]
    position: int = 0
    containers: list[str] = field(default_factory=list)
    cells: int = 0
    rows: int = 0

    def blocks(self, end: str | None) -> list[_Block]:
        """Write the blocks up to a closing token of this type, and pass it."""
        written: list[_Block] = []
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            self.position += 1
            if token.type == end:
                break
            block = self._block(token, written[-1].kind if written else "")
            if block is not None:
                written.append(block)
        return written

    def _block(self, token: Token, before: str) -> _Block | None:
        match token.type:
            case "paragraph_open":
                return self._paragraph()
            case "heading_open":
                return self._heading(int(token.tag[1:]))
            case "fence" | "code_block" | "math_block":
                return _Block("code", _fence(token.content.removesuffix("\n"), language_of(token)))
            case "html_block":
                lines = [escape(line.strip(), at_line_start=True) for line in token.content.split("\n") if line.strip()]
                return _Block("paragraph", [*(line + "  " for line in lines[:-1]), *lines[-1:]])
            case "hr":
                return _Block("rule", ["***" if "item" in self.containers else "---"])
            case "table_open":
                return self._table()
            case "blockquote_open":
                lines = _apart(self._inside("quote", "blockquote_close"))
                return _Block("quote", [f"> {line}" if line else ">" for line in lines] or [">"])
            case "bullet_list_open":
                marker = "* " if before == "bullets-" else "- "
                return _Block(f"bullets{marker[0]}", self._items("bullet_list_close", marker, None))
            case "ordered_list_open":
                marker = ") " if before.endswith(".") else ". "
                lines = self._items("ordered_list_close", marker, Count())
                return _Block("numbers from 1." if lines[0].startswith("1.") else f"numbers{marker[0]}", lines)
            case _:
                return None

    def _inside(self, container: str, end: str) -> list[_Block]:
        self.containers.append(container)
        written = self.blocks(end)
        self.containers.pop()
        return written

    def _inline(self) -> list[Token]:
        """Take the inline tokens of the block that was just opened, and pass its end."""
        children = self.tokens[self.position].children or []
        self.position += 2
        return children

    def _paragraph(self) -> _Block | None:
        is_first = self.position >= 2 and self.tokens[self.position - 2].type == "list_item_open"
        children = self._inline()
        if len(children) == 1 and children[0].type == "math" and children[0].markup == "block":
            return _Block("code", _fence(children[0].content, ""))
        state, children = without_task_box(children) if is_first else (None, children)
        text = render_inline(children, self.mentions)
        if state is not None:
            text = f"[{state}] {text}"
        return _Block("paragraph", text.split("\n")) if text.strip() else None

    def _heading(self, level: int) -> _Block | None:
        children = [token for token in self._inline() if token.type not in {"strong_open", "strong_close"}]
        words = plain_text(children)
        has_link = any(token.type in {"link_open", "image", "bare_url"} for token in children)
        if not words.strip():
            return None
        if self.containers or has_link or level > _DEEPEST_HEADING or len(words) > _LONGEST_HEADING:
            return _Block("paragraph", [render_inline(children, self.mentions, one_line=True, bold=True)])
        text = render_inline(children, self.mentions, one_line=True)
        return _Block("heading", [f"{'#' * level} {text[:-1]}\\#" if text.endswith("#") else f"{'#' * level} {text}"])

    def _items(self, end: str, marker: str, count: Count | None) -> list[str]:
        """Write the items of a list, close together: Slack shows no space between them, and may part a list at one.

        Where the numbers jump another list begins: Slack counts for itself from the first on.
        """
        lines: list[str] = []
        while self.tokens[self.position].type != end:
            mark = marker
            if count is not None:
                number = count.next(int(self.tokens[self.position].info))
                if count.jumped:
                    marker = ". " if marker == ") " else ") "
                    lines.append("")
                mark = f"{number}{marker}"
            self.position += 1
            inner = _close_together(self._inside("item", "list_item_close")) or [""]
            indent = " " * len(mark)
            lines.append(mark + inner[0] if inner[0] else mark.rstrip())
            lines += [indent + line if line else "" for line in inner[1:]]
        self.position += 1
        return lines

    def _table(self) -> _Block:
        start = self.position - 1
        while self.tokens[self.position].type != "table_close":
            self.position += 1
        self.position += 1
        table = self.tokens[start : self.position]
        rows = rows_of(table)
        if len(rows[0]) > _WIDEST_TABLE:
            return _Block(
                "bullets-", records(table, self._cell, ("- ", "  - ")) or [self._cell(rows[0][0].children or [])]
            )
        written = [[in_cell(self._cell(cell.children or [])) for cell in row] for row in rows]
        self.cells += sum(max(1, len(cell)) for row in written for cell in row)
        self.rows = max(self.rows, len(rows))
        delimiter = [_DELIMITERS.get(side, "---") for side in sides_of(table)]
        return _Block("table", [f"| {' | '.join(row)} |" for row in [written[0], delimiter, *written[1:]]])

    def _cell(self, children: list[Token]) -> str:
        return render_inline(children, self.mentions, one_line=True)


def _fence(content: str, language: str) -> list[str]:
    ticks = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(content)), default=2))
    return [ticks + language, *harmless(content).split("\n"), ticks]


def _apart(blocks: list[_Block]) -> list[str]:
    """Put blocks below each other with an empty line between them."""
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block.lines] if lines else block.lines
    return lines


def _close_together(blocks: list[_Block]) -> list[str]:
    """Put the blocks of a list item below each other, with an empty line only where one would run into the other."""
    lines: list[str] = []
    before = ""
    for block in blocks:
        follows_at_once = before in {"paragraph", "code"} and block.kind in {"code", "bullets-", "numbers from 1."}
        lines += block.lines if not lines or follows_at_once else ["", *block.lines]
        before = block.kind
    return lines
