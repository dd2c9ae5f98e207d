"""PDF and Word documents → text. Runs in a process of its own (`opening.py`), which bounds its time and memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from bot.files.kinds import NO_TEXT, PROTECTED, Unreadable
from bot.files.packages import checked

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

# Of one PDF. With more, what a model is shown would have ended long before.
MOST_PAGES = 2_000
SCAN = "there is no text in it: it may be a scan"


def pdf(data: bytes) -> Iterator[str]:
    """The text of a PDF, page by page, each with its number where there are several.

    Raises `Unreadable`, and whatever the library makes of a malformed one.
    """
    from pypdf import PdfReader  # noqa: PLC0415 (in here alone what is needed is loaded)
    from pypdf.errors import DependencyError, FileNotDecryptedError  # noqa: PLC0415

    some = False
    try:
        reader = PdfReader(io.BytesIO(data))
        # Some documents only forbid printing: those open with the empty password.
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable(PROTECTED)
        several = len(reader.pages) > 1
        for number, page in enumerate(islice(reader.pages, MOST_PAGES), start=1):
            if text := page.extract_text().strip():
                some = True
                yield f"[page {number}]\n{text}\n\n" if several else text
    except (FileNotDecryptedError, DependencyError):
        raise Unreadable(PROTECTED) from None
    if not some:
        raise Unreadable(SCAN)


def docx(data: bytes) -> Iterator[str]:
    """The text of a Word document: headings, lists and tables as Markdown.

    Raises `Unreadable`, and whatever the library makes of a malformed one.
    """
    package = checked(data)
    from docx import Document  # noqa: PLC0415
    from docx.table import Table  # noqa: PLC0415

    some = False
    for block in Document(package).iter_inner_content():
        piece = _table(block) if isinstance(block, Table) else _paragraph(block)
        some = some or bool(piece)
        yield piece
    if not some:
        raise Unreadable(NO_TEXT)


def _paragraph(paragraph: Paragraph) -> str:
    text = paragraph.text.strip()
    if not text:
        return ""
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if style.startswith("Heading ") and style[-1].isdigit():
        return f"{'#' * int(style[-1])} {text}\n\n"
    return f"- {text}\n" if style.startswith("List") else f"{text}\n\n"


def _table(table: Table) -> str:
    rows = [[" ".join(cell.text.split()).replace("|", "\\|") for cell in row.cells] for row in table.rows]
    if not any(any(row) for row in rows):
        return ""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n"
