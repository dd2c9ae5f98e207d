"""What belongs together within the lines of a Markdown text: links, code, emphasis, sentences, words, characters.

Found without parsing, in time that grows with the text: a wrong guess only moves a cut.
"""

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

_TICKS = re.compile(r"`+")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_LABEL = r"\[(?:[^\[\]\\\n]|\\.|\[[^\[\]\n]{0,200}\]|\n(?!\s*\n)){0,1000}\]"
_TOGETHER = re.compile(
    rf"!?\[!{_LABEL}\([^()\s]*\)\]\([^()\s]*\)"
    rf"|!?{_LABEL}(?:\((?:[^()\s]|\([^()\s]*\))*(?:[ \n][\"'][^\"'\n]*[\"'])?\)|\[[^\[\]\n]{{0,200}}\])?"
    r"|<[A-Za-z][^<>\n]{0,1000}>"
    r"|https?://[^\s<>]+"
    r"|\$\$[^$]{1,1000}\$\$|\\\(.{1,500}?\\\)|\\\[[^\0]{1,1000}?\\\]"
)
_EMPHASIS = re.compile(
    r"(?<![*\w])(\*{1,3})(?=\S)[^*\n]{1,300}?(?<=\S)\1(?!\*)"
    r"|(?<![_\w])(_{1,3})(?=\S)[^_\n]{1,300}?(?<=\S)\2(?![_\w])"
    r"|~~(?=\S)[^~\n]{1,300}?~~"
)
_HALF_TAG = re.compile(r"<[A-Za-z][^<>\s]*$")
_HALF_BOLD = re.compile(r"(?<![^\s(\[])\*\*(?=[^\s*])[^*\n]{1,300}\*?$")
_HALF_WITHIN = 400
"""How many characters before the end of a window something half-open is looked for."""

_SENTENCE_END = re.compile(r"[.!?…:;][\"'”’)\]*_]*[ \t]+(?=[^a-z\s])|[。！？；][”’」』）]*(?=\S)")
_SPACE = re.compile(r"[ \t]+(?=\S)|(?<=[，、：])(?=\S)")
_LOOKS_LIKE_BLOCK = re.compile(
    r"(?:[-*+]|\d{1,9}[.)])(?:\s|$)|#{1,6}(?:\s|$)|>|```|~~~|\||={1,}\s*$|-{1,}\s*$|\[[^\]]+\]:"
)


@lru_cache(maxsize=64)
def together(markdown: str) -> tuple[tuple[int, int], ...]:
    """Return the spans (start, end) of prose that no cut should fall into: links, code, addresses, formulas."""
    code = _code_spans(markdown)
    for start, end in code:
        markdown = f"{markdown[:start]}{'x' * (end - start)}{markdown[end:]}"
    spans = code + [match.span() for match in _TOGETHER.finditer(markdown)]
    half = _half_open(markdown)
    if half is not None:
        spans.append((half, len(markdown)))
    return tuple(_merged(spans))


def _half_open(markdown: str) -> int | None:
    """Return where a link, code, bold text or formula starts whose end may lie behind the end of the text."""
    first = max(0, len(markdown) - _HALF_WITHIN)
    line = max(first, markdown.rfind("\n", first) + 1)
    found = [_half_link(markdown, line), markdown.rfind("\\(", line), markdown.rfind("\\[", first)]
    found = [start for start in found if start >= 0 and not _is_closed(markdown, start)]
    found += [match.start() for match in (_HALF_TAG.search(markdown, line), _HALF_BOLD.search(markdown, line)) if match]
    ticks = markdown.find("`", line)
    if ticks >= 0:
        found.append(ticks)
    return min(found, default=None)


def _is_closed(markdown: str, start: int) -> bool:
    closer = {"\\(": "\\)", "\\[": "\\]"}.get(markdown[start : start + 2])
    return closer is not None and closer in markdown[start:]


def _half_link(markdown: str, first: int) -> int:
    """Return where the label of an unfinished link starts, or -1."""
    opened: list[int] = []
    label = -1
    for index in range(first, len(markdown)):
        if markdown[index] == "[":
            opened.append(index)
        elif markdown[index] == "]" and opened:
            label = opened.pop()
    if opened:
        return opened[0] - (markdown[opened[0] - 1 : opened[0]] == "!")
    target = markdown.rfind("](", first)
    if label < 0 or target < 0:
        return -1
    address = markdown[target + 2 :]
    return label if not re.search(r"\s", address) and address.count("(") >= address.count(")") else -1


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _code_spans(markdown: str) -> list[tuple[int, int]]:
    """Return the spans of inline code: from a run of backticks to the next of its length in the same paragraph."""
    spans: list[tuple[int, int]] = []
    start = 0
    for end in [*(match.end() for match in _PARAGRAPH_END.finditer(markdown)), len(markdown)]:
        runs = [match.span() for match in _TICKS.finditer(markdown, start, end)]
        by_length: dict[int, list[int]] = {}
        for index, (first, last) in enumerate(runs):
            by_length.setdefault(last - first, []).append(index)
        index = 0
        while index < len(runs):
            same = by_length[runs[index][1] - runs[index][0]]
            place = bisect_right(same, index)
            if place < len(same):
                spans.append((runs[index][0], runs[same[place]][1]))
                index = same[place]
            index += 1
        start = end
    return spans


def emphasised(markdown: str) -> list[tuple[int, int]]:
    """Return the spans of emphasis: cutting in one shows its marks."""
    return [match.span() for match in _EMPHASIS.finditer(markdown)]


def sentences(line: str) -> list[int]:
    """Return where sentences start in a line, the first left out."""
    return [match.end() for match in _SENTENCE_END.finditer(line) if not _LOOKS_LIKE_BLOCK.match(line, match.end())]


def words(line: str) -> list[int]:
    """Return where words start in a line, the first left out, and so are words that would start a block."""
    return [match.end() for match in _SPACE.finditer(line) if not _LOOKS_LIKE_BLOCK.match(line, match.end())]


def is_boundary(text: str, index: int) -> bool:
    """Tell whether what a reader sees as one character ends at `index` (an approximation of UAX #29)."""
    if not 0 < index < len(text):
        return True
    before, after = text[index - 1], text[index]
    if after.isascii() and before.isascii():
        return not (before == "\r" and after == "\n")
    if "\u200d" in (before, after) or "\udc00" <= after <= "\udfff":
        return False
    if unicodedata.category(after) in {"Mn", "Mc", "Me"} or "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    if "\U000e0020" <= after <= "\U000e007f" or ("\u1160" <= after <= "\u11ff"):
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        start = index
        while start and _is_flag_half(text[start - 1]):
            start -= 1
        return (index - start) % 2 == 0
    return True


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
