"""The worker's heartbeat: what it writes, when, and that nothing it cannot do harms anybody. Over a real database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord.adapter import DiscordAdapter
from adapters.slack.adapter import SlackAdapter
from bot import health
from bot.adapter import Adapter
from bot.backend.standing import Standing
from bot.errors import KeyRefused
from bot.health import Report
from bot.heartbeat import Heartbeat
from bot.lag import LoopLag
from bot.messages import Address, Author, IncomingMessage
from storage import Store
from tests.storage.people import asks


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "down" / "health.json"


def heartbeat(path: Path, store: Store, **options: Any) -> Heartbeat:
    adapters: dict[str, Adapter] = {"slack": SlackAdapter("xoxb-1", "xapp-1"), "discord": DiscordAdapter("a.b.c")}
    return Heartbeat(
        path, every=0.05, store=store, adapters=adapters, model=options.get("model", Standing()), lag=LoopLag()
    )


@asynccontextmanager
async def beating(beats: Heartbeat) -> AsyncIterator[None]:
    task = asyncio.create_task(beats.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def written(path: Path, holds: Callable[[Report], bool] = lambda _: True) -> Report:
    """The first report that is as wanted."""
    async with asyncio.timeout(10):
        while True:
            found = health.read(path)
            if isinstance(found, Report) and holds(found):
                return found
            await asyncio.sleep(0.01)


def put(path: Path, report: Report) -> None:
    path.write_text(health.dump(report))


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def test_it_writes_what_it_knows_of_itself(path: Path, store: Store) -> None:
    model = Standing()
    model.failed(KeyRefused(), 5.0)
    before = time.time()
    async with beating(heartbeat(path, store, model=model)):
        found = await written(path, lambda report: report.queue is not None)
    assert found.pid == os.getpid()
    assert found.state == "running"
    assert before <= found.started_at <= found.at <= time.time()
    assert sorted(found.platforms) == ["discord", "slack"]
    assert not found.platforms["slack"].up
    assert found.queue == health.Queue(0, None)
    assert (found.model.failure, found.model.failing_since, found.model.lasting) == ("KeyRefused", 5.0, True)
    assert found.database.wrote_at >= before
    assert found.database.failure == ""


async def test_the_queue_and_its_oldest_question_are_in_it(path: Path, store: Store) -> None:
    address = Address("slack", "T1", "C1", "1.1")
    message = IncomingMessage(address, "1.1", Author("U1", "Ada"), "hi", mentions_bot=True, sent_at=datetime.now(UTC))
    before = time.time()
    await store.inbox.accept(message, "1.1", rule=asks, complete=True)
    async with beating(heartbeat(path, store)):
        found = await written(path, lambda report: report.queue is not None)
    assert found.queue is not None and found.queue.open == 1
    assert found.queue.waiting_since is not None and before - 1 <= found.queue.waiting_since <= time.time()


async def test_the_probe_writes_again_and_again_and_keeps_one_row(path: Path, store: Store, tmp_path: Path) -> None:
    async with beating(heartbeat(path, store)):
        first = await written(path)
        await written(path, lambda report: report.database.wrote_at > first.database.wrote_at + 0.3)
    with closing(sqlite3.connect(tmp_path / "p.db")) as database:
        assert database.execute("SELECT count(*) FROM marks WHERE name = 'health'").fetchone() == (1,)


async def test_a_probe_is_a_write_though_the_clock_went_back(path: Path, store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "p.db", isolation_level=None)) as database:
        later = (time.time_ns() // 1000) + 3_600_000_000
        database.execute("INSERT INTO marks (name, at) VALUES ('health', ?)", (later,))
        async with beating(heartbeat(path, store)):
            async with asyncio.timeout(10):
                while database.execute("SELECT at FROM marks WHERE name = 'health'").fetchone() in {None, (later,)}:
                    await asyncio.sleep(0.01)


async def test_a_database_that_fails_is_told_since_when_and_until_it_takes_writes(path: Path, store: Store) -> None:
    beats = heartbeat(path, store)
    await store.close()
    async with beating(beats):
        found = await written(path, lambda report: bool(report.database.failure))
        again = await written(path, lambda report: report.at > found.at + 0.3)
    assert found.database.failure == "the database is closed"
    assert again.database.failing_since == found.database.failing_since
    assert again.database.wrote_at == found.database.wrote_at
    assert again.queue is None


async def test_draining_is_written_at_once_and_the_end_stays(path: Path, store: Store) -> None:
    beats = heartbeat(path, store)
    async with beating(beats):
        await written(path)
        beats.drain()
        await written(path, lambda report: report.state == "draining")
    await beats.end()
    found = await written(path)
    assert found.state == "stopped"
    assert names_in(path.parent) == ["health.json"], "no half-written file is left"


async def test_what_is_being_written_as_the_worker_ends_does_not_come_after_its_last_word(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = heartbeat(path, store)
    put, begun = beats._put, threading.Event()

    def slowly(text: str) -> None:
        if '"draining"' in text:
            begun.set()
            time.sleep(0.3)
        put(text)

    monkeypatch.setattr(beats, "_put", slowly)
    with capture_logs() as logs:
        async with beating(beats):
            await written(path)
            beats.drain()
            await asyncio.to_thread(begun.wait)
        await beats.end()
        await asyncio.sleep(0.5)
    assert (await written(path)).state == "stopped"
    assert [entry for entry in logs if entry["event"] == "health_file_not_written"] == []


async def test_a_younger_workers_file_is_left_alone_by_the_one_that_ends(path: Path, store: Store) -> None:
    beats = heartbeat(path, store)
    async with beating(beats):
        own = await written(path)
    younger = replace(own, pid=own.pid + 1, started_at=own.started_at + 1)
    put(path, younger)
    beats.drain()
    await beats.end()
    assert health.read(path) == younger
    older = replace(younger, started_at=own.started_at - 1)
    put(path, older)
    await beats.end()
    assert (await written(path)).state == "stopped"


async def test_a_file_that_cannot_be_written_is_told_once_for_each_time_it_begins(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    path.mkdir()
    beats = heartbeat(path, store)
    with capture_logs() as logs:
        async with beating(beats):
            await asyncio.sleep(0.3)
            path.rmdir()
            await written(path)
            path.unlink()
            path.mkdir()
            await asyncio.sleep(0.3)
            await beats.end()
    told = [entry for entry in logs if entry["event"] == "health_file_not_written"]
    assert len(told) == 2
    assert str(path) == told[0]["path"]
    assert [name for name in names_in(tmp_path) if name.startswith("health")] == ["health.json"]
