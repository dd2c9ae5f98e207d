r"""LaTeX in Markdown, kept whole: its underscores, asterisks and backslashes are not Markdown's.

Within a line `\(…\)`, `\[…\]`, `$$…$$` and `$…$`; as blocks of lines `\[`, `$$` and `\begin{…}` up to their ends, so
that no line of a formula is taken for a list, a heading or a table.
"""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_INLINE = re.compile(
    r"\\\((?P<round>[^\n]{1,1000}?)\\\)"
    r"|\\\[(?P<square>.{1,2000}?)\\\]"
    r"|\$\$(?P<display>[^$]{1,2000}?)\$\$"
    r"|\$(?P<inline>[^\s$`](?:[^$\n`]{0,300}[^\s$`\\])?)\$(?![\w$])",
    re.DOTALL,
)
_CLOSERS = {"\\(": "\\)", "\\[": "\\]"}
_LONGEST = 2_000
_BLOCK = re.compile(r"(?P<bracket>\\\[)|(?P<dollars>\$\$)|\\begin\{(?P<name>[A-Za-z]{1,30}\*?)\}")
_MOST_LINES = 80
"""Lines within which the end of a block of LaTeX is looked for."""
_OPENER = re.compile(r"[ \t>*+\-\d.)]*(?:\\\[|\$\$|\\begin\{)")
_WHOLE = frozenset({"math_block", "fence", "code_block"})


def enable(parser: MarkdownIt) -> None:
    """Teach a parser LaTeX: tokens `math` within lines, `math_block` for blocks, the LaTeX as their content."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def first_open_line(markdown: str, tokens: Sequence[Token]) -> int | None:
    """The first line that may begin a block of LaTeX whose end is not there yet, by a text's block tokens; None: none.

    Such a line is read as words of a paragraph as long as its formula has no end.
    """
    if not any(mark in markdown for mark in ("\\[", "$$", "\\begin{")):
        return None
    lines = markdown.split("\n")
    whole = {n for token in tokens if token.type in _WHOLE and token.map for n in range(*token.map)}
    for number in range(max(0, len(lines) - _MOST_LINES), len(lines)):
        if number not in whole and _OPENER.match(lines[number]):
            return number
    return None


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$":
        return False
    closer = _CLOSERS.get(state.src[state.pos : state.pos + 2])
    if closer and state.src.find(closer, state.pos + 2, state.pos + 2 + _LONGEST + 2) < 0:
        return False  # sooner than the expression finds out, which a text full of openers makes it do for each
    match = _INLINE.match(state.src, state.pos)
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


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    opened = _BLOCK.match(line)
    if opened is None:
        return False
    name = opened["name"]
    closer = f"\\end{{{name}}}" if name else "\\]" if opened["bracket"] else "$$"
    last = _last_line(state, start, end, line[opened.end() :], closer)
    if last is None:
        return False
    content = state.getLines(start, last + 1, state.blkIndent, False).strip()
    if not name:
        content = content[opened.end() :].removesuffix(closer).strip("\n")
    if not _looks_like_math("display", content, ""):
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content = content if "\n" in content else content.strip()
        token.map = [start, last + 1]
        state.line = last + 1
    return True


def _last_line(state: StateBlock, start: int, end: int, rest: str, closer: str) -> int | None:
    """The line that ends with the closer; None where another does not end with it, or none is near."""
    if closer in rest:
        return start if rest.rstrip().endswith(closer) and rest.count(closer) == 1 else None
    for number in range(start + 1, min(end, start + _MOST_LINES)):
        if state.sCount[number] < state.blkIndent and not state.isEmpty(number):
            return None
        line = state.src[state.bMarks[number] : state.eMarks[number]]
        if closer in line:
            return number if line.rstrip().endswith(closer) else None
    return None
