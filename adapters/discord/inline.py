"""What stands within a line of a Discord message: escapes, emphasis, links, code, mentions.

Nothing here may ping anyone but the people named by the caller, though messages are also sent with mentions closed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it.token import Token
from rich.emoji import Emoji

from adapters.markdown import LINE_BREAK, code_span, link_label, plain_text, write_mentions

ZERO_WIDTH_SPACE = "\u200b"

_MENTION_OPEN = "\ufdd0"  # noncharacters: CommonMark lets no entity stand for them
_MENTION_CLOSE = "\ufdd1"
_CROWD = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_PING = re.compile(r"<@(?=[!&]?\d)")
_LIVE = re.compile(r"<(?=t:-?\d|/[\w -]{1,100}:\d|id:)")
_MARK = re.compile(r"\\(?=[^\w\s]|$)|\*|`|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|\|(?=\|)|(?<=\|)\||\](?=\()")
_LINE_START = re.compile(r"^(\s*)(#{1,3} |-# |>{1,3} |[-+] |\d{1,9}(?=[.)] ))")
_SHORT_NAME = re.compile(r"(?<![\w:]):[a-z0-9_+-]{1,40}:(?![\w:])")
_LINKABLE = re.compile(r"(?:https?|discord):", re.IGNORECASE)
_BRACKET = re.compile(r"(?<!\\)[\[\]]")
_ESCAPED = r"\\\g<0>"
_UNSAFE_IN_URL = str.maketrans({" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\n": ""})


def mention(user: str) -> str:
    """Write a mention that `defuse` leaves for `allow_mentions`."""
    return f"{_MENTION_OPEN}{user}{_MENTION_CLOSE}"


def allow_mentions(text: str) -> str:
    """Make mentions of what `mention` wrote: the last step, once all else is harmless."""
    return text.replace(_MENTION_OPEN, "<@").replace(_MENTION_CLOSE, ">")


def without_marks(text: str) -> str:
    """Drop the private characters that stand for a mention here: nobody else may write one."""
    return text.replace(_MENTION_OPEN, "").replace(_MENTION_CLOSE, "")


def defuse(text: str) -> str:
    """Put a zero-width space behind the @ of a crowd's, a role's or a user's mention."""
    if "@" not in text:
        return text
    return _PING.sub(f"<@{ZERO_WIDTH_SPACE}", _CROWD.sub(f"@{ZERO_WIDTH_SPACE}", text))


def escape(text: str, *, at_line_start: bool = False) -> str:
    """Write plain text as Discord Markdown: what would be taken for markup is escaped, and nobody is pinged.

    Timestamps, commands and links to parts of a server (`<t:0>`, `</name:1>`, `<id:browse>`) stay as they are written.
    """
    escaped = _MARK.sub(_ESCAPED, text)
    if "<" in escaped:
        escaped = _LIVE.sub(f"<{ZERO_WIDTH_SPACE}", escaped)
    if at_line_start:
        escaped = _LINE_START.sub(_escape_line_start, escaped)
    return defuse(escaped)


def _emoji(text: str) -> str:
    """Write the short names of emoji as what they stand for: Discord does that where people type, not for bots."""
    return _SHORT_NAME.sub(lambda match: Emoji.replace(match[0]), text) if ":" in text else text


def _escape_line_start(match: re.Match[str]) -> str:
    mark = match[2]
    return f"{match[1]}{mark}\\" if mark.isdigit() else f"{match[1]}\\{mark}"


def safe_url(url: str) -> str:
    """Keep an address from ending its link early or naming a crowd."""
    return _CROWD.sub("%40", url.translate(_UNSAFE_IN_URL))


def render_inline(children: list[Token], mentions: Mapping[str, str], *, one_line: bool = False) -> str:
    """Write inline tokens as Discord Markdown; line breaks as newlines, or as spaces in `one_line`."""
    return _Line(mentions, " " if one_line else "\n").render(children)


@dataclass(slots=True)
class _Line:
    mentions: Mapping[str, str]
    line_break: str
    pieces: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)

    def render(self, children: list[Token]) -> str:
        skip_to = -1
        for index, token in enumerate(children):
            if index <= skip_to:
                continue
            if token.type == "link_open":
                skip_to, label = link_label(children, index)
                self._link(str(token.attrGet("href") or ""), label)
            elif token.type == "em_open":
                self._open(self._emphasis(children, index))
            else:
                self._token(token)
        return "".join(self.pieces)

    def _token(self, token: Token) -> None:
        match token.type:
            case "text":
                self._text(token.content)
            case "softbreak" | "hardbreak":
                self.pieces.append(self.line_break)
            case "code_inline":
                self.pieces.append(code_span(token.content) if token.content.strip() else token.content)
            case "math":
                self.pieces.append(code_span(" ".join(token.content.split())))
            case "bare_url":
                self.pieces.append(_CROWD.sub("%40", token.content))
            case "image":
                self._link(str(token.attrGet("src") or ""), token.children or [])
            case "html_inline":
                self.pieces.append(self.line_break if LINE_BREAK.fullmatch(token.content) else escape(token.content))
            case "strong_open":
                self._open("**")
            case "s_open":
                self._open("~~")
            case "strong_close" | "em_close" | "s_close":
                self._close()
            case _:
                pass

    def _text(self, content: str) -> None:
        if not content:
            return
        before = "".join(self.pieces[-1:])
        start = not before or before.endswith("\n")
        written = write_mentions(_emoji(content), self.mentions, escape, mention)
        if written.startswith("\\") and before.startswith(("http://", "https://")):
            self.pieces[-1] = f"<{before}>"  # or Discord would take the escape for a part of the address
        self.pieces.append(_LINE_START.sub(_escape_line_start, written) if start else written)

    def _open(self, marker: str) -> None:
        self.markers.append(marker)
        if self.markers.count(marker) == 1:
            self.pieces.append(marker)

    def _close(self) -> None:
        marker = self.markers.pop()
        if marker not in self.markers:
            self.pieces.append(marker)

    def _emphasis(self, children: list[Token], index: int) -> str:
        """Choose the mark of emphasis: `_` where it touches bold, as `***` would be read in another way than meant."""
        depth = 0
        holds_strong = "**" in self.markers
        for end in range(index, len(children)):
            token = children[end]
            depth += (token.type == "em_open") - (token.type == "em_close")
            holds_strong = holds_strong or token.type == "strong_open"
            if not depth:
                break
        beside = "".join(self.pieces[-1:])[-1:] + (children[end + 1].content[:1] if end + 1 < len(children) else "")
        return "_" if holds_strong and not any(character.isalnum() for character in beside) else "*"

    def _link(self, url: str, label: list[Token]) -> None:
        words = " ".join(plain_text(label).split())
        if not _LINKABLE.match(url):
            address = url.removeprefix("mailto:")
            hidden = not address or address.startswith("#") or address == words
            shown = escape(words) + ("" if hidden else f" ({escape(address)})" if words else escape(address))
            self.pieces.append(shown)
            return
        target = safe_url(url)
        if not words or unquote(words) == unquote(url):
            self.pieces.append(_CROWD.sub("%40", url) if url.count("(") == url.count(")") else target)
        elif "://" in words:
            self.pieces.append(f"{escape(words)} ({target})")  # Discord shows no link whose label looks like one
        else:
            has_picture = any(token.type == "image" for token in label)
            text = escape(words) if has_picture else _Line({}, " ").render(label)
            self.pieces.append(f"[{_BRACKET.sub(_ESCAPED, text)}]({target})")
