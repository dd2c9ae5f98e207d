"""Turns Markdown as models write it into mrkdwn, Slack's older notation: for texts of notifications, sections, files.

What mrkdwn lacks is written another way: a table as aligned columns, a task as a box, deep lists by their bullets.
`mrkdwn_inline` has what stands within a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar

from markdown_it.token import Token

from adapters.blocks import BOXES, Laid, join, lay_out, without_task_box
from adapters.markdown import stretches_of
from adapters.slack.mrkdwn_inline import ZERO_WIDTH_SPACE, defuse, escape, render_inline
from adapters.tables import aligned, records

__all__ = ["TEXT_LIMIT", "as_mrkdwn", "escape", "length"]

TEXT_LIMIT = 3_900
"""Characters of mrkdwn that we let a message have. Slack takes 4,000 (documented for chat.update; chat.postMessage was
seen to answer `msg_too_long` near it)."""

_BULLETS = "•◦▪"
_INDENT = "    "
_NO_MENTIONS: Mapping[str, str] = MappingProxyType({})


def as_mrkdwn(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> str:
    """Write `markdown` as mrkdwn; `mentions` maps display names to the user ids that `@Name` may become.

    Never raises; never pings anyone else.
    """
    return _render(markdown, tuple(mentions.items()))


def length(text: str) -> int:
    """The length of a text in UTF-16 units, the widest of the ways Slack may count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@lru_cache(maxsize=128)
def _render(markdown: str, mentions: tuple[tuple[str, str], ...]) -> str:
    *head, tail = stretches_of(markdown)
    laid = [*(_kept(stretch, mentions) for stretch in head), _laid(tail, mentions)]
    text = join(laid, _Mrkdwn(dict(mentions)))
    if not text.strip():
        text = escape(markdown.strip())  # link definitions alone: better shown than an empty message
    return defuse(text)  # here again: pieces that were harmless alone now stand side by side


def _laid(markdown: str, mentions: tuple[tuple[str, str], ...]) -> Laid:
    return lay_out(markdown, _Mrkdwn(dict(mentions)))


@lru_cache(maxsize=256)
def _kept(stretch: str, mentions: tuple[tuple[str, str], ...]) -> Laid:
    """The same of what stays as it is while a text grows: remembered, unlike what does not."""
    return _laid(stretch, mentions)


@dataclass(frozen=True, slots=True)
class _Mrkdwn:
    """Slack's mrkdwn, as a style for `lay_out`."""

    mentions: Mapping[str, str]
    heading_room: ClassVar[bool] = False

    def paragraph(self, children: list[Token]) -> str:
        state, children = without_task_box(children)
        box = f"{BOXES[state]} " if state else ""
        return box + render_inline(children, self.mentions)

    def heading(self, children: list[Token], level: int, *, nested: bool) -> str:
        return render_inline(children, self.mentions, bold=True)

    def code(self, content: str, language: str) -> list[str]:
        body = escape(content, quotes=False).replace("```", f"``{ZERO_WIDTH_SPACE}`")
        return ["```", *body.split("\n"), "```"]

    def html(self, content: str) -> str:
        return escape(content)

    def table(self, tokens: list[Token]) -> list[str]:
        lines = aligned(tokens)
        if lines is not None:
            return self.code("\n".join(lines), "")
        return records(tokens, lambda cell: render_inline(cell, self.mentions, one_line=True), ("• ", f"{_INDENT}◦ "))

    def bullet(self, depth: int) -> str:
        return f"{_BULLETS[(depth - 1) % len(_BULLETS)]} "

    def number(self, number: str, mark: str, *, jumps: bool) -> str:
        return f"{number}{mark} "

    def indent(self, marker: str) -> str:
        return _INDENT

    def quote(self, depth: int, *, code: bool) -> str:
        return "" if code else "> " + "&gt; " * (depth - 1)  # within code a quote mark would be shown
