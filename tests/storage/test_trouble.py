"""What the log says of a database in trouble: one line with the way out, then a number, then that it is well again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.errors import LeaseLost, StorageFailed
from storage import Store, database, dialect, trouble
from storage.records import Answer, SentPart
from tests.e2e import outages
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows


@contextmanager
def held(path: Path) -> Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked database fails at once."""
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.0)


async def fail(store: Store, times: int) -> None:
    for number in range(times):
        with pytest.raises(StorageFailed):
            await store.inbox.accept(says(str(number), "a secret"), "100.1", rule=asks, complete=True)


async def test_a_trouble_is_said_once_then_counted_then_it_is_well_again(
    impatient: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite:///{path}")
    with capture_logs() as logged:
        with held(path):
            await fail(store, 20)
            assert await store.turns.open_count() == 0  # that reading works says nothing of writing
        assert [line["event"] for line in logged] == ["database_trouble"]
        await store.turns.claim("w", 60, ["slack"])
        assert len(logged) == 1  # it may be a gap between two failures
        monkeypatch.setattr(trouble, "CALM_SECONDS", 0.0)
        await store.turns.claim("w", 60, ["slack"])
        await store.turns.claim("w", 60, ["slack"])
        with held(path):
            await fail(store, 1)
    await store.close()
    first, well, again = logged
    assert (first["log_level"], first["at"], first["code"]) == ("error", "writing", "SQLITE_BUSY")
    assert (first["reason"], first["cure"]) == ("database is locked", "Another program holds it: end that one.")
    assert first["tells_admin"] is True
    assert (well["event"], well["log_level"], well["failures"]) == ("database_well_again", "warning", 20)
    assert again["event"] == "database_trouble"
    assert "secret" not in str(logged)


async def test_a_trouble_that_lasts_is_named_again_now_and_then(
    impatient: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite:///{path}")
    with capture_logs() as logged, held(path):
        await fail(store, 3)
        monkeypatch.setattr(trouble, "REMIND_SECONDS", 0.0)
        await fail(store, 1)
    await store.close()
    assert [(line["event"], line.get("failures")) for line in logged] == [
        ("database_trouble", None),
        ("database_trouble_lasts", 4),
    ]


async def test_damage_is_never_said_to_be_well_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "CALM_SECONDS", 0.0)
    outages.damage(path, "messages")
    store = await Store.open(f"sqlite:///{path}")
    with capture_logs() as logged:
        for _ in range(3):
            await fail(store, 1)
            await store.turns.claim("w", 60, ["slack"])
    await store.close()
    [line] = logged
    assert line["code"] == "SQLITE_CORRUPT"
    assert "restore a backup" in line["cure"]


async def test_the_writes_of_an_answer_under_way_wait_for_the_database(impatient: None, path: Path) -> None:
    store = await Store.open(f"sqlite:///{path}")
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, holder.close)
    release.start()
    await store.turns.intend_part(claim, 1)
    await store.turns.confirm_part(claim, SentPart(1, "a1"))
    await store.turns.finish(claim, "answered", answer=Answer("a1", "B", "Parley", "hi"))
    release.join()
    with pytest.raises(LeaseLost):
        await store.turns.finish(claim, "answered")
    await store.close()
    assert rows(path, "SELECT state FROM turns") == [("answered",)]


async def test_what_waits_for_the_database_gives_up_in_the_end_and_at_once_where_it_is_damaged(
    impatient: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.3)
    store = await Store.open(f"sqlite:///{path}")
    with held(path), pytest.raises(StorageFailed, match="locked"):
        await store.history.move_start(1, 1)
    await store.close()
    monkeypatch.undo()
    outages.damage(path, "conversations")
    store = await Store.open(f"sqlite:///{path}")
    async with asyncio.timeout(10):
        with pytest.raises(StorageFailed, match="malformed"):
            await store.history.move_start(1, 1)
    await store.close()


async def test_damage_in_the_file_is_found_where_it_is_looked_for(path: Path) -> None:
    found: list[Any] = []
    for table in (None, "usage"):
        if table:
            outages.damage(path, table)
        store = await Store.open(f"sqlite:///{path}")
        found.append(await store.database.damage())
        await store.close()
    assert found[0] is None
    assert found[1]
