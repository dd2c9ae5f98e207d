"""Makes the end of an unfinished Markdown text fit to be shown: what is open is closed, what is half there is left out.

For previews of a stream only; the finished text is shown as the model wrote it.
"""

import re
from collections.abc import Sequence

from bot.structure import Line, closes, open_fence, prose, read_lines, stretches_of

_BARE_MARK = re.compile(r"[ \t>]*(?:[-*+=_#~`|]+|\d{1,9}[.)]|[-*+] \[[ xX]?\]?)[ \t]*")
_HALF_IMAGE = re.compile(r"!\[[^\[\]]{0,300}(?:\](?:\([^()\s]*)?)?$")
_HALF_LINK = re.compile(r"\[([^\[\]]{1,300})\]\([^()\s]*(?:[ \t]+[\"'][^\"'()]*[\"']?)?$")
_HALF_LABEL = re.compile(r"\[[^\[\]]{0,300}$")
_HALF_TAG = re.compile(r"<(?:[A-Za-z/!@#][^<>\s]{0,300})?$")
_HALF_EMOJI = re.compile(r"(?<![\w:]):[a-z0-9_+-]{0,40}$")
_OPEN_TAG = re.compile(r"<(summary|kbd|code|samp|b|strong|i|em|s|del|u|mark|sub|sup)>[^<>]*$", re.IGNORECASE)
_TICKS = re.compile(r"(?<!\\)`+")
_FORMULA = re.compile(r"^[ \t>]*(?:\\\[|\$\$|\\begin\{(?P<name>[A-Za-z]{1,30}\*?)\})", re.MULTILINE)
_HALF_FORMULA = re.compile(r"\\\((?P<latex>(?:(?!\\\)).)*)$")
_QUIET = re.compile(r"\\.|(?<=\]\()[^()\s]*(?=\))|<[A-Za-z][^<>\s]*>|https?://[^\s<>]*[^\s<>*_~.,;:!?)\]]")
_RUN = re.compile(r"\*{1,3}|_{1,3}|~{1,2}")


def close_open(markdown: str) -> str:
    """Close an open fence, formula, inline code and emphasis; drop half a link or table row, a bare mark at the end.

    The result renders without broken markup; it may be empty. Never raises.
    """
    *settled, last = stretches_of(markdown)
    head = "".join(settled)
    if head and not _may_hold_formula(head):
        closed = _close(last)
        if closed:  # else white space before it goes too
            return head + closed
    return _close(markdown)


def _close(markdown: str) -> str:
    fence = open_fence(markdown)
    if fence is not None:
        body = markdown.rstrip("\n").split("\n")
        if fence.line >= len(body) - 1:  # the opening line alone, perhaps half of it
            return close_open("\n".join(body[: fence.line]))
        if len(body) - 1 > fence.line + 1 and not markdown.endswith("\n") and _half_closer(body[-1], fence.closer):
            body.pop()
        return "\n".join([*body, fence.closer])
    formula = _close_formula(markdown)
    if formula is not None:
        return formula
    text = _without_half_table(markdown)
    before, newline, last = text.rpartition("\n")
    if _ends_block(text):
        return text
    if _BARE_MARK.fullmatch(last):
        return before.rstrip()
    if last.strip():
        last = _close_line(last)
        if not last.strip() or _BARE_MARK.fullmatch(last):
            return before.rstrip()
    return before + newline + last


def _may_hold_formula(markdown: str) -> bool:
    return any(mark in markdown for mark in ("\\[", "$$", "\\begin{"))


def _close_formula(markdown: str) -> str | None:
    """Close the block of LaTeX that is open at the end, or leave it out where nothing of it is there; None: none is."""
    if not _may_hold_formula(markdown):
        return None
    text = prose(read_lines(markdown))
    position = 0
    while match := _FORMULA.search(text, position):
        opener = match[0].strip(" \t>")
        closer = f"\\end{{{match['name']}}}" if match["name"] else "\\]" if opener == "\\[" else "$$"
        end = text.find(closer, match.end())
        if end < 0:
            latex = markdown[match.end() :].rstrip().rstrip("\\$")
            if not re.search(r"[A-Za-z0-9]", latex):
                return close_open(markdown[: match.start()].rstrip())
            line = latex.rstrip()
            return f"{markdown[: match.end()]}{line}{chr(10) if chr(10) in line else ''}{closer}"
        position = end + len(closer)
    return None


def _half_closer(line: str, closer: str) -> bool:
    bare = line.strip(" \t>")
    mark = closer.strip(" \t>")
    return bool(bare) and len(bare) < len(mark) and not bare.strip(mark[0])


def _ends_block(text: str) -> bool:
    """Tell whether the text ends with a closed fence or a table row, where nothing is open."""
    if not any(mark in text for mark in ("```", "~~~", "|")):
        return False
    lines = read_lines(text.rstrip("\n"))
    return lines[-1].in_table or (lines[-1].is_code and any(closes(lines[-1].text, mark) for mark in ("```", "~~~")))


def _without_half_table(markdown: str) -> str:
    """Drop a last row that is still being written, and a header whose second line is not yet there."""
    if "|" not in markdown:
        return markdown
    whole, newline, last = markdown.rpartition("\n")
    lines = read_lines(markdown)
    if lines[-1].in_table and (last.strip() or not newline):
        if last.rstrip().endswith("|") and _cells(last) >= _cells(_header(lines)):
            return markdown
        lines, last, newline = read_lines(whole), "", ""
        if lines[-1].in_table:
            return whole
    if last.strip():
        whole, newline = markdown, ""
    body = whole.rstrip("\n").split("\n")
    started = len(body)
    while started and body[started - 1].lstrip(" \t>").startswith("|") and not lines[started - 1].in_table:
        started -= 1
    if started < len(body):
        return "\n".join(body[:started]).rstrip()
    return whole + newline


def _header(lines: Sequence[Line]) -> str:
    """The header of the table that the last line is part of."""
    first = len(lines) - 1
    while first and lines[first - 1].in_table:
        first -= 1
    return lines[first].text


def _cells(row: str) -> int:
    return row.count("|") - row.count("\\|")


def _close_line(line: str) -> str:
    bare, open_code = _mask_code(line)
    masked = _mask_quiet(bare)
    if open_code is not None:
        head, ticks = line[: open_code.start()], open_code[0]
        code = line[open_code.end() :].rstrip("`")
        if code.strip():
            return f"{head}{ticks}{code}{ticks}{''.join(_open_emphasis(masked[: open_code.start()])[1])}"
        line, masked, bare = head.rstrip(), masked[: len(head.rstrip())], bare[: len(head.rstrip())]
    if half := _HALF_FORMULA.search(bare):
        latex = line[half.start("latex") :].rstrip("\\ ")
        return f"{line[: half.start('latex')]}{latex}\\)" if latex else line[: half.start()].rstrip()
    if half := _HALF_IMAGE.search(masked):
        line = line[: half.start()]
    elif link := _HALF_LINK.search(masked):
        line = line[: link.start()] + line[link.start(1) : link.end(1)]
    elif half := _HALF_LABEL.search(masked) or _HALF_TAG.search(masked) or _HALF_EMOJI.search(masked):
        line = line[: half.start()]
    if tag := _OPEN_TAG.search(line):
        line = f"{line.rstrip()}</{tag[1]}>" if line[tag.end(1) + 1 :].strip() else line[: tag.start()]
    masked = _mask_quiet(_mask_code(line)[0])
    end, closers = _open_emphasis(masked)
    return line[:end].rstrip() + "".join(closers) if closers or end < len(line) else line


def _mask_code(line: str) -> tuple[str, re.Match[str] | None]:
    """Return the line with code blanked out, and the backticks that are still open."""
    runs = list(_TICKS.finditer(line))
    masked = list(line)
    index = 0
    while index < len(runs):
        closing = next((i for i in range(index + 1, len(runs)) if len(runs[i][0]) == len(runs[index][0])), None)
        if closing is None:
            return "".join(masked), runs[index]
        for position in range(runs[index].start(), runs[closing].end()):
            masked[position] = "x"
        index = closing + 1
    return "".join(masked), None


def _mask_quiet(line: str) -> str:
    """Return the line with addresses and escapes blanked out."""
    return _QUIET.sub(lambda match: "x" * len(match[0]), line)


def _open_emphasis(masked: str) -> tuple[int, list[str]]:
    """Return where the line ends without a mark that has nothing behind it, and what closes the emphasis still open."""
    stack: list[str] = []
    end = len(masked.rstrip())
    for run in _RUN.finditer(masked, 0, end):
        mark = run[0]
        before, after = masked[run.start() - 1 : run.start()], masked[run.end() : run.end() + 1]
        if mark == "~" or (mark[0] == "_" and before.isalnum() and after.isalnum()):
            continue
        if before.strip() and mark in stack:
            del stack[stack.index(mark) :]
        elif before.strip() and len(mark) < 3 and stack[-1:] == [mark[0] * 3]:
            stack[-1] = mark[0] * (3 - len(mark))
        elif before.strip() and len(mark) == 3 and stack[-2:] in ([mark[:2], mark[:1]], [mark[:1], mark[:2]]):
            del stack[-2:]
        elif run.end() == end and (stack or not _is_letter(before) or len(mark) > 1):
            end = run.start()
        elif after.strip():
            stack.append(mark)
    closers = list(reversed(stack))
    return (end if end < len(masked.rstrip()) else len(masked)), closers


def _is_letter(character: str) -> bool:
    """Whether a lone mark behind it is more likely a sign of arithmetic: not so where words have no spaces between."""
    return character.isalnum() and character.isascii()
