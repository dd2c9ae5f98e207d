"""The few HTML tags that models use in Markdown, read as what they mean; all other HTML stays the text it is.

`<kbd>`, `<b>`, `<i>`, `<del>` and their like within a line, where both ends are there; `<details>` around blocks, its
`<summary>` as a line in bold.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_MARKS = {"b": "strong", "strong": "strong", "i": "em", "em": "em", "s": "s", "del": "s", "strike": "s"}
_CODE = frozenset({"kbd", "code", "tt", "samp"})
_BARE = frozenset({"u", "ins", "mark", "small", "big", "span", "sub", "sup", "font", "center"})
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z]+)(?:\s[^<>]*)?>")
_DETAILS = re.compile(r"</?details(?:\s[^<>]*)?>", re.IGNORECASE)
_SUMMARY = re.compile(r"<summary(?:\s[^<>]*)?>\s*(.*?)\s*</summary>", re.IGNORECASE | re.DOTALL)


def enable(parser: MarkdownIt) -> None:
    """Teach a parser the tags."""
    parser.core.ruler.after("block", "details", _details)
    parser.core.ruler.after("inline", "tags", _tags)


def _details(state: StateCore) -> None:
    if not any(token.type == "html_block" for token in state.tokens):
        return
    written: list[Token] = []
    for token in state.tokens:
        opened = _DETAILS.search(token.content) if token.type == "html_block" else None
        text = _SUMMARY.sub(r"**\1**\n\n", _DETAILS.sub("", token.content)) if opened else "<"
        if "<" in text:
            written.append(token)
        elif text.strip():
            written += _paragraph(token, "\n".join(filter(None, map(str.strip, text.split("\n")))))
    state.tokens = written


def _paragraph(token: Token, content: str) -> list[Token]:
    opening = Token("paragraph_open", "p", 1, map=token.map, level=token.level, block=True)
    inline = Token("inline", "", 0, map=token.map, level=token.level + 1, content=content, children=[], block=True)
    return [opening, inline, Token("paragraph_close", "p", -1, level=token.level, block=True)]


def _tags(state: StateCore) -> None:
    for token in state.tokens:
        children = token.children
        if children and sum(child.type == "html_inline" for child in children) > 1:
            _pair(children)


def _pair(children: list[Token]) -> None:
    """Rewrite each tag that is closed, in place."""
    opened: list[tuple[str, int]] = []
    for index, child in enumerate(children):
        tag = _TAG.fullmatch(child.content) if child.type == "html_inline" else None
        if tag is None:
            continue
        name = tag["name"].lower()
        if not tag["end"]:
            opened.append((name, index))
            continue
        place = next((n for n in range(len(opened) - 1, -1, -1) if opened[n][0] == name), -1)
        if place >= 0:
            start = opened[place][1]
            del opened[place:]
            if _is_whole(children[start + 1 : index]):
                _rewrite(children, name, start, index)


def _is_whole(inner: list[Token]) -> bool:
    """Whether what opens between two tags ends there too."""
    depth = 0
    for token in inner:
        depth += token.nesting
        if depth < 0:
            return False
    return not depth


def _rewrite(children: list[Token], name: str, start: int, end: int) -> None:
    if name in _MARKS:
        children[start] = Token(f"{_MARKS[name]}_open", name, 1)
        children[end] = Token(f"{_MARKS[name]}_close", name, -1)
    elif name in _CODE and all(token.type in {"text", "code_inline"} for token in children[start + 1 : end]):
        content = "".join(token.content for token in children[start + 1 : end])
        for index in range(start, end + 1):
            children[index] = Token("text", "", 0)
        children[start] = Token("code_inline", "code", 0, content=content)
    elif name in _BARE:
        children[start] = Token("text", "", 0, content="^" if name == "sup" else "")
        children[end] = Token("text", "", 0)
