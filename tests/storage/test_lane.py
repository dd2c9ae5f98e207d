"""Writes that wait for the database's thread are committed together, and each fails alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.wal import write_transactions
from bot.errors import LeaseLost, StorageFailed
from storage import Store, dialect
from storage.connection import Connection
from storage.records import Ruling
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows

PUT = text("INSERT INTO marks (name, at) VALUES (:name, 1)")
NAMES = "SELECT name FROM marks WHERE name LIKE 'm%' ORDER BY rowid"


def put(connection: Connection, name: str) -> str:
    connection.execute(PUT, {"name": name})
    return name


def put_and_lose(connection: Connection, name: str) -> str:
    put(connection, name)
    raise LeaseLost(name)


@asynccontextmanager
async def busy(store: Store) -> AsyncIterator[Callable[[], None]]:
    """The thread is kept busy until the given function is called, so that what is given meanwhile has to wait."""
    go_on, began = threading.Event(), threading.Event()

    def wait(_connection: Connection) -> None:
        began.set()
        go_on.wait(10)

    waiting = asyncio.create_task(store.database.write(wait))
    assert await asyncio.to_thread(began.wait, 10)
    yield go_on.set
    await waiting


async def given(store: Store, *works: tuple[Callable[[Connection, str], str], str]) -> list[asyncio.Task[str]]:
    """Tasks that have handed their work to the thread."""
    tasks = [asyncio.create_task(store.database.write(work, name)) for work, name in works]
    await asyncio.sleep(0)
    return tasks


async def put_beside_one_that_loses(store: Store) -> None:
    """Give three writes at once, of which the second has lost its right: it alone is told so."""
    async with busy(store) as go_on:
        tasks = await given(store, (put, "m1"), (put_and_lose, "m2"), (put, "m3"))
        go_on()
        first, lost, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert [first, last] == ["m1", "m3"]
    assert isinstance(lost, LeaseLost)


async def test_what_waits_is_committed_at_once_in_the_order_it_was_given(store: Store, path: Path) -> None:
    names = [f"m{number}" for number in range(20)]
    before = write_transactions(path)
    async with busy(store) as go_on:
        tasks = await given(store, *((put, name) for name in names))
        go_on()
        assert await asyncio.gather(*tasks) == names
    assert write_transactions(path) - before == 1
    assert [name for (name,) in rows(path, NAMES)] == names


async def test_a_write_alone_has_a_commit_of_its_own(store: Store, path: Path) -> None:
    before = write_transactions(path)
    for number in range(3):
        await store.database.write(put, f"m{number}")
    assert write_transactions(path) - before == 3


async def test_what_a_write_comes_to_is_foretold_before_anybody_else_can_read_it(store: Store, path: Path) -> None:
    told: list[tuple[str, object]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        before = other.execute("SELECT count(*) FROM messages").fetchall()
        seen = await store.database.write_foretold(lambda name: told.append((name, asyncio.current_task())), put, "m1")
        assert other.execute("SELECT count(*) FROM messages").fetchall() == before
    assert (seen, told) == ("m1", [("m1", None)]), "told once, on the event loop"
    assert rows(path, NAMES) == [("m1",)]


async def test_what_is_foretold_may_be_undone_and_then_it_raises(store: Store, path: Path) -> None:
    def put_what_no_commit_takes(connection: Connection) -> str:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        put(connection, "m1")
        connection.execute(text("INSERT INTO reply_parts (turn_id, number, state, intended_at) VALUES (9, 1, 'x', 1)"))
        return "m1"

    told: list[str] = []
    with pytest.raises(StorageFailed):
        await store.database.write_foretold(told.append, put_what_no_commit_takes)
    assert told == ["m1"]
    assert rows(path, NAMES) == []


async def test_what_is_committed_with_others_is_not_foretold(store: Store, path: Path) -> None:
    told: list[str] = []
    async with busy(store) as go_on:
        others = await given(store, (put, "m1"), (put, "m2"))
        telling = asyncio.create_task(store.database.write_foretold(told.append, put, "m3"))
        await asyncio.sleep(0)
        go_on()
        assert await telling == "m3"
        await asyncio.gather(*others)
    assert told == []


async def test_one_that_has_lost_its_right_is_undone_and_the_others_stand(store: Store, path: Path) -> None:
    before = write_transactions(path)
    await put_beside_one_that_loses(store)
    assert write_transactions(path) - before == 1
    assert rows(path, NAMES) == [("m1",), ("m3",)]


async def test_a_write_that_failed_keeps_no_other_process_from_writing(store: Store, path: Path) -> None:
    with pytest.raises(LeaseLost):
        await store.database.write(put_and_lose, "m1")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    assert rows(path, NAMES) == []


async def test_one_that_the_database_refuses_fails_alone(store: Store, path: Path) -> None:
    async with busy(store) as go_on:
        tasks = await given(store, (put, "m1"), (put, "m1"), (put_and_lose, "m2"), (put, "m3"))
        go_on()
        first, twice, lost, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert [first, last] == ["m1", "m3"]
    assert isinstance(twice, StorageFailed)
    assert isinstance(lost, LeaseLost)
    assert rows(path, NAMES) == [("m1",), ("m3",)]


async def test_where_sqlite_lacks_memory_each_is_done_again_alone(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[object] = []
    commit = dialect.commit

    def lacking_the_second_time(driver: sqlite3.Connection) -> None:
        commits.append(driver)
        if len(commits) == 2:
            raise MemoryError  # as the driver says it
        commit(driver)

    monkeypatch.setattr(dialect, "commit", lacking_the_second_time)
    await put_beside_one_that_loses(store)
    assert rows(path, NAMES) == [("m1",), ("m3",)]


async def test_a_message_that_is_taken_in_again_beside_another_failure_is_ruled_on_once(store: Store) -> None:
    ruled: list[Ruling] = []

    def rule() -> Ruling:
        ruled.append(asks())
        return ruled[-1]

    async with busy(store) as go_on:
        twice = await given(store, (put, "m1"), (put, "m1"))
        accepting = asyncio.create_task(store.inbox.accept(says("1"), "100.1", rule=rule, complete=True))
        await asyncio.sleep(0)
        go_on()
        assert (await accepting).outcome == "queued"
        await asyncio.gather(*twice, return_exceptions=True)
    assert len(ruled) == 1


async def test_who_no_longer_waits_leaves_nothing_behind(store: Store, path: Path) -> None:
    async with busy(store) as go_on:
        first, given_up, last = await given(store, (put, "m1"), (put, "m2"), (put, "m3"))
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        go_on()
        assert list(await asyncio.gather(first, last)) == ["m1", "m3"]
    assert rows(path, NAMES) == [("m1",), ("m3",)]


async def test_where_another_program_holds_the_database_all_that_wait_learn_it_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.5)
    store = await Store.open(f"sqlite:///{path}")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    tasks = await given(store, *((put, f"m{number}") for number in range(20)))
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, StorageFailed) for end in ends)
    assert time.monotonic() - began < 5.0  # one after the other they would wait for ten seconds
    holder.close()
    assert await store.database.write(put, "m1") == "m1"
    await store.close()
    assert rows(path, NAMES) == [("m1",)]
