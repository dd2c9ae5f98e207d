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
from typing import ClassVar

from markdown_it.token import Token

from adapters.blocks import BOXES, Laid, join, lay_out, without_task_box
from adapters.discord.inline import ZERO_WIDTH_SPACE, allow_mentions, defuse, escape, render_inline, without_marks
from adapters.markdown import stretches_of
from adapters.tables import aligned, records

__all__ = ["LIMIT", "escape", "fits", "measure", "mentioned_ids", "render", "to_markdown"]

LIMIT = 1_990
"""Characters that `fits` allows; the rest is left for what closes a preview. Discord takes 2,000 and counts code points
(said by Discord in github.com/discord/discord-api-docs/issues/1315)."""

_DEEPEST_HEADING = 3
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
    *head, tail = stretches_of(markdown)
    text = join(
        [*(_kept(stretch, mentions) for stretch in head), _laid(tail, mentions)], _DiscordMarkdown(dict(mentions))
    )
    if not text.strip():
        text = escape(markdown.strip())  # link definitions alone: better shown than an empty message
    return allow_mentions(defuse(text))  # here again: pieces that were harmless alone now stand side by side


def _laid(markdown: str, mentions: tuple[tuple[str, str], ...]) -> Laid:
    return lay_out(markdown, _DiscordMarkdown(dict(mentions)))


@lru_cache(maxsize=256)
def _kept(stretch: str, mentions: tuple[tuple[str, str], ...]) -> Laid:
    """The same of what stays as it is while a text grows: remembered, unlike what does not."""
    return _laid(stretch, mentions)


@dataclass(frozen=True, slots=True)
class _DiscordMarkdown:
    """Discord's Markdown, as a style for `lay_out`."""

    mentions: Mapping[str, str]
    heading_room: ClassVar[bool] = True

    def paragraph(self, children: list[Token]) -> str:
        state, children = without_task_box(children)
        box = f"{BOXES[state]} " if state else ""
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
        lines = aligned(tokens)
        if lines is not None:
            return self.code("\n".join(lines), "")
        return records(tokens, lambda cell: render_inline(cell, self.mentions, one_line=True), ("- ", "  - "))

    def bullet(self, depth: int) -> str:
        return "- "

    def number(self, number: str, mark: str, *, jumps: bool) -> str:
        return f"{number}\\{mark} " if jumps else f"{number}{mark} "  # Discord counts for itself from the first on

    def indent(self, marker: str) -> str:
        return " " * len(marker)

    def quote(self, depth: int, *, code: bool) -> str:
        return "> " * depth


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
