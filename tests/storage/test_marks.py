"""Named moments: what happens at most once in a while."""

import time
from pathlib import Path

from storage import Store
from tests.storage.test_migrating import make


async def test_something_is_due_once_in_its_time_for_all_workers(store: Store, path: Path) -> None:
    other = await Store.open(f"sqlite:///{path}")
    assert await store.marks.due("told", 60)
    assert not await store.marks.due("told", 60)
    assert not await other.marks.due("told", 60)
    assert await other.marks.due("told", 0)
    await store.marks.clear("told")
    assert await other.marks.due("told", 60)
    await other.close()


async def test_marks_are_found_by_how_their_names_begin(store: Store) -> None:
    for name in ("alert one", "alert two", "alerts", "Alert three", "told"):
        await store.marks.due(name, 60)
    named = await store.marks.named("alert ")
    assert set(named) == {"alert one", "alert two"}
    assert all(0 <= time.time_ns() // 1000 - at < 3_600_000_000 for at in named.values())


async def test_a_database_knows_when_it_was_made(store: Store) -> None:
    born = await store.marks.born()
    assert 0 <= time.time_ns() // 1000 - born < 3_600_000_000
    assert await store.marks.born() == born


async def test_a_database_of_before_is_as_old_as_its_first_conversation(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make(path, "0001", created_at=1234567)
    store = await Store.open(f"sqlite:///{path}")
    assert await store.marks.born() == 1234567
    await store.close()
