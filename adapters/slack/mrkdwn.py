"""Turns Markdown as models write it into what one Slack message takes.

Mostly that is mrkdwn; what mrkdwn cannot say (tables, task lists, deep lists, code with backticks) goes out as Slack's
own Markdown. Here are the choice between the two and the sizes; `mrkdwn_inline` has what stands within a line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from markdown_it.token import Token

from adapters.blocks import lay_out
from adapters.markdown import TASK_BOX, parse
from adapters.slack.mrkdwn_inline import ZERO_WIDTH_SPACE, defuse, escape, native_text, render_inline

__all__ = ["MARKDOWN_LIMIT", "TEXT_LIMIT", "SlackText", "as_mrkdwn", "escape", "fits", "length", "measure", "render"]

TEXT_LIMIT = 3_900
"""Characters of mrkdwn that `fits` allows. Slack takes 4,000 (documented for chat.update; chat.postMessage was seen to
answer `msg_too_long` near it); the rest is left for what closes a preview."""

MARKDOWN_LIMIT = 11_900
"""Characters of `markdown_text` that `fits` allows; Slack documents 12,000."""

_HARD_TEXT_LIMIT = 4_000
_HARD_MARKDOWN_LIMIT = 12_000
_DEEPEST_LIST = 2
_BULLETS = "•◦"
_INDENT = "    "
_NO_MENTIONS: Mapping[str, str] = MappingProxyType({})
_UNKNOWN = 1 << 30
_HAS_LISTS = re.compile(r"^[^\S\n]*(?:[-*+>]|\d{1,9}[.)])", re.MULTILINE)
_DEFINED = re.compile(r"\]:\s*(\S+)")
_FOREIGN_ADDRESS = re.compile(r"(?:\]\(|://|<)(?=\S*[^\x00-\x7f])\S*")


@dataclass(frozen=True, slots=True)
class SlackText:
    """One message's text; exactly one of the two is set, named like the arguments of `chat.postMessage`."""

    text: str | None = None
    markdown_text: str | None = None


def render(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> SlackText:
    """Write `markdown` for Slack; `mentions` maps display names to the user ids that `@Name` may become.

    The result is within Slack's limits if `fits(markdown, mentions)`; mrkdwn that is too long goes out as Markdown,
    which may be longer. Never raises; never pings anyone else.
    """
    people = tuple(mentions.items())
    rendered = _render(markdown, people)
    if rendered.text is not None and length(rendered.text) > _HARD_TEXT_LIMIT:
        native = native_text(markdown, dict(people))
        if length(native) <= _HARD_MARKDOWN_LIMIT:
            return SlackText(markdown_text=native)
    return rendered


def as_mrkdwn(markdown: str) -> str:
    """Write `markdown` where Slack takes mrkdwn alone: what that cannot say stands there as it was written, as code.

    Never raises; never pings anyone.
    """
    rendered = _render(markdown, ())
    if rendered.text is not None:
        return rendered.text
    return defuse("\n".join(_Mrkdwn({}).code(markdown.strip(), "")))


def measure(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> int:
    """Return the length of the rendered form in UTF-16 units, the widest of the ways Slack may count."""
    rendered = _render(markdown, tuple(mentions.items()))
    return length(rendered.text or rendered.markdown_text or "")


def fits(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> bool:
    """Tell whether the text in the form that suits it best is one Slack message, with a little room to spare."""
    if most(markdown, mentions) <= TEXT_LIMIT:
        return True
    rendered = _render(markdown, tuple(mentions.items()))
    if rendered.text is not None:
        return length(rendered.text) <= TEXT_LIMIT
    return length(rendered.markdown_text or "") <= MARKDOWN_LIMIT


def most(markdown: str, mentions: Mapping[str, str] = _NO_MENTIONS) -> int:
    """Return a length that the rendered form does not pass, found without rendering it: mostly all one needs to know.

    A huge number stands for texts of which it cannot be told.
    """
    if "](<" in markdown:
        return _UNKNOWN
    count = markdown.count
    marks = count("*") + count("_") + count("~") + count("`")
    grown = 4 * count("&") + 4 * count("<") + 7 * count(">") + marks + 4 * count("$") + 4 * count("://")
    grown += 4 * count("[") + 9 * count("--") + 8 * count("\t") + 3 * count("|") + 3 * count('"')
    grown += (12 if _HAS_LISTS.search(markdown) else 6) * count("\n")
    if "]:" in markdown:  # a link's definition may be used by every bracket
        targets = _DEFINED.findall(markdown)
        grown += count("[") * max((len(target) + 4 * target.count("&") for target in targets), default=0)
        grown = grown if markdown.isascii() else _UNKNOWN
    if not markdown.isascii():
        grown += 9 * sum(len(address[0]) for address in _FOREIGN_ADDRESS.finditer(markdown))
    longest = max((len(user) for user in mentions.values()), default=0) + len("<@>")
    return length(markdown) + grown + count("@") * longest + 16


def length(text: str) -> int:
    """The length of a text in UTF-16 units, the widest of the ways Slack may count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@lru_cache(maxsize=128)
def _render(markdown: str, mentions: tuple[tuple[str, str], ...]) -> SlackText:
    """Write the text in the form that suits it best, however long that gets."""
    people = dict(mentions)
    tokens = parse(markdown)
    if not _needs_markdown(tokens):
        text = lay_out(tokens, _Mrkdwn(people))
        if not text.strip():
            text = escape(markdown.strip())  # link definitions alone: better shown than an empty message
        return SlackText(text=defuse(text))  # here again: pieces that were harmless alone now stand side by side
    return SlackText(markdown_text=native_text(markdown, people))


def _needs_markdown(tokens: list[Token]) -> bool:
    """Tell whether something in the text cannot be said in mrkdwn."""
    depth = 0
    items = 0
    for token in tokens:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
                if depth > _DEEPEST_LIST:
                    return True
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
            case "list_item_open" | "list_item_close":
                items += token.nesting
            case "table_open":
                return True
            case "fence" | "code_block" if "```" in token.content:
                return True
            case "inline":
                if items and TASK_BOX.match(token.content):
                    return True
                if any(child.type == "code_inline" and "`" in child.content for child in token.children or ()):
                    return True
            case _:
                pass
    return False


@dataclass(frozen=True, slots=True)
class _Mrkdwn:
    """Slack's mrkdwn, as a style for `lay_out`."""

    mentions: Mapping[str, str]

    def paragraph(self, children: list[Token]) -> str:
        return render_inline(children, self.mentions)

    def heading(self, children: list[Token], level: int, *, nested: bool) -> str:
        return render_inline(children, self.mentions, bold=True)

    def code(self, content: str, language: str) -> list[str]:
        body = escape(content, quotes=False).replace("```", f"``{ZERO_WIDTH_SPACE}`")
        return ["```", *body.split("\n"), "```"]

    def html(self, content: str) -> str:
        return escape(content)

    def table(self, tokens: list[Token]) -> list[str]:
        raise AssertionError("a text with a table goes out as Markdown")

    def bullet(self, depth: int) -> str:
        return f"{_BULLETS[(depth - 1) % len(_BULLETS)]} "

    def indent(self, marker: str) -> str:
        return _INDENT

    def quote(self, depth: int, *, code: bool) -> str:
        return "" if code else "> " + "&gt; " * (depth - 1)  # within code a quote mark would be shown
