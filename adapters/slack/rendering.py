"""A reply as Slack shows it: a `markdown` block, and beside it the text for notifications and screen readers.

Every message of an answer is a block, short or long, while it grows and once it stands: so it never changes its looks,
carries no "(edited)" (https://docs.slack.dev/reference/methods/chat.update), and holds three times as much as mrkdwn.
Tables, headings, task lists and code with its language are the block's own; `markdown_text` shows no tables, and
excludes `blocks` and `text`. Where Slack refuses the block, the same text goes out as mrkdwn (`plain_blocks_of`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from adapters.slack.blockkit import Block, sections
from adapters.slack.mrkdwn import TEXT_LIMIT, as_mrkdwn, length
from adapters.slack.native import as_native
from bot.splitting import split_stable

MARKDOWN_LIMIT = 11_900
"""Characters of Markdown that `fits` allows. All `markdown` blocks of a message may have 12,000 together
(https://docs.slack.dev/reference/block-kit/blocks/markdown-block); the rest is left for what closes a preview."""

MOST_CELLS = 9_900
"""Characters in the cells of all tables of a message; Slack takes 10,000
(https://docs.slack.dev/reference/block-kit/blocks/table-block)."""

MOST_ROWS = 100
"""Rows of a table, its header among them (the same page)."""

CUT = "…"
"""What ends a message's `text` where that is the beginning of what its blocks show."""

_NO_MENTIONS: Mapping[str, str] = MappingProxyType({})
_UNKNOWN = 1 << 30
_HAS_LISTS = re.compile(r"^[^\S\n]*(?:[-*+>]|\d{1,9}[.)])", re.MULTILINE)
_DEEP = re.compile(r"^(?:[^\S\n]*(?:[-*+>]|\d{1,9}[.)])){3}", re.MULTILINE)
_AUTOLINK = re.compile(r"<[^\s<>]+>")
_TABLE = re.compile(r"^[ \t>|]*:?-+:?[ \t]*(?:\||$)", re.MULTILINE)
_DEFINED = re.compile(r"\]:\s*(\S+)")
_FOREIGN_ADDRESS = re.compile(r"(?:\]\(|://|<)(?=\S*[^\x00-\x7f])\S*")


def blocks_of(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> list[Block]:
    """The blocks of one message; `mentions` maps display names to the user ids that `@Name` may become.

    Within Slack's limits if `fits(markdown, mentions)`. None where there is nothing to show. Never raises; nothing in
    them pings anyone else. A `markdown` block has no room for an id: Slack ignores it.
    """
    text = as_native(markdown, tuple(mentions.items())).text
    return [{"type": "markdown", "text": text}] if text.strip() else []


def plain_blocks_of(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> list[Block]:
    """The same as sections of mrkdwn, for a Slack that takes no `markdown` block, or not this one."""
    return sections(markdown, mentions=mentions)


def text_of(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> str:
    """What a notification and a screen reader say: the text as mrkdwn, of a long one the beginning. At most 4,000."""
    whole = as_mrkdwn(markdown, mentions) if len(markdown) <= TEXT_LIMIT else ""
    if whole and length(whole) <= TEXT_LIMIT:
        return whole
    return _beginning(markdown[:TEXT_LIMIT], tuple(mentions.items()))


@lru_cache(maxsize=16)
def _beginning(markdown: str, mentions: tuple[tuple[str, str], ...]) -> str:
    """The beginning of a long text; remembered, because it stays the same while the rest of an answer grows."""
    people = dict(mentions)
    finished, growing = split_stable(markdown, lambda part: length(as_mrkdwn(part, people)) <= TEXT_LIMIT)
    first = finished[0] if finished else growing
    return f"{as_mrkdwn(first, people)}\n{CUT}" if first else ""


def measure(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> int:
    """The length of the block's text in UTF-16 units, the widest of the ways Slack may count."""
    return length(as_native(markdown, tuple(mentions.items())).text)


def fits(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> bool:
    """Tell whether the text is one Slack message, with a little room to spare."""
    if most(markdown, mentions) <= MARKDOWN_LIMIT and not has_table(markdown):
        return True
    native = as_native(markdown, tuple(mentions.items()))
    return length(native.text) <= MARKDOWN_LIMIT and native.cells <= MOST_CELLS and native.rows <= MOST_ROWS


def has_table(markdown: str) -> bool:
    """Whether there may be a table in it."""
    return _TABLE.search(markdown) is not None


def most(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> int:
    """A length that the block's text does not pass, found without rendering it: mostly all one needs to know.

    A huge number stands for texts of which it cannot be told.
    """
    if "](<" in markdown or _DEEP.search(markdown):
        return _UNKNOWN
    count = markdown.count
    grown = 3 * count("*") + 3 * count("_") + 2 * count("~") + 3 * count("`") + count("\\") + 2 * count("<")
    grown += 4 * count("&") + count(">") + count("#") + 2 * count("@") + count("!") + 4 * count("$") + 2 * count("://")
    grown += 6 * count("[") + 2 * count("]") + 2 * count("(") + 2 * count(")") + 6 * count("|") + 8 * count("\t")
    grown += (14 if _HAS_LISTS.search(markdown) else 4) * count("\n") + 3 * count('"') + 2 * count("--")
    if "<" in markdown:
        grown += sum(2 * len(link) + 16 for link in _AUTOLINK.findall(markdown))
    if "]:" in markdown:  # a link's definition may be used by every bracket
        targets = _DEFINED.findall(markdown)
        grown += count("[") * max((3 * len(target) + 4 for target in targets), default=0)
        grown = grown if markdown.isascii() else _UNKNOWN
    if not markdown.isascii():
        grown += 9 * sum(len(address[0]) for address in _FOREIGN_ADDRESS.finditer(markdown))
    longest = max((len(user) for user in mentions.values()), default=0) + len("<@>")
    return length(markdown) + grown + (count("@") * longest if mentions else 0) + 16
