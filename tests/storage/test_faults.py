"""The database fails while the bot runs: `StorageFailed`, nothing half written, and well again afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from bot.errors import StorageFailed
from storage import Store, dialect
from storage.connection import Connection
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows

COUNT = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM turns), (SELECT count(*) FROM conversations)"


async def accept(store: Store, message_id: str, words: str = "hello") -> None:
    await store.inbox.accept(says(message_id, words), "100.1", rule=asks, complete=True)


async def test_a_write_while_another_program_holds_the_file_fails_and_the_next_succeeds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.05)
    store = await Store.open(f"sqlite:///{path}")
    holder = sqlite3.connect(path)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="database is locked"):
        await accept(store, "1", "a secret")
    assert await store.turns.open_count() == 0  # reading goes on
    holder.close()
    await accept(store, "1")
    await store.close()
    assert rows(path, COUNT) == [(1, 1, 1)]


async def test_a_write_waits_for_another_program_that_is_done_soon(store: Store, path: Path) -> None:
    holder = sqlite3.connect(path, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, holder.close)
    release.start()
    await accept(store, "1")
    release.join()


_FULL = """
import asyncio, resource, sys
from pathlib import Path
from bot import logs
from bot.errors import StorageFailed
from storage import Store
from tests.storage.people import asks, says

logs.configure("critical", "json")

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path):
    store = await Store.open(f"sqlite:///{path}")
    accept = lambda i, words: store.inbox.accept(says(i, words), "100.1", rule=asks, complete=True)
    await accept("1", "fits")
    limit(Path(path + "-wal").stat().st_size + 10_000)
    try:
        await accept("2", "too long " * 10_000)
    except StorageFailed as failed:
        sys.stdout.write(f"failed: {failed}; ")
    sys.stdout.write(f"reads: {(await store.inbox.standing(says('1').address, '100.1', '2')).began is not None}; ")
    limit(resource.RLIM_INFINITY)
    sys.stdout.write((await accept("2", "fits again")).outcome)
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_fails_the_write_alone(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL, str(path)], check=False, capture_output=True, text=True)
    assert not done.stderr
    assert done.stdout in {
        "failed: disk I/O error; reads: True; joined",
        "failed: database or disk is full; reads: True; joined",
    }
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT platform_id, text FROM messages") == [("1", "fits"), ("2", "fits again")]


async def test_a_want_of_memory_is_a_trouble_of_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = dialect.commit

    def lacking(driver: sqlite3.Connection) -> None:
        monkeypatch.setattr(dialect, "commit", commit)
        raise MemoryError  # as the driver says it

    monkeypatch.setattr(dialect, "commit", lacking)
    with capture_logs() as said, pytest.raises(StorageFailed, match="out of memory"):
        await accept(store, "1")
    [trouble] = [line for line in said if line["event"] == "database_trouble"]
    assert "more memory" in trouble["cure"]
    monkeypatch.setattr(dialect, "commit", lacking)
    await store.database.insist(lambda connection: None)
    await accept(store, "1")


async def test_a_damaged_file_fails_what_touches_the_damage(path: Path) -> None:
    store = await Store.open(f"sqlite:///{path}")
    await accept(store, "1")
    await store.close()
    _damage(path, "messages")
    store = await Store.open(f"sqlite:///{path}")
    with pytest.raises(StorageFailed, match="malformed"):
        await store.history.until(1, 1, 0)
    with pytest.raises(StorageFailed, match="malformed"):
        await accept(store, "2")
    await store.controls.of_workspace("slack", "T1")
    await store.close()
    assert rows(path, "SELECT count(*) FROM turns") == [(1,)]


async def test_no_failure_repeats_what_people_wrote(store: Store) -> None:
    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(
                text("INSERT INTO settings VALUES ('p', 'w', 'c', 't', 'n', :value, 'u', 0)").bindparams(
                    value="a secret"
                )
            )

    with pytest.raises(StorageFailed) as raised:
        await store.database.write(twice)
    assert "UNIQUE constraint failed" in str(raised.value)
    assert "a secret" not in f"{raised.value} {raised.value.__cause__}"
    assert await store.controls.of_workspace("slack", "T1") == []


async def test_work_that_raises_is_undone_and_what_it_raised_arrives(store: Store, path: Path) -> None:
    def breaks(connection: Connection) -> None:
        connection.execute(text("INSERT INTO settings VALUES ('p', 'w', 'c', 't', 'n', 'v', 'u', 0)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.database.write(breaks)
    await accept(store, "1")
    assert rows(path, "SELECT count(*) FROM settings") == [(0,)]


class Held:
    """A piece of work that stays in the middle of its transaction until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection: Connection) -> None:
        connection.execute(text("INSERT INTO settings VALUES ('p', 'w', 'c', 't', 'n', 'v', 'u', 0)"))
        self.begun.set()
        self.go.wait(10)


async def test_a_task_cancelled_in_the_middle_of_its_write_leaves_a_whole_transaction_and_no_lock(
    store: Store, path: Path
) -> None:
    held = Held()
    writing = asyncio.create_task(store.database.write(held))
    await asyncio.to_thread(held.begun.wait, 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    next_write = asyncio.create_task(accept(store, "1"))
    held.go.set()
    await next_write
    assert rows(path, "SELECT count(*) FROM settings") == [(1,)]
    outside = sqlite3.connect(path, timeout=0)
    outside.execute("BEGIN IMMEDIATE")
    outside.close()


async def test_a_write_cancelled_before_its_turn_never_happens(store: Store, path: Path) -> None:
    held = Held()
    first = asyncio.create_task(store.database.write(held))
    await asyncio.to_thread(held.begun.wait, 10)
    waiting = asyncio.create_task(accept(store, "1"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    held.go.set()
    await first
    await accept(store, "2")
    assert rows(path, "SELECT platform_id FROM messages") == [("2",)]


async def test_writes_cancelled_at_any_moment_are_whole_or_not_there(store: Store, path: Path) -> None:
    for number in range(60):
        task = asyncio.create_task(accept(store, str(number)))
        await asyncio.sleep(number / 20_000)
        task.cancel()
        await asyncio.wait([task])
    await accept(store, "last")
    [(messages, turns, _)] = rows(path, COUNT)
    assert isinstance(messages, int)
    assert 1 <= messages <= 61
    assert turns == 1
    assert rows(path, "SELECT count(*) FROM messages WHERE turn_id IS NULL") == [(0,)]


async def test_many_at_once_are_all_stored(store: Store, path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(accept(store, str(number % 50)))
    assert rows(path, COUNT) == [(50, 1, 1)]


async def test_reading_does_not_wait_for_a_write_and_sees_all_that_was_written_before(store: Store) -> None:
    await accept(store, "1")
    held = Held()
    writing = asyncio.create_task(store.database.write(held))
    await asyncio.to_thread(held.begun.wait, 10)
    assert await store.turns.open_count() == 1
    held.go.set()
    await writing


async def test_closing_lets_writes_end_and_refuses_more(path: Path) -> None:
    store = await Store.open(f"sqlite:///{path}")
    held = Held()
    writing = asyncio.create_task(store.database.write(held))
    await asyncio.to_thread(held.begun.wait, 10)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    held.go.set()
    await asyncio.gather(writing, closing)
    await store.close()
    with pytest.raises(StorageFailed, match="closed"):
        await accept(store, "1")
    assert _no_log_is_left(path)
    _threads_end()


def _no_log_is_left(path: Path) -> bool:
    return not Path(f"{path}-wal").exists()


def _threads_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("parley-"):
            thread.join(2)
            assert not thread.is_alive()


def _damage(path: Path, table: str) -> None:
    [(page,)] = rows(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")  # noqa: S608
    [(size,)] = rows(path, "PRAGMA page_size")
    assert isinstance(page, int)
    assert isinstance(size, int)
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
