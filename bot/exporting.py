"""`parley export`: what is kept of a workspace or a person, as JSON lines; docs/export.md lists the fields.

A file is written under another name and gets its own once it is whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from bot.attached import EXIT_BAD_SETUP, EXIT_DONE, EXIT_NOTHING_DONE, Work, note
from storage.database import Database
from storage.export import Export, Row

_TIMES = frozenset({"at", "sent_at", "created_at", "finished_at", "set_at", "until"})
# The owner's alone: it holds what people said.
_MODE = 0o600

Rows = AsyncIterator[tuple[str, Row]]


def of_workspace(platform: str, workspace: str) -> Callable[[Database], Rows]:
    """All that is kept of a workspace."""
    return lambda database: Export(database).of_workspace(platform, workspace)


def of_person(platform: str, user_id: str) -> Callable[[Database], Rows]:
    """What is kept of a person."""
    return lambda database: Export(database).of_person(platform, user_id)


def exporting(rows_of: Callable[[Database], Rows], file: Path | None, *, replace: bool) -> Work:
    """Write all rows to a file, or to standard output where none is named."""

    in_the_way = file is not None and file.exists() and not replace

    async def work(database: Database) -> int:
        if in_the_way:
            note(f"{file} is there already; --force replaces it.")
            return EXIT_BAD_SETUP
        try:
            count = await _write(rows_of(database), file)
        except BrokenPipeError:
            # Whoever read it has enough. What is left in the buffer has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_NOTHING_DONE
        except OSError as error:
            note(f"{file or 'Standard output'} cannot be written ({error.strerror}).")
            return EXIT_BAD_SETUP
        note(f"{count:,} lines" if count else "Nothing is kept of that.")
        return EXIT_DONE if count else EXIT_NOTHING_DONE

    return work


async def _write(rows: Rows, file: Path | None) -> int:
    if file is None:
        count = await _write_lines(rows, sys.stdout)
        sys.stdout.flush()
        return count
    with _becoming(file) as out:
        return await _write_lines(rows, out)


@contextmanager
def _becoming(file: Path) -> Iterator[TextIO]:
    """A file under another name, which gets its own once it is whole, and is gone if it never is."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w", encoding="utf-8") as out:
            yield out
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


async def _write_lines(rows: Rows, out: TextIO) -> int:
    count = 0
    async for kind, row in rows:
        out.write(json.dumps({"kind": kind, **{name: _plain(name, value) for name, value in row.items()}}) + "\n")
        count += 1
    return count


def _plain(name: str, value: Any) -> Any:
    if name in ("attachments", "files"):
        return [asdict(each) for each in value or ()]
    if name in _TIMES and value is not None:
        return f"{datetime.fromtimestamp(value / 1_000_000, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return value
