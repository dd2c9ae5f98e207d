"""Discord's client: a message's content as HTML, by https://support.discord.com/hc/articles/210298617 and its habits.

Blocks are found line by line (code, headings, quotes, lists), what stands within a line by marks that need no white
space around them. Nothing else of Markdown is known: no tables, no deeper headings, no task lists, no rules.
"""

import html
import re
from collections.abc import Mapping

from tests.rendering.code import coloured

_FENCE = re.compile(r"```(?:(?P<language>[\w+#.-]+)\n)?\n?(?P<content>.*?)\n?```", re.DOTALL)
_HEADING = re.compile(r"(?P<level>#{1,3}) +(?P<text>.+)")
_ITEM = re.compile(r"(?P<indent> *)(?P<marker>[-*]|\d+\.) +(?P<text>.+)")
_INLINE = re.compile(
    r"\\(?P<escaped>[^A-Za-z0-9\s])"
    r"|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\[(?P<label>(?:\\.|[^\[\]\\]|\[[^\[\]]*\])+)\]\((?P<target>https?://[^\s()]+)\)"
    r"|<?(?P<url>https?://[^\s<>]*[^\s<>.,;:!?)\]'\"])>?"
    r"|<@(?P<user>\d+)>|<t:(?P<time>-?\d+)(?::\w)?>|</(?P<command>[\w -]+):\d+>|(?P<crowd>@everyone|@here)"
    r"|\*\*(?P<bold>(?:\\.|[^\\])+?)\*\*(?!\*)"
    r"|__(?P<underlined>(?:\\.|[^\\])+?)__(?!_)"
    r"|~~(?P<struck>(?:\\.|[^\\])+?)~~"
    r"|\|\|(?P<spoiler>(?:\\.|[^\\])+?)\|\|"
    r"|\*(?P<star>(?=\S)(?:\\.|\*\*(?:\\.|[^\\])+?\*\*|[^\\*])+?)\*(?!\*)"
    r"|\b_(?P<emphasis>(?:\\.|__(?:\\.|[^\\])+?__|[^\\_]|(?<=\w)_(?=\w))+?)_\b",
    re.DOTALL,
)
_TAGS = {"bold": "b", "underlined": "u", "struck": "s", "star": "i", "emphasis": "i"}


def show(content: str, names: Mapping[str, str]) -> str:
    """A message's content as HTML; `names` maps user ids to names."""
    return _Client(names).blocks(content)


class _Client:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def blocks(self, content: str) -> str:
        """Everything that may stand in a message or in a quote."""
        shown: list[str] = []
        done = 0
        for match in _FENCE.finditer(content):
            before = content[done : match.start()]
            if before.endswith("> ") or re.search(r"^> ", match[0][3:], re.MULTILINE):
                continue  # code in a quote: read with the quote
            shown += [self._lines(before.removesuffix("\n")), self._code(match)]
            done = match.end() + (content[match.end() : match.end() + 1] == "\n")
        return "".join([*shown, self._lines(content[done:])])

    def _code(self, match: re.Match[str]) -> str:
        return f"<pre>{coloured(match['content'], match['language'] or '')}</pre>"

    def _lines(self, text: str) -> str:
        shown: list[str] = []
        lines = text.split("\n") if text else []
        while lines:
            if lines[0].startswith("> "):
                count = next((n for n, line in enumerate(lines) if not line.startswith(">")), len(lines))
                quoted = "\n".join(line[2:] for line in lines[:count])
                shown.append(f"<blockquote>{self.blocks(quoted)}</blockquote>")
                del lines[:count]
                continue
            shown.append(self._line(lines.pop(0)))
        return "".join(shown)

    def _line(self, line: str) -> str:
        if heading := _HEADING.fullmatch(line):
            level = len(heading["level"])
            return f"<h{level}>{self.inline(heading['text'])}</h{level}>"
        if item := _ITEM.fullmatch(line):
            depth = len(item["indent"]) // 2
            marker = ("•", "◦", "▪")[min(depth, 2)] if item["marker"] in "-*" else item["marker"]
            return (
                f'<div class="item" style="margin-left:{depth * 22}px"><i>{marker}</i>{self.inline(item["text"])}</div>'
            )
        if line.startswith("-# "):
            return f"<small>{self.inline(line[3:])}</small>"
        indent = len(line) - len(line.lstrip(" "))
        return f'<div style="margin-left:{indent * 7}px">{self.inline(line.strip()) or "&nbsp;"}</div>'

    def inline(self, text: str) -> str:
        """What stands within a line."""
        shown: list[str] = []
        done = 0
        for match in _INLINE.finditer(text):
            shown += [html.escape(text[done : match.start()]), self._part(match)]
            done = match.end()
        return "".join([*shown, html.escape(text[done:])])

    def _part(self, match: re.Match[str]) -> str:
        kind = next(name for name, found in match.groupdict().items() if found is not None and name != "ticks")
        found = match[kind]
        match kind:
            case "escaped":
                return html.escape(found)
            case "code":
                return f"<code>{html.escape(found.strip(' ') if found.strip() else found)}</code>"
            case "label":
                return f'<a href="{html.escape(match["target"])}">{self.inline(found)}</a>'
            case "url":
                return f'<a href="{html.escape(found)}">{html.escape(found)}</a>'
            case "user":
                return f'<span class="mention">@{html.escape(self._names.get(found, found))}</span>'
            case "time" | "command" | "crowd" | "spoiler":
                return f'<span class="alarm">{html.escape(match[0])}</span>'
            case _:
                return f"<{_TAGS[kind]}>{self.inline(found)}</{_TAGS[kind]}>"
