"""Reads Markdown as models write it into tokens, for the renderers of both platforms.

CommonMark with tables, strikethrough, bare web addresses, LaTeX (`adapters.latex`), a few HTML tags
(`adapters.html_tags`) and bold that ends or begins at punctuation within a word, and the finding of `@Name` mentions.
What the tokens become is not known here.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import SimpleNamespace

from markdown_it import MarkdownIt, helpers
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

from adapters import html_tags, latex
from bot.stretches import settled_length, stretches

_URL = re.compile(r"://[^\s<>\"`\\^{}|\u2018-\u201f\u3000-\u303f\uff00-\uffef]+")
_URL_TAIL = ".,;:!?'*_~"
_BACKTICKS = re.compile(r"`+")
_ASTERISKS = re.compile(r"\*{2,}")
_OPENS = "([{<\"'“‘«„‚「『（［｛《〈【"
_ENDS = ".,;:!?…%)]}>\"'”’»」』）］｝》〉】。、，：；！？"
_DEFINITION = re.compile(r"^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*\[(?:[^\[\]\\]|\\.)+\]:", re.MULTILINE | re.DOTALL)
LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
"""The tag that models write where they want a new line."""

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


def _bold_beside_words(state: StateInline, silent: bool) -> bool:
    """Take `**` as CommonMark does, and beyond it as the end of bold in `**Note:**text`, as its start in `a**(b)**`.

    CommonMark lets neither stand between punctuation and a letter, and shows the asterisks; models write both, and in
    languages without spaces between words all the time.
    """
    run = _ASTERISKS.match(state.src, state.pos)
    if silent or run is None or run.end() > state.posMax:
        return False
    scanned = state.scanDelims(state.pos, True)
    before = state.src[run.start() - 1 : run.start()] if run.start() else ""
    after = state.src[run.end() : run.end() + 1] if run.end() < state.posMax else ""
    can_open = scanned.can_open or (bool(before.strip()) and after in _OPENS and after != "")
    can_close = scanned.can_close or (bool(after.strip()) and before in _ENDS and before != "")
    if (can_open, can_close) == (scanned.can_open, scanned.can_close):
        return False
    for _ in range(scanned.length):
        state.push("text", "", 0).content = "*"
        state.delimiters.append(
            Delimiter(
                marker=ord("*"),
                length=scanned.length,
                token=len(state.tokens) - 1,
                end=-1,
                open=can_open,
                close=can_close,
            )
        )
    state.pos += scanned.length
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.helpers = SimpleNamespace(  # type: ignore[assignment]
        parseLinkLabel=_label_end,
        parseLinkDestination=helpers.parseLinkDestination,
        parseLinkTitle=helpers.parseLinkTitle,
    )
    latex.enable(parser)
    html_tags.enable(parser)
    parser.inline.ruler.before("emphasis", "bold_beside_words", _bold_beside_words)
    parser.inline.ruler.after("text", "bare_url", _bare_url)
    return parser


def _block_parser() -> MarkdownIt:
    parser = _parser()
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


_PARSER = _parser()
_BLOCKS = _block_parser()


@lru_cache(maxsize=4)
def parse(markdown: str) -> list[Token]:
    """Return markdown-it's flat block tokens; the inline ones are in `children` of each `inline` token.

    They are shared: do not change them. Remembered for a moment, because Slack is sent a text in two notations.

    Besides markdown-it's own types there are `bare_url` (content: the address), `math` (content: the LaTeX, markup:
    `inline` or `block`) and, among the block tokens, `math_block` (content: the LaTeX).
    """
    return _PARSER.parse(markdown, {_READS_LEFT: _LABEL_READS * len(markdown) + 2_000})


def stretches_of(markdown: str) -> list[str]:
    """Take a text apart into stretches: the tokens of each alone are, put together, those of the text.

    All but the last are the first ones of any longer text too. A text that defines links is one stretch: they may be
    used anywhere in it.
    """
    defines_links = "]:" in markdown and _DEFINITION.search(markdown)
    return [markdown] if defines_links else stretches(markdown, _settled)


@lru_cache(maxsize=256)
def _settled(window: str) -> int:
    """Remembered, because the head of a growing text is taken apart again and again; a window has about 1,000
    characters. So do 30 answers of 8,000 characters grow side by side."""
    tokens = _BLOCKS.parse(window)
    return settled_length(window, tokens, latex.first_open_line(window, tokens))


def plain_text(tokens: list[Token]) -> str:
    """Return the words of inline tokens with no formatting, line breaks as spaces."""
    words: list[str] = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            words.append(" ")
        elif token.type == "image":
            words.append(plain_text(token.children or []))
        elif token.type == "html_inline" and LINE_BREAK.fullmatch(token.content):
            words.append(" ")
        else:
            words.append(token.content)
    return "".join(words)


def link_label(tokens: list[Token], start: int) -> tuple[int, list[Token]]:
    """What stands between the `link_open` at `start` and its end: that end's place, and the tokens.

    An address in angle brackets is a link within the label for the parser; no platform nests links, so its text stays.
    """
    depth = 0
    for end in range(start, len(tokens)):
        depth += (tokens[end].type == "link_open") - (tokens[end].type == "link_close")
        if not depth:
            break
    return end, [token for token in tokens[start + 1 : end] if token.type not in {"link_open", "link_close"}]


def code_span(content: str) -> str:
    """Write inline code with as many backticks as its content needs."""
    runs = {len(run) for run in _BACKTICKS.findall(content)}
    ticks = "`" * next(count for count in range(1, len(runs) + 2) if count not in runs)
    pad = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{ticks}{pad}{content}{pad}{ticks}"


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
