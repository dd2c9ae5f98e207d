"""A backup in the place of the database: what came before is over, once, and stays with an operator."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import DatabaseUnusable
from storage import Store, restoring
from storage.backup import back_up
from storage.database import Database
from storage.dead_letters import DeadLetters
from storage.money import Reservation, Spender
from storage.records import now
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows
from tests.storage.test_migrating import make
from tests.storage.test_turns import ask, take

MARK = "SELECT at FROM marks WHERE name = 'copied'"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "copy.db"


@pytest.fixture
async def restored(store: Store, path: Path, copy: Path) -> AsyncIterator[Store]:
    """A backup, open, of a database with a turn in each state: answered 1, failed 2, running 3, queued 4."""
    for number, state in ((1, "answered"), (2, "failed")):
        await ask(store, str(number), f"t{number}")
        await store.turns.finish(await take(store), state, failure="QuotaExhausted" if state == "failed" else None)  # type: ignore[arg-type]
    await ask(store, "3", "t3")
    running = await take(store)
    spender = Spender("slack", "T1", "C1", "U1")
    for key in (running.key, "of something else"):
        await store.budgets.reserve(Reservation(key, spender, 10, now() + 60_000_000), [], lambda *_: True)
    await store.answers.stop(running.turn_id, "Ada")
    await store.turns.keep_outcome(running, "{}")
    await ask(store, "4", "t4")
    await asyncio.to_thread(back_up, url_of(path), copy, replace=False)
    opened = await Store.open(url_of(copy))
    yield opened
    await opened.close()


async def test_a_backup_is_marked_as_one_with_its_moment_and_the_original_is_not(path: Path, copy: Path) -> None:
    before = now()
    back_up(url_of(path), copy, replace=False)
    [(at,)] = rows(copy, MARK)
    assert isinstance(at, int) and before <= at <= now()
    assert rows(path, MARK) == []
    assert rows(copy, "PRAGMA journal_mode") == [("delete",)]
    further = copy.with_name("further.db")
    back_up(url_of(copy), further, replace=False)
    assert rows(further, MARK) == [(at,)]


async def test_what_was_open_in_a_backup_is_left_to_the_operator_and_what_was_said_before_is_over(
    restored: Store, copy: Path
) -> None:
    [(at,)] = rows(copy, MARK)
    before = now()
    assert await restoring.take_up(restored.database) == restoring.TakenUp(at, ended=2)  # type: ignore[arg-type]
    assert before <= await restored.marks.born() <= now()
    assert rows(copy, MARK) == []
    assert await restored.turns.open_count() == 0
    letters = DeadLetters(restored.database)
    listed, _ = await letters.failed()
    assert [(line.id, line.failure) for line in listed] == [(4, "Restored"), (3, "Restored"), (2, "QuotaExhausted")]
    assert all(line.finished_at is not None and line.lease_owner is None for line in listed)
    assert rows(copy, "SELECT key FROM reservations") == [("of something else",)]
    # It is asked anew, not ended by a wish of then, nor answered with what a process of then had heard.
    assert [d.outcome async for d in letters.retry([3])] == ["done"]
    again = await take(restored)
    assert (again.turn_id, again.attempt, again.outcome, again.stopped_by) == (3, 2, None, None)


async def test_a_backup_is_taken_up_once_and_a_database_that_is_none_never(restored: Store, store: Store) -> None:
    assert await restoring.take_up(restored.database) is not None
    await restored.inbox.accept(says("5"), "t5", rule=asks, complete=True)
    born = await restored.marks.born()
    assert await restoring.take_up(restored.database) is None
    assert (await restored.turns.open_count(), await restored.marks.born()) == (1, born)
    assert await restoring.take_up(store.database) is None
    assert await store.turns.open_count() == 2


async def test_of_two_workers_that_open_a_backup_at_once_one_takes_it_up(restored: Store, copy: Path) -> None:
    other = await Database.open(url_of(copy))
    taken = await asyncio.gather(restoring.take_up(restored.database), restoring.take_up(other))
    await other.close()
    assert sorted(each is not None for each in taken) == [False, True]


async def test_who_only_looks_at_a_backup_leaves_it_one(restored: Store, copy: Path) -> None:
    beside = await Database.attach(url_of(copy))
    assert len(await DeadLetters(beside).open()) == 2
    await beside.close()
    assert len(rows(copy, MARK)) == 1


async def test_a_backup_that_can_t_be_taken_up_now_is_not_served(
    restored: Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.dialect.BUSY_TIMEOUT_SECONDS", 0.1)
    beside = await Database.attach(url_of(copy))
    other = sqlite3.connect(copy, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(DatabaseUnusable, match="is a backup, or may be one, and can't be taken up") as raised:
            await restoring.take_up(beside)
    finally:
        await beside.close()
        other.rollback()
        other.close()
    assert raised.value.passing
    assert len(rows(copy, MARK)) == 1
    assert await restored.turns.open_count() == 2


@pytest.mark.parametrize("version", ["0001", "0002"])
async def test_a_backup_of_an_older_version_is_made_and_brought_up_to_date(
    tmp_path: Path, copy: Path, version: str
) -> None:
    old = tmp_path / "old.db"
    make(old, version)
    back_up(url_of(old), copy, replace=False)
    restored = await Store.open(url_of(Path(shutil.copy(copy, tmp_path / "restored.db"))))
    taken = await restoring.take_up(restored.database)
    born = await restored.marks.born()
    await restored.close()
    # Of before there were marks nobody can say it.
    assert (taken is not None) == (version != "0001")
    assert (born > (time.time_ns() // 1000) - 60_000_000) == (version != "0001")
