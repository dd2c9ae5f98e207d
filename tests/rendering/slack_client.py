"""Slack's client: blocks as HTML.

A `markdown` block is read as strict CommonMark with tables, strikethrough and task lists, which is what
https://docs.slack.dev/reference/block-kit/blocks/markdown-block lists. HTML is not among it and is dropped, in plain
sight. A section's mrkdwn is read by https://docs.slack.dev/messaging/formatting-message-text.
"""

import html
import re
from collections.abc import Mapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from tests.rendering.code import coloured

_EMOJI = {"white_check_mark": "✅", "point_down": "👇", "tada": "🎉"}
_MENTION = re.compile(r"&lt;@([UW][A-Z0-9]+)&gt;")
_SHORT_NAME = re.compile(r":([a-z0-9_+-]+):")
_TASK = re.compile(r"<li>(\s*(?:<p>)?)\[([ x])\] ")
_LOST = '<span class="lost">HTML</span>'
_HEADING = re.compile(r"(</?h)[4-6]")

_MARKS = {"*": "b", "_": "i", "~": "s"}
_SECTION_PART = re.compile(
    r"```\n?(?P<block>.*?)\n?```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\n]+)>"
    r"|(?<![\w*_~])(?P<mark>[*_~])(?P<inner>(?=\S)[^\n]*?(?<=\S))(?P=mark)(?![\w])",
    re.DOTALL,
)


def _reader() -> MarkdownIt:
    def dropped(*_: Any) -> str:
        return _LOST

    def fence(_: RendererHTML, tokens: Any, index: int, *__: Any) -> str:
        language = tokens[index].info.strip()
        return f"<pre>{coloured(tokens[index].content.removesuffix(chr(10)), language)}</pre>\n"

    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    reader.add_render_rule("html_block", dropped)
    reader.add_render_rule("html_inline", dropped)
    reader.add_render_rule("fence", fence)
    return reader


_READER = _reader()


def show(blocks: list[dict[str, Any]], names: Mapping[str, str]) -> str:
    """A message's blocks as HTML; `names` maps user ids to names."""
    return "\n".join(_markdown(block, names) if block["type"] == "markdown" else _section(block) for block in blocks)


def _markdown(block: dict[str, Any], names: Mapping[str, str]) -> str:
    shown = _READER.render(block["text"])
    shown = _TASK.sub(lambda match: f'<li class="task">{match[1]}{_box(match[2])} ', shown)
    shown = _HEADING.sub(r"\g<1>3", shown)
    return _outside_code(shown, lambda text: _short_names(_mentions(text, names)))


def _box(state: str) -> str:
    return f'<span class="box">{"✓" if state == "x" else ""}</span>'


def _mentions(text: str, names: Mapping[str, str]) -> str:
    return _MENTION.sub(
        lambda match: f'<span class="mention">@{html.escape(names.get(match[1], match[1]))}</span>', text
    )


def _short_names(text: str) -> str:
    return _SHORT_NAME.sub(lambda match: _EMOJI.get(match[1], match[0]), text)


def _outside_code(shown: str, change: Any) -> str:
    parts = re.split(r"(<pre>.*?</pre>|<code>.*?</code>|<a [^>]*>)", shown, flags=re.DOTALL)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)


def _section(block: dict[str, Any]) -> str:
    return f'<div class="section">{_mrkdwn(block["text"]["text"])}</div>'


def _mrkdwn(text: str) -> str:
    shown: list[str] = []
    done = 0
    for match in _SECTION_PART.finditer(text):
        shown += [_plain(text[done : match.start()]), _part(match)]
        done = match.end()
    return "".join([*shown, _plain(text[done:])])


def _part(match: re.Match[str]) -> str:
    if match["block"] is not None:
        return f"<pre>{match['block']}</pre>"
    if match["code"] is not None:
        return f"<code>{match['code']}</code>"
    if match["link"] is not None:
        target, _, label = match["link"].partition("|")
        return f'<a href="{target}">{label or target}</a>'
    tag = _MARKS[match["mark"]]
    return f"<{tag}>{_mrkdwn(match['inner'])}</{tag}>"


def _plain(text: str) -> str:
    """What stands between marks: `& < >` come escaped, lines that start with `>` are quotes."""
    lines = _short_names(text).split("\n")
    return "\n".join(f'<span class="quoted">{line[2:]}</span>' if line.startswith("> ") else line for line in lines)
