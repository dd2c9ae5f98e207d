"""Reads Markdown as models write it into tokens, for the renderers of both platforms.

CommonMark with tables, strikethrough, bare web addresses and LaTeX spans (kept whole, so that their underscores and
asterisks are not taken for emphasis), and the finding of `@Name` mentions. What the tokens become is not known here.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import SimpleNamespace

from markdown_it import MarkdownIt, helpers
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_URL = re.compile(r"://[^\s<>\"`\\^{}|\u2018-\u201f\u3000-\u303f\uff00-\uffef]+")
_URL_TAIL = ".,;:!?'*_~"
_MATH = re.compile(
    r"\\\((?P<round>[^\n]{1,1000}?)\\\)"
    r"|\\\[(?P<square>.{1,2000}?)\\\]"
    r"|\$\$(?P<display>[^$]{1,2000}?)\$\$"
    r"|\$(?P<inline>[^\s$`](?:[^$\n`]{0,300}[^\s$`\\])?)\$(?![\w$])",
    re.DOTALL,
)
_MATH_CLOSERS = {"\\(": "\\)", "\\[": "\\]"}
_LONGEST_MATH = 2_000
TASK_BOX = re.compile(r"\[([ xX])\]\s+")
"""The box of a task at the start of a list item; the first group is its state."""


_LABEL_READS = 40
"""Characters that may be read in search of the ends of links' labels, per character of the text: a dozen brackets that
nobody closes take no more; of thousands, each would have the rest of its paragraph read, for seconds."""

_READS_LEFT = "label_reads_left"


def _label_end(state: StateInline, start: int, disable_nested: bool = False) -> int:
    """Where a link's label ends, by markdown-it's own rule; -1 where it does not, or enough has been read for that."""
    if state.env.get(_READS_LEFT, 0) <= 0:
        return -1
    end = helpers.parseLinkLabel(state, start, disable_nested)
    state.env[_READS_LEFT] -= (end if end >= 0 else state.posMax) - start
    return end


def _bare_url(state: StateInline, silent: bool) -> bool:
    """Take `http://…` and `https://…` in running text as one piece."""
    if state.linkLevel or state.src[state.pos] != ":" or not state.pending.endswith(("http", "https")):
        return False
    match = _URL.match(state.src, state.pos)
    if not match:
        return False
    scheme = "https" if state.pending.endswith("https") else "http"
    before = state.pending[: -len(scheme)]
    if before[-1:].isalnum():
        return False
    rest = _without_tail(match[0])
    if len(rest) <= len("://"):
        return False
    if not silent:
        state.pending = before
        token = state.push("bare_url", "", 0)
        token.content = scheme + rest
    state.pos += len(rest)
    return True


def _without_tail(url: str) -> str:
    """Drop the punctuation that ends the sentence, not the address, and a bracket that was opened outside it."""
    while url:
        opener = {")": "(", "]": "["}.get(url[-1])
        if url[-1] not in _URL_TAIL and (opener is None or url.count(url[-1]) <= url.count(opener)):
            break
        url = url[:-1]
    return url


def _math(state: StateInline, silent: bool) -> bool:
    r"""Take `\(…\)`, `\[…\]`, `$$…$$` and `$…$` as one piece of LaTeX."""
    if state.src[state.pos] not in "\\$":
        return False
    closer = _MATH_CLOSERS.get(state.src[state.pos : state.pos + 2])
    if closer and state.src.find(closer, state.pos + 2, state.pos + 2 + _LONGEST_MATH + 2) < 0:
        return False  # sooner than the expression finds out, which a text full of openers makes it do for each
    match = _MATH.match(state.src, state.pos)
    if not match or match.end() > state.posMax:
        return False
    kind = match.lastgroup or ""
    content = match[kind]
    if not _looks_like_math(kind, content, state.src[state.pos - 1 : state.pos]):
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content = content.strip()
        token.markup = "block" if kind in {"square", "display"} else "inline"
    state.pos = match.end()
    return True


def _looks_like_math(kind: str, content: str, before: str) -> bool:
    """Tell a formula from two prices or shell variables in one sentence."""
    if not re.search(r"[A-Za-z0-9]", content):
        return False
    if kind != "inline":
        return True
    return not before.isalnum() and bool(re.search(r"[\\^_={}+*/<>]", content) or len(content) <= 2)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.helpers = SimpleNamespace(  # type: ignore[assignment]
        parseLinkLabel=_label_end,
        parseLinkDestination=helpers.parseLinkDestination,
        parseLinkTitle=helpers.parseLinkTitle,
    )
    parser.inline.ruler.before("escape", "math", _math)
    parser.inline.ruler.after("text", "bare_url", _bare_url)
    return parser


_PARSER = _parser()


def parse(markdown: str) -> list[Token]:
    """Return markdown-it's flat block tokens; the inline ones are in `children` of each `inline` token.

    Besides markdown-it's own types there are `bare_url` (content: the address) and `math` (content: the LaTeX,
    markup: `inline` or `block`).
    """
    return _PARSER.parse(markdown, {_READS_LEFT: _LABEL_READS * len(markdown) + 2_000})


def plain_text(tokens: list[Token]) -> str:
    """Return the words of inline tokens with no formatting, line breaks as spaces."""
    words: list[str] = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            words.append(" ")
        elif token.type == "image":
            words.append(plain_text(token.children or []))
        else:
            words.append(token.content)
    return "".join(words)


@lru_cache(maxsize=256)
def _mention_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    # No name goes on in a word of its own: `@Ada-Marie` is not Ada.
    return re.compile(r"(?<![\w@/.])@(" + "|".join(map(re.escape, longest_first)) + r")(?!\w|-\w)")


def write_mentions(
    text: str, mentions: Mapping[str, str], plain: Callable[[str], str], mention: Callable[[str], str]
) -> str:
    """Write each `@Name` of `mentions` (display name → user id) by `mention(user id)`, what is between by `plain`."""
    names = tuple(name for name in mentions if name)
    if not names or "@" not in text:
        return plain(text)
    written: list[str] = []
    done = 0
    for match in _mention_pattern(names).finditer(text):
        written += [plain(text[done : match.start()]), mention(mentions[match[1]])]
        done = match.end()
    return "".join([*written, plain(text[done:])])
