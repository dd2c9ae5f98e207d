"""Named moments: what happens at most once in a while."""

import sqlite3
import time
from pathlib import Path

from storage import Store


async def test_something_is_due_once_in_its_time_for_all_workers(store: Store, path: Path) -> None:
    other = await Store.open(f"sqlite:///{path}")
    assert await store.marks.due("told", 60)
    assert not await store.marks.due("told", 60)
    assert not await other.marks.due("told", 60)
    assert await other.marks.due("told", 0)
    await store.marks.clear("told")
    assert await other.marks.due("told", 60)
    await other.close()


async def test_a_database_knows_when_it_was_made(store: Store) -> None:
    born = await store.marks.born()
    assert 0 <= time.time_ns() // 1000 - born < 3_600_000_000
    assert await store.marks.born() == born


async def test_a_database_of_before_is_as_old_as_its_first_conversation(path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as raw:
        for statement in (
            "DROP TABLE marks",
            "DROP INDEX ix_cursors_recent",
            "DROP INDEX ix_turns_failed",
            "ALTER TABLE turns DROP COLUMN outcome",
            "UPDATE alembic_version SET version_num = '0001'",
            "INSERT INTO conversations (platform, workspace, channel, root, direct, complete, created_at) "
            "VALUES ('slack', 'T1', 'C1', '100.1', 0, 1, 1234567)",
        ):
            raw.execute(statement)
    raw.close()
    store = await Store.open(f"sqlite:///{path}")
    assert await store.marks.born() == 1234567
    await store.close()
