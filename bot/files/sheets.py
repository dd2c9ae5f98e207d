"""A workbook → text: its sheets as CSV, with the values that their formulas last had.

Runs in a process of its own (`opening.py`), which bounds its time and memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from bot.files.kinds import NO_TEXT, Unreadable
from bot.files.packages import checked

# A sheet may have 16,384. With more than these it is no table that anybody reads.
MOST_COLUMNS = 256


def xlsx(data: bytes) -> Iterator[str]:
    """The sheets of a workbook that people see, row by row as CSV, each under its name.

    Raises `Unreadable`, and whatever the library makes of a malformed one.
    """
    package = checked(data)
    from openpyxl import load_workbook  # noqa: PLC0415 (in here alone what is needed is loaded)

    some = False
    # Reading only, it goes through a sheet as through a stream.
    workbook = load_workbook(package, read_only=True, data_only=True, keep_links=False)
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        # What a sheet says of its own size may be wrong either way.
        sheet.reset_dimensions()
        title = f"[sheet {sheet.title}]\n"
        for row in sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True):
            if cells := _filled([_shown(value) for value in row]):
                yield f"{title}{_line(cells)}"
                title, some = "", True
        yield "" if title else "\n"
    if not some:
        raise Unreadable(NO_TEXT)


def _filled(cells: list[str]) -> list[str]:
    """Cells without the empty ones at their end."""
    return cells[: max((number for number, cell in enumerate(cells, start=1) if cell), default=0)]


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            # As people see it: what a computer stores of 0.1 + 0.2 says nothing to them.
            return f"{value:.15g}"
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case _:
            return str(value)


def _line(cells: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()
