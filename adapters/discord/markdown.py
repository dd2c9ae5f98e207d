"""Turns Markdown as models write it into Discord's, and Discord's messages into Markdown with people named.

Discord knows most of Markdown: what it lacks (tables, deep headings, rules, task lists) is written another way.
`inline` has what stands within a line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType

from markdown_it.token import Token
from rich.cells import cell_len

from adapters.blocks import lay_out, without_task_box
from adapters.discord.inline import ZERO_WIDTH_SPACE, allow_mentions, defuse, escape, render_inline, without_marks
from adapters.markdown import parse, plain_text

__all__ = ["LIMIT", "escape", "fits", "measure", "mentioned_ids", "render", "to_markdown"]

LIMIT = 1_990
"""Characters that `fits` allows; the rest is left for what closes a preview. Discord takes 2,000 and counts code points
(said by Discord in github.com/discord/discord-api-docs/issues/1315)."""

_DEEPEST_HEADING = 3
_WIDEST_TABLE = 92
"""Columns of a monospaced table that a desktop window shows without wrapping; wider ones become lists."""

_BOXES = {" ": "☐", "x": "☑"}
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_CODE = re.compile(r"```.*?(?:```|\Z)|(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_ENTITY = re.compile(
    r"<@!?(?P<user>\d{1,20})>|<@&(?P<role>\d{1,20})>|<#(?P<channel>\d{1,20})>"
    r"|<a?:(?P<emoji>\w{1,64}):\d{1,20}>|</(?P<command>[^:<>\n]{1,100}):\d{1,20}>"
    r"|<t:(?P<moment>-?\d{1,13})(?::[tTdDfFsSR])?>|<id:(?P<place>[a-z-]{1,30})(?::\d{1,20})?>"
)


def render(markdown: str, mentions: Mapping[str, str] = _NO_NAMES) -> str:
    """Write `markdown` for Discord; `mentions` maps display names to the user ids that `@Name` may become.

    The result is at most 2,000 characters if `fits(markdown, mentions)`. Never raises; never pings anyone else.
    """
    return _render(markdown, tuple(mentions.items()))


def measure(markdown: str, mentions: Mapping[str, str] = _NO_NAMES) -> int:
    """Return the length of the rendered form in code points."""
    return len(render(markdown, mentions))


def fits(markdown: str, mentions: Mapping[str, str] = _NO_NAMES) -> bool:
    """Tell whether the rendered form is one Discord message with a little room to spare."""
    return measure(markdown, mentions) <= LIMIT


@lru_cache(maxsize=128)
def _render(markdown: str, mentions: tuple[tuple[str, str], ...]) -> str:
    markdown = without_marks(markdown)
    text = lay_out(parse(markdown), _DiscordMarkdown(dict(mentions)))
    if not text.strip():
        text = escape(markdown.strip())  # link definitions alone: better shown than an empty message
    return allow_mentions(defuse(text))  # here again: pieces that were harmless alone now stand side by side


@dataclass(frozen=True, slots=True)
class _DiscordMarkdown:
    """Discord's Markdown, as a style for `lay_out`."""

    mentions: Mapping[str, str]

    def paragraph(self, children: list[Token]) -> str:
        state, children = without_task_box(children)
        box = f"{_BOXES[state]} " if state else ""
        return box + render_inline(children, self.mentions)

    def heading(self, children: list[Token], level: int, *, nested: bool) -> str:
        if level <= _DEEPEST_HEADING and not nested:
            return f"{'#' * level} {render_inline(children, self.mentions, one_line=True)}".rstrip()
        plain = [token for token in children if token.type not in {"strong_open", "strong_close"}]
        text = render_inline(plain, self.mentions, one_line=True)
        return f"**{text}**" if text else ""

    def code(self, content: str, language: str) -> list[str]:
        body = content.replace("```", f"``{ZERO_WIDTH_SPACE}`")
        return [f"```{language}", *body.split("\n"), "```"]

    def html(self, content: str) -> str:
        return "\n".join(escape(line, at_line_start=True) for line in content.split("\n"))

    def table(self, tokens: list[Token]) -> list[str]:
        rows = _rows(tokens)
        cells = [[" ".join(plain_text(cell.children or []).split()) for cell in row] for row in rows]
        widths = [max(cell_len(row[column]) for row in cells) for column in range(len(cells[0]))]
        has_links = any(
            child.type in {"link_open", "image"} for row in rows for cell in row for child in cell.children or []
        )
        if len(rows) > 1 and (has_links or sum(widths) + 3 * (len(widths) - 1) > _WIDEST_TABLE):
            return self._records(rows)
        sides = [str(token.attrGet("style") or "") for token in tokens if token.type == "th_open"]
        lines = [_table_line(row, widths, sides) for row in cells]
        return self.code("\n".join([lines[0], "─┼─".join("─" * width for width in widths), *lines[1:]]), "")

    def _records(self, rows: list[list[Token]]) -> list[str]:
        """Write a table too wide for a screen, or one with links, as a list: a row's first cell heads the others."""
        header, *body = [
            [render_inline(cell.children or [], self.mentions, one_line=True) for cell in row] for row in rows
        ]
        lines: list[str] = []
        for row in body:
            head = f"{header[0]}: {row[0]}" if header[0] and row[0] else row[0] or header[0]
            lines.append(f"- {head}")
            lines += [f"  - {name}: {cell}" for name, cell in zip(header[1:], row[1:], strict=True) if cell or name]
        return lines

    def bullet(self, depth: int) -> str:
        return "- "

    def indent(self, marker: str) -> str:
        return " " * len(marker)

    def quote(self, depth: int, *, code: bool) -> str:
        return "> " * depth


def _rows(tokens: list[Token]) -> list[list[Token]]:
    """Return the inline tokens of a table's cells, row by row, the header first."""
    rows: list[list[Token]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token)
    return rows


def _table_line(cells: list[str], widths: list[int], sides: list[str]) -> str:
    padded = []
    for cell, width, side in zip(cells, widths, sides, strict=True):
        space = width - cell_len(cell)
        left = space if "right" in side else space // 2 if "center" in side else 0
        padded.append(" " * left + cell + " " * (space - left))
    return " │ ".join(padded).rstrip()


def to_markdown(
    text: str,
    users: Mapping[str, str] = _NO_NAMES,
    roles: Mapping[str, str] = _NO_NAMES,
    channels: Mapping[str, str] = _NO_NAMES,
) -> str:
    """Return a message's content as Markdown with names for ids (the mappings: id → name). Never raises."""

    def name(match: re.Match[str]) -> str:
        match match.lastgroup:
            case "user":
                return "@" + (users.get(match["user"]) or "someone")
            case "role":
                return "@" + (roles.get(match["role"]) or "role")
            case "channel":
                return "#" + (channels.get(match["channel"]) or "channel")
            case "emoji":
                return f":{match['emoji']}:"
            case "moment":
                return _moment(int(match["moment"]))
            case "place":
                return f"#{match['place']}"
            case _:
                return f"/{match['command']}"

    return _ENTITY.sub(name, text)


def _moment(seconds: int) -> str:
    """A timestamp, which Discord shows everybody in their own time zone."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return "some time"


def mentioned_ids(text: str) -> tuple[str, ...]:
    """Return the ids of the users mentioned in a message's content, in order, each once; code is left out."""
    found = (match["user"] for match in _ENTITY.finditer(_CODE.sub(" ", text)))
    return tuple(dict.fromkeys(user for user in found if user))
