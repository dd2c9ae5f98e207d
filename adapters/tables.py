"""Tables for chats that have none: aligned columns for a monospaced block, or a list of records where that is too wide.

Widths are what a terminal would give the characters: two columns for 日 and 👍, none for combining marks.
"""

from collections.abc import Callable

from markdown_it.token import Token
from rich.cells import cell_len

from adapters.markdown import plain_text

WIDEST = 92
"""Columns of a monospaced table that a desktop window shows without wrapping."""


def rows_of(tokens: list[Token]) -> list[list[Token]]:
    """The inline tokens of a table's cells, row by row, the header first."""
    rows: list[list[Token]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token)
    return rows


def sides_of(tokens: list[Token]) -> list[str]:
    """To which side each column is aligned: `left`, `right`, `center`, or empty where the table does not say."""
    styles = (str(token.attrGet("style") or "") for token in tokens if token.type == "th_open")
    return [style.removeprefix("text-align:") for style in styles]


def aligned(tokens: list[Token]) -> list[str] | None:
    """The table's words as lines of aligned columns; None where they are too wide, or links would lose their address.

    A table of a header alone is always one: there is nothing to tell of it otherwise.
    """
    rows = rows_of(tokens)
    cells = [[" ".join(plain_text(cell.children or []).split()) for cell in row] for row in rows]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(cells[0]))]
    has_links = any(
        child.type in {"link_open", "image"} for row in rows for cell in row for child in cell.children or []
    )
    if len(rows) > 1 and (has_links or sum(widths) + 3 * (len(widths) - 1) > WIDEST):
        return None
    sides = sides_of(tokens)
    lines = [_line(row, widths, sides) for row in cells]
    return [lines[0], "─┼─".join("─" * width for width in widths), *lines[1:]]


def _line(cells: list[str], widths: list[int], sides: list[str]) -> str:
    padded = []
    for cell, width, side in zip(cells, widths, sides, strict=True):
        space = width - cell_len(cell)
        left = space if side == "right" else space // 2 if side == "center" else 0
        padded.append(" " * left + cell + " " * (space - left))
    return " │ ".join(padded).rstrip()


def records(tokens: list[Token], write: Callable[[list[Token]], str], bullets: tuple[str, str]) -> list[str]:
    """The table as a list: a row's first cell heads the others. `write` writes a cell's inline tokens on one line."""
    header, *body = [[write(cell.children or []) for cell in row] for row in rows_of(tokens)]
    lines: list[str] = []
    for row in body:
        head = f"{header[0]}: {row[0]}" if header[0] and row[0] else row[0] or header[0]
        lines.append(f"{bullets[0]}{head}")
        named = zip(header[1:], row[1:], strict=True)
        lines += [f"{bullets[1]}{name}: {cell}" if name else bullets[1] + cell for name, cell in named if cell]
    return lines
