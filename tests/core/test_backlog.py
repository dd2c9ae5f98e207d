"""Events that a database, held by another program, did not take: all of them stored in the end, in their order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot import backlog
from bot.app import takes_in
from bot.backlog import Backlog, Event
from bot.errors import StorageFailed
from bot.messages import Address, Author, IncomingMessage, MessageDeleted, MessageEdited
from bot.rating import Rating
from storage import Store, dialect
from tests.intake import intake

BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


def says(text: str, channel: str = "C1") -> IncomingMessage:
    address = Address("discord", "G1", channel)
    return IncomingMessage(address, text, Author("U1", "Ada"), text, mentions_bot=True, sent_at=BEGAN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.db"


@pytest.fixture
async def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store that waits for no lock."""
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.0)
    opened = await Store.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


@contextmanager
def held(path: Path) -> Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.close()


async def refuse(events: Backlog, *refused: Event) -> None:
    for event in refused:
        with pytest.raises(StorageFailed):
            await events.receive(event)


def stored(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT text FROM messages ORDER BY id").fetchall()
    finally:
        connection.close()


async def test_what_was_refused_is_stored_in_order_once_the_database_is_back(store: Store, path: Path) -> None:
    woken: list[int] = []
    events = Backlog(takes_in(intake(store, lambda: woken.append(1)), Rating(store.ratings)))
    running = asyncio.create_task(events.run())
    with capture_logs() as logged:
        with held(path):
            await refuse(events, *(says(str(n)) for n in range(5)), *(says(f"x{n}", "C2") for n in range(2)))
            await refuse(events, says("0"), says("3"))  # the platform sends some again
            assert events.length == 7
        async with asyncio.timeout(20):
            while events.length:
                await asyncio.sleep(0.01)
    running.cancel()
    texts = [text for (text,) in stored(path)]
    assert [text for text in texts if text.isdigit()] == ["0", "1", "2", "3", "4"]
    assert [text for text in texts if not text.isdigit()] == ["x0", "x1"]
    assert woken
    late = [line for line in logged if line["event"] == "events_stored_late"]
    assert [(line["events"], line["turned_away"]) for line in late] == [(7, 0)]
    await events.receive(says("0"))  # known by now, so that it can be acknowledged
    await events.receive(says("after"))
    assert len(stored(path)) == 8


async def test_an_event_waits_behind_the_earlier_ones_of_its_channel_and_of_no_other(store: Store, path: Path) -> None:
    events = Backlog(takes_in(intake(store, lambda: None), Rating(store.ratings)))
    with held(path):
        await refuse(events, says("first"))
    edited = MessageEdited(says("first, edited"))
    await refuse(events, edited, MessageDeleted(says("first").address, "first"), says("second"))
    await events.receive(says("elsewhere", "C2"))
    assert stored(path) == [("elsewhere",)]
    assert await events.flush() == 0
    assert stored(path) == [("elsewhere",), ("",), ("second",)]


async def test_one_channel_that_fails_for_ever_keeps_no_other_waiting() -> None:
    async def store(event: Event) -> None:
        if isinstance(event, IncomingMessage) and event.address.channel != "damaged" and well.is_set():
            taken.append(event.text)
            return
        raise StorageFailed("database disk image is malformed")

    well, taken = asyncio.Event(), list[str]()
    events = Backlog(store)
    await refuse(events, says("1", "damaged"), says("2", "C2"), says("3", "C3"))
    well.set()
    assert await events.flush() == 3
    assert await events.flush() == 1
    assert taken == ["2", "3"]


async def test_an_event_that_meets_a_bug_is_left_out_and_the_next_stored() -> None:
    async def store(event: Event) -> None:
        if not well.is_set():
            raise StorageFailed("database is locked")
        assert isinstance(event, IncomingMessage)
        if event.text == "odd":
            raise RuntimeError("a bug")
        taken.append(event.text)

    well, taken = asyncio.Event(), list[str]()
    events = Backlog(store)
    await refuse(events, says("odd"), says("even"))
    well.set()
    with capture_logs() as logged:
        assert await events.flush() == 0
    assert taken == ["even"]
    assert [line["event"] for line in logged] == ["event_dropped", "events_stored_late"]


async def test_memory_is_bounded_and_what_it_does_not_hold_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def store(_event: Event) -> None:
        if not well.is_set():
            raise StorageFailed("database or disk is full")

    monkeypatch.setattr(backlog, "MOST_EVENTS", 3)
    well = asyncio.Event()
    events = Backlog(store)
    await refuse(events, *(says(str(n), f"C{n % 2}") for n in range(5)))
    assert events.length == 3
    well.set()
    with capture_logs() as logged:
        await events.flush()
    assert [(line["events"], line["turned_away"]) for line in logged] == [(3, 2)]
