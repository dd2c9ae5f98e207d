"""A consistent copy of the database while a worker reads and writes it, by SQLite's online backup.

The copy is one read transaction: it holds all that was committed before it began, and keeps no writer waiting. It
becomes FILE by a rename, once it is whole, checked and on the disk: FILE is never half a backup. It is marked as a
copy: `restoring.py` says what for.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import BackupRefused
from storage import dialect
from storage.marks import COPIED
from storage.records import now

# What stands beside a database belongs to it.
_PARTS = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied: the file's size in bytes, the messages it holds, and the seconds it took."""

    file: Path
    size: int
    messages: int
    seconds: float


def back_up(url: str, file: Path, *, replace: bool) -> Backup:
    """Copy the database at `url` into `file`; `replace` allows one that exists.

    Blocks until it is done. Raises `BackupRefused`, and `DatabaseUnusable` for an address that names no SQLite file;
    then whatever was at `file` is as it was.
    """
    began, began_at = time.monotonic(), now()
    source = Path(dialect.database_url(url).database or "")
    file = file.expanduser().absolute()
    _look_at(source, file, replace=replace)
    with _beside(file) as unfinished:
        _copy(source, unfinished)
        messages = _check(source, unfinished)
        _mark(source, unfinished, began_at)
        _keep(unfinished)
        if not replace and file.exists():
            raise _exists(file)
        unfinished.replace(file)
        with suppress(PermissionError):  # Windows opens no folders
            _keep(file.parent)
    return Backup(file, file.stat().st_size, messages, time.monotonic() - began)


def _look_at(source: Path, file: Path, *, replace: bool) -> None:
    """Refuse what can be seen to be wrong before anything is written."""
    if not source.is_file():
        raise BackupRefused(f"there is no database at {source}", "Set DATABASE_URL as it is for the bot.")
    if file.is_dir():
        raise BackupRefused(f"{file} is a folder", f"Name a file in it, for example {file / 'parley-backup.db'}.")
    own = {source.resolve().with_name(source.resolve().name + part) for part in _PARTS}
    if file.resolve() in own or (file.exists() and file.samefile(source)):
        raise BackupRefused(f"{file} is the database itself", "Name another file, best on another disk.")
    if file.exists() and not replace:
        raise _exists(file)
    if file.exists() and not file.is_file():
        raise BackupRefused(f"{file} is no ordinary file", "Name another one.")
    if not file.parent.is_dir():
        raise BackupRefused(f"there is no folder {file.parent}", "Make it, or name a file in another one.")


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A new file in the folder of `file`, readable by its owner alone; removed at the end if it is still there."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".unfinished", dir=file.parent)
    except OSError as error:
        raise BackupRefused(
            f"the folder {file.parent} cannot be written ({error.strerror})", "Name a file in another folder."
        ) from None
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
    except OSError as error:
        raise BackupRefused(
            f"{file} cannot be written ({error.strerror})", "Free some space, or name a file on another disk."
        ) from None
    finally:
        for part in _PARTS:
            with suppress(FileNotFoundError):
                unfinished.with_name(unfinished.name + part).unlink()


def _copy(source: Path, target: Path) -> None:
    deadline = time.monotonic() + dialect.BUSY_TIMEOUT_SECONDS

    def give_up_when_busy(status: int, _remaining: int, _total: int) -> None:
        # The driver itself would try for ever.
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise BackupRefused(f"{source} is held by another program", "End that one, then try again.")

    # Not to be made where it is missing. The last to close a database tidies up, for which it must be writable.
    address = f"{source.as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=dialect.BUSY_TIMEOUT_SECONDS)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.execute("PRAGMA query_only=ON").close()
            # All pages in one step: between steps, each write of the worker would begin the copy anew.
            reading.backup(writing, pages=-1, progress=give_up_when_busy)
            # One file that can be read anywhere; the bot's next start takes it back to the log beside it.
            writing.execute("PRAGMA journal_mode=DELETE").close()
    except sqlite3.Error as error:
        raise _failed(source, error) from None


def _check(source: Path, copy: Path) -> int:
    """How many messages a copy holds, once it has been found whole."""
    try:
        with closing(sqlite3.connect(copy)) as connection:
            [(found,)] = connection.execute("PRAGMA quick_check(1)")
            if found != "ok":
                raise BackupRefused(f"{source} is damaged, and so is a copy of it", dialect.DAMAGED)
            [(messages,)] = connection.execute("SELECT count(*) FROM messages")
    except sqlite3.Error as error:
        raise _failed(source, error) from None
    return int(messages)


def _mark(source: Path, copy: Path, at: int) -> None:
    """Write down in a copy that it is one, made at that moment; a copy of a copy keeps the moment of the first."""
    try:
        with closing(sqlite3.connect(copy)) as connection, connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'marks'").fetchone():
                return  # from before there were any
            connection.execute("INSERT INTO marks (name, at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (COPIED, at))
    except sqlite3.Error as error:
        raise _failed(source, error) from None


def _failed(source: Path, error: sqlite3.Error) -> BackupRefused:
    return BackupRefused(f"{source} cannot be copied ({error})", dialect.cure(error))


def _exists(file: Path) -> BackupRefused:
    return BackupRefused(f"{file} exists already", "Name a new file, or add --force to replace it.")


def _keep(path: Path) -> None:
    """Have the disk keep a file or folder: a power cut from here on does not take it back."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
