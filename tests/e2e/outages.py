"""Ways in which a running worker's database goes away and comes back: real locks, real full disks, real limits."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DISK_BYTES = 4_000_000


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A disk of 4 MB, mounted at a folder; skips the test where this machine lets nobody mount one."""
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(at)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    command = ["umount", "--lazy", str(at)]
    try:
        yield at
    finally:
        subprocess.run(command, check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """The disk has not one byte left."""
    filler = disk / "filler"
    with filler.open("xb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Another process, this one, is in the middle of a write."""
    holder = sqlite3.connect(database, isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@contextmanager
def unwritable(process: int, database: Path) -> Iterator[None]:
    """Writes of a process past the present end of the database's log fail: to SQLite an I/O error."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    size = os.stat(f"{database}-wal").st_size  # noqa: PTH116 - the name is not the file's own
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def damage(database: Path, table: str) -> None:
    """Overwrite the root page of a table, as a failing disk does."""
    with sqlite3.connect(database) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        [(size,)] = connection.execute("PRAGMA page_size")
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
