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
    """Copy the database at `url` into `file`; `replace` allows one that exists, and puts away what stands beside it.

    Blocks until it is done. Raises `BackupRefused`, and `DatabaseUnusable` for an address that names no SQLite file;
    then what was at `file` is there, with all it held.
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
        if replace:
            _put_away(file)
        else:
            _make_sure_it_is_free(file)
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
    theirs = {part.resolve() for part in (file, *_beside_of(file))}
    if theirs & own or (file.exists() and file.samefile(source)):
        raise BackupRefused(f"{file} is the database itself", "Name another file, best on another disk.")
    if not replace:
        _make_sure_it_is_free(file)
    if file.exists() and not file.is_file():
        raise BackupRefused(f"{file} is no ordinary file", "Name another one.")
    if not file.parent.is_dir():
        raise BackupRefused(f"there is no folder {file.parent}", "Make it, or name a file in another one.")


def _beside_of(file: Path) -> list[Path]:
    """The files that SQLite would take for the log of what is at `file`, as far as they are there."""
    parts = [file.with_name(file.name + part) for part in _PARTS if part]
    return [part for part in parts if part.exists() or part.is_symlink()]


def _make_sure_it_is_free(file: Path) -> None:
    """Refuse a name that is taken: by a file, or by the log of one that was there, which SQLite would take for ours."""
    if file.exists():
        raise BackupRefused(f"{file} exists already", "Name a new file, or add --force to replace it.")
    if left := _beside_of(file):
        names = ", ".join(part.name for part in left)
        raise BackupRefused(
            f"beside {file} stands what belonged to a database of that name ({names})",
            "Name a new file, or add --force to remove it.",
        )


def _put_away(file: Path) -> None:
    """Let nothing stand beside `file` that SQLite would read into the copy which is about to be put there.

    The file takes in what its log holds first, so that it is whole without it: killed at any moment, this leaves either
    the old copy or the new.
    """
    if not _beside_of(file):
        return
    # SQLite's log of what a link leads to stands there, not here.
    if file.exists() and not file.is_symlink() and not _takes_in_its_log(file):
        file.unlink()  # no database can be made of it any more
    for part in _beside_of(file):
        part.unlink()
    with suppress(PermissionError):
        _keep(file.parent)


def _takes_in_its_log(file: Path) -> bool:
    """Have a database take in what stands beside it; whether it is one. Refuses one that is in use."""
    way_out = "End the program that uses it, or name another file."
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=dialect.BUSY_TIMEOUT_SECONDS)
        ) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").close()
            # Nobody else may have it open for that.
            [(mode,)] = connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if dialect.lasts(error):
            return False
        raise BackupRefused(f"{file} cannot be replaced ({error})", way_out) from None
    if mode != "delete":
        raise BackupRefused(f"{file} cannot be replaced (it is open in another program)", way_out)
    return True


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


def _keep(path: Path) -> None:
    """Have the disk keep a file or folder: a power cut from here on does not take it back."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
