"""What stands within a line of the Markdown that Slack itself renders: escapes, emphasis, links, code, mentions.

Written anew from tokens, in the forms that https://docs.slack.dev/reference/block-kit/blocks/markdown-block names and
with the escapes it lists; what else a reader could take for markup is parted by a character without width. Nothing in
it pings a crowd or anybody but the people named by the caller.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it.token import Token

from adapters.markdown import LINE_BREAK, code_span, link_label, plain_text, write_mentions
from adapters.slack.mrkdwn_inline import WORD_JOINER, ZERO_WIDTH_SPACE, defuse, mention

_MARK = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)|[*`]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[])"
    r"|(?P<part>~(?=~)|<(?=[\w/!?@#\\]|$)|&(?=#?\w{1,40};))"
)
_LINE_START = re.compile(
    r"^(\s*)(?:(?P<mark>#{1,6}(?=\s|$)|[-+](?=\s|$)|-{2,}(?=\s*$)|\[(?=[^\[\]\n]*\]:))"
    r"|(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?P<part>>|=+\s*$|~{3}|\|))"
)
_LESS = r"(?:<|\\<|&lt;?|&#0*60;?|&#x0*3c;?)"
_BANG = r"(?:!|\\!|&excl;|&#0*33;?|&#x0*21;?)"
_AT = r"(?:@|\\@|&commat;|&#0*64;?|&#x0*40;?)"
_CONTROL = re.compile(
    rf"({_LESS})(?={_BANG}\s*(?:channel|here|everyone|group|subteam|date)|{_AT}\s*(?-i:[UW])[A-Z0-9]*(?:[|>]|&gt;))",
    re.IGNORECASE,
)
_ENTITY_CROWD = re.compile(rf"({_AT})(?=(?:channel|here|everyone|group))", re.IGNORECASE)
_LIVE = re.compile(
    r"<(?:!(?:channel|here|everyone|group|subteam|date)|@(?-i:[UW][A-Z0-9]*)[|>])|@(?:channel|here|everyone)\b",
    re.IGNORECASE,
)
_LINKABLE = re.compile(r"(?:https?|mailto|tel|ftp|slack):", re.IGNORECASE)
_UNSAFE_IN_ADDRESS = str.maketrans(
    {" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\\": "%5C", "|": "%7C", "\n": "", "@": "%40"}
)
_ENTITY = re.compile(r"&(?=#?\w{1,40};)")
_MARKERS = {"strong": "**", "s": "~~"}


def harmless(text: str) -> str:
    """Part what Slack would take for a mention of a crowd or a person, in code and wherever nothing is escaped."""
    if "@" not in text and "!" not in text and "&" not in text:
        return text
    parted = _ENTITY_CROWD.sub(rf"\1{WORD_JOINER}", _CONTROL.sub(rf"\1{WORD_JOINER}", text))
    return parted.replace("&", "&" + WORD_JOINER) if _LIVE.search(html.unescape(parted)) else parted


def escape(text: str, *, at_line_start: bool = False) -> str:
    """Write plain text as Slack's Markdown: nothing in it is markup, and nobody is pinged."""
    escaped = defuse(_MARK.sub(_escape_mark, text))
    return _LINE_START.sub(_escape_line_start, escaped) if at_line_start else escaped


def _escape_mark(match: re.Match[str]) -> str:
    return match[0] + WORD_JOINER if match["part"] else "\\" + match[0]


def _escape_line_start(match: re.Match[str]) -> str:
    lead = match[1]
    if match["mark"]:
        return f"{lead}\\{match['mark']}"
    return f"{lead}{match['number']}\\" if match["number"] else f"{lead}{WORD_JOINER}{match['part']}"


def render_inline(
    children: list[Token], mentions: Mapping[str, str], *, one_line: bool = False, bold: bool = False
) -> str:
    """Write inline tokens as Slack's Markdown; line breaks as spaces in `one_line`. `bold`: all of it, as a heading."""
    return _Line(mentions, one_line).render(children, bold=bold)


def in_cell(text: str) -> str:
    """Keep a cell's text from ending the cell."""
    return text.replace("|", "\\|")


def code(content: str) -> str:
    """Write inline code, which may hold anything."""
    return code_span(harmless(content)) if content.strip() else content


@dataclass(slots=True)
class _Line:
    """Collects the pieces of a paragraph, and parts a mark of emphasis from what would keep it from being one.

    CommonMark does not take `**` for a mark between punctuation and a letter: a space without width inside makes it
    one. `opened` is the place of the mark that was just opened, `closed` that of one just closed, -1 for none.
    """

    mentions: Mapping[str, str]
    one_line: bool
    pieces: list[str] = field(default_factory=list)
    depth: dict[str, int] = field(default_factory=lambda: {"strong": 0, "em": 0, "s": 0})
    emphasis: str = "_"
    opened: int = -1
    closed: int = -1

    def render(self, children: list[Token], *, bold: bool) -> str:
        if bold:
            self._open("strong")
        skip_to = -1
        for index, token in enumerate(children):
            if index <= skip_to:
                continue
            if token.type == "link_open":
                skip_to, label = link_label(children, index)
                self._link(str(token.attrGet("href") or ""), label)
            elif token.type == "em_open":
                if not self.depth["em"]:
                    self.emphasis = self._emphasis(children, index)
                self._open("em")
            else:
                self._token(token)
        if bold:
            self._close("strong")
        self._settle("")
        return defuse("".join(self.pieces))  # pieces that were harmless alone now stand side by side

    def _token(self, token: Token) -> None:
        match token.type:
            case "text":
                self._text(token.content)
            case "softbreak" | "hardbreak":
                self._break()
            case "code_inline":
                self._add(code(token.content))
            case "math":
                self._add(code(" ".join(token.content.split())))
            case "bare_url":
                self._address(token.content)
            case "image":
                self._link(str(token.attrGet("src") or ""), token.children or [])
            case "html_inline" if LINE_BREAK.fullmatch(token.content):
                self._break()
            case "html_inline":
                self._add(escape(token.content))
            case "strong_open" | "em_open" | "s_open":
                self._open(token.type.removesuffix("_open"))
            case "strong_close" | "em_close" | "s_close":
                self._close(token.type.removesuffix("_close"))
            case _:
                pass

    def _break(self) -> None:
        """A new line is meant where a model writes one, as chats show it; Markdown needs two spaces for that."""
        self._add(" " if self.one_line else "  \n")

    def _text(self, content: str) -> None:
        if not content:
            return
        written = write_mentions(content, self.mentions, escape, mention)
        before = self.pieces[-1] if self.pieces else ""
        at_line_start = not before or before.endswith("\n")
        self._add(_LINE_START.sub(_escape_line_start, written) if at_line_start else written)

    def _address(self, url: str) -> None:
        self._add(f"<{_ENTITY.sub('%26', url.translate(_UNSAFE_IN_ADDRESS))}>")

    def _link(self, url: str, label: list[Token]) -> None:
        words = " ".join(plain_text(label).split())
        if not _LINKABLE.match(url):
            address = "" if url.startswith("#") or url == words else url
            self._add(f"{escape(words)} ({escape(address)})" if words and address else escape(words or address))
        elif not words or unquote(words) == unquote(url):
            self._address(url)
        else:
            has_picture = any(token.type == "image" for token in label)
            text = escape(words) if has_picture else _Line({}, one_line=True).render(label, bold=False)
            scheme, _, rest = url.partition(":")
            target = _ENTITY.sub("&amp;", rest.translate(_UNSAFE_IN_ADDRESS))
            mail = target.replace("%40", "@") if scheme.lower() == "mailto" else target
            self._add(f"[{_unbracketed(text)}]({scheme}:{mail})")

    def _emphasis(self, children: list[Token], index: int) -> str:
        """Choose the mark of emphasis: `*` within a word, where `_` is none; else `_`, to be told from `**`.

        What parts it from a mark just closed, or about to be opened, counts as a word's character.
        """
        if self.closed >= 0:
            return "*"
        depth = 0
        for end in range(index, len(children)):
            depth += (children[end].type == "em_open") - (children[end].type == "em_close")
            if not depth:
                break
        following = next(_shown_from(children, end + 1), None)
        if following is not None and self.depth.get(following.type.removesuffix("_open")) == 0:
            return "*"
        before = "".join(self.pieces[-3:]).rstrip("*~_")[-1:]
        behind = (t.content for t in _shown_from(children, end + 1) if not t.type.endswith(("_open", "_close")))
        return "*" if _is_word(before) or _is_word(next(behind, "")[:1]) else "_"

    def _marker(self, kind: str) -> str:
        return _MARKERS.get(kind, self.emphasis)

    def _open(self, kind: str) -> None:
        self.depth[kind] += 1
        if self.depth[kind] > 1:
            return
        if self.closed >= 0:
            self._settle(ZERO_WIDTH_SPACE)
            self.pieces.append(ZERO_WIDTH_SPACE)  # `**a***b*` would be read in another way than meant
        self.pieces.append(self._marker(kind))
        if self.opened < 0:
            self.opened = len(self.pieces) - 1

    def _close(self, kind: str) -> None:
        self.depth[kind] -= 1
        if self.depth[kind]:
            return
        marker = self._marker(kind)
        if self.pieces[-1] == marker and self.opened >= 0:
            self.pieces.pop()  # nothing stood between the two
            self.opened = self.opened if self.opened < len(self.pieces) else -1
            return
        if self.closed < 0:
            self.closed = len(self.pieces)
        self.pieces.append(marker)

    def _add(self, piece: str) -> None:
        if not piece:
            return
        self._settle(piece[0])
        if self.opened >= 0:
            before = self.pieces[self.opened - 1][-1:] if self.opened else ""
            if before and not _is_gap(before) and not _is_word(piece[0]):
                self.pieces.append(ZERO_WIDTH_SPACE)
            self.opened = -1
        self.pieces.append(piece)

    def _settle(self, following: str) -> None:
        """Make sure that the mark just closed is read as one before what follows."""
        if self.closed >= 0:
            last = self.pieces[self.closed - 1][-1:]
            if following and not _is_gap(following) and not _is_word(last):
                self.pieces.insert(self.closed, ZERO_WIDTH_SPACE)
            self.closed = -1


def _shown_from(children: list[Token], start: int) -> Iterator[Token]:
    """The tokens from there on that are more than an empty text, one by one: a line may have thousands of marks."""
    for index in range(start, len(children)):
        token = children[index]
        if token.content or token.type != "text":
            yield token


def _is_word(character: str) -> bool:
    """Whether a character is neither white space nor punctuation, by any version of CommonMark."""
    return character.isalnum() or character in (ZERO_WIDTH_SPACE, WORD_JOINER)


def _is_gap(character: str) -> bool:
    """Whether a character is white space or punctuation, by any version of CommonMark."""
    return character.isspace() or unicodedata.category(character)[0] == "P"


def _unbracketed(label: str) -> str:
    """Keep a label from ending early: its brackets are escaped where they are not."""
    return re.sub(r"(?<!\\)[\[\]]", r"\\\g<0>", label)
