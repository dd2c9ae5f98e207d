"""What stands within a line of mrkdwn: escapes, emphasis, links, code, mentions.

Nothing in it can ping a crowd, or anybody but the people named by the caller.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markdown_it.token import Token

from adapters.markdown import LINE_BREAK, link_label, plain_text, write_mentions

ZERO_WIDTH_SPACE = "\u200b"
WORD_JOINER = "\u2060"

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_CROWD_NAME = re.compile(r"@(?=(?:channel|here|everyone|group))", re.IGNORECASE)
_QUOTE_MARK = re.compile(r"^(\s*)&gt;", re.MULTILINE)
_MARKERS = {"strong": "*", "em": "_", "s": "~"}
_BESIDE_MARKER = frozenset(".,:!?()[]{}\"'“”‘’«»-–—/…|=")
_PAIRED = re.compile(r"(?<![\w*_~`])([*_~`])(?=\S[^\n]{0,300}?(?<=\S)\1(?!\w))")
_LINKABLE = re.compile(r"(?:https?|mailto|tel|ftp|slack):", re.IGNORECASE)


def escape(text: str, *, quotes: bool = True) -> str:
    """Write plain text as mrkdwn: `& < >` escaped, crowd names harmless, and (`quotes`) no line taken for a quote."""
    escaped = text.translate(_ESCAPES)
    if quotes and "&gt;" in escaped:
        escaped = _QUOTE_MARK.sub(rf"\1{WORD_JOINER}&gt;", escaped)
    return defuse(escaped)


def defuse(text: str) -> str:
    """Put a word joiner behind the @ of `@channel`, `@here`, `@everyone`, so that no parser takes it for a mention."""
    return _CROWD_NAME.sub("@" + WORD_JOINER, text) if "@" in text else text


def render_inline(
    children: list[Token], mentions: Mapping[str, str], *, bold: bool = False, one_line: bool = False
) -> str:
    """Write inline tokens as mrkdwn, with line breaks as newlines, or as spaces in `one_line`; `bold` for a heading."""
    return _Line(mentions, " " if one_line else "\n").render(children, bold=bold)


@dataclass(slots=True)
class _Line:
    """Collects the pieces of a paragraph, remembering which emphasis is open."""

    mentions: Mapping[str, str]
    line_break: str
    pieces: list[str] = field(default_factory=list)
    depth: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_MARKERS, 0))
    open_markers: list[str] = field(default_factory=list)
    after_close: bool = False

    def render(self, children: list[Token], *, bold: bool) -> str:
        if bold:
            self._open("strong")
        index = 0
        while index < len(children):
            token = children[index]
            if token.type == "link_open":
                index, label = link_label(children, index)
                self._link(str(token.attrGet("href") or ""), plain_text(label))
            else:
                self._token(token)
            index += 1
        if bold:
            self._close("strong")
        return "".join(self.pieces)

    def _token(self, token: Token) -> None:
        match token.type:
            case "text":
                self._text(token.content)
            case "softbreak" | "hardbreak":
                self._break()
            case "code_inline":
                self._add(_code(token.content) if token.content.strip() else token.content)
            case "math":
                self._add(_code(token.content))
            case "bare_url":
                self._link(token.content, token.content)
            case "image":
                self._link(str(token.attrGet("src") or ""), plain_text(token.children or []))
            case "html_inline" if LINE_BREAK.fullmatch(token.content):
                self._break()
            case "html_inline":
                self._add(escape(token.content))
            case _:
                kind, _, side = token.type.rpartition("_")
                if kind in _MARKERS:
                    if side == "open":
                        self._open(kind)
                    else:
                        self._close(kind)

    def _text(self, content: str) -> None:
        if not content:
            return
        at_line_start = not self.pieces or self.pieces[-1].endswith("\n")
        written = write_mentions(content, self.mentions, _plain, mention)
        self._add(_QUOTE_MARK.sub(rf"\1{WORD_JOINER}&gt;", written) if at_line_start else written)

    def _link(self, url: str, label: str) -> None:
        label = escape(" ".join(label.split()), quotes=False)
        if not _LINKABLE.match(url):
            shown = escape(url, quotes=False)
            self._add(f"{label} ({shown})" if label and shown and not url.startswith("#") else label or shown)
            return
        target = _safe_url(url)
        bare = label.removeprefix("mailto:")
        if not label or bare in {target, target.removeprefix("mailto:")}:
            self._add(f"<{target}>" if not target.startswith("mailto:") else f"<{target}|{bare}>")
        else:
            self._add(f"<{target}|{label}>")

    def _open(self, kind: str) -> None:
        self.depth[kind] += 1
        if self.depth[kind] > 1:
            return
        last = self.pieces[-1][-1:] if self.pieces else ""
        if self.after_close or not _may_stand_beside(last, self.open_markers):
            self.pieces.append(ZERO_WIDTH_SPACE)
            self.after_close = False
        self.pieces.append(_MARKERS[kind])
        self.open_markers.append(_MARKERS[kind])

    def _close(self, kind: str) -> None:
        self.depth[kind] -= 1
        if self.depth[kind]:
            return
        marker = _MARKERS[kind]
        self.open_markers.remove(marker)
        if self.pieces[-1] == marker:
            self.pieces.pop()  # nothing stood between the two
            return
        self.pieces.append(marker)
        self.after_close = True

    def _break(self) -> None:
        """Slack ends emphasis at the end of a line: close what is open and open it again behind."""
        if self.line_break == " ":
            self._add(" ")
            return
        for marker in reversed(self.open_markers):
            if self.pieces[-1] == marker:
                self.pieces.pop()
            else:
                self.pieces.append(marker)
        self.pieces.append("\n")
        self.pieces.extend(self.open_markers)
        self.after_close = False

    def _add(self, piece: str) -> None:
        if not piece:
            return
        if self.after_close and not _may_stand_beside(piece[0], []):
            self.pieces.append(ZERO_WIDTH_SPACE)
        self.after_close = False
        self.pieces.append(piece)


def _code(content: str) -> str:
    """Inline code; mrkdwn has no way to show a backtick in it."""
    return "`" + escape(content.replace("`", "'").replace("\n", " "), quotes=False) + "`"


def _plain(text: str) -> str:
    return escape(_PAIRED.sub(rf"\1{ZERO_WIDTH_SPACE}", text), quotes=False)


def mention(user: str) -> str:
    return f"<@{user}>"


def _may_stand_beside(character: str, open_markers: list[str]) -> bool:
    """Tell whether Slack sees a marker as one next to this character."""
    return not character or character.isspace() or character in _BESIDE_MARKER or character in open_markers


def _safe_url(url: str) -> str:
    """Keep an address from ending the link early or naming a crowd."""
    quoted = url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20").replace("\n", "")
    return _CROWD_NAME.sub("%40", quoted).replace("&amp;", "&").replace("&", "&amp;")
