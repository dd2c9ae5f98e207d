"""The database goes away under a worker of its own and comes back: nothing is lost, nothing is said twice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from emulators.slack import Timing
from tests.e2e import outages
from tests.e2e.stage import Stage, Worker, stage
from tests.e2e.talk import Talk
from tests.e2e.test_delivery import SLOW, WHOLE

# Whoever else uses the machine, the outages take their time.
pytestmark = pytest.mark.timeout(240)

# Slack gives an event up after these; the outages here last longer.
SHORT = Timing(redelivery=(0, 0.1), ack_deadline=0.4)
# `Stage` sets the lease to 1.5 s.
LONGER_THAN_A_LEASE_SECONDS = 2.5


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose Slack soon stops sending an event again."""
    async with stage(tmp_path, slack=SHORT) as scene:
        yield scene
        assert scene.complaints() == []


@pytest.fixture(params=["held by another process", "disk full", "I/O error"])
def trouble_kind(request: pytest.FixtureRequest) -> str:
    """How the database goes away."""
    kind: str = request.param
    return kind


@pytest.fixture
def database(impatient: Stage, trouble_kind: str, tmp_path: Path) -> Iterator[Path]:
    """Where the worker's database is: on a disk of its own where that is to be full."""
    if trouble_kind == "disk full":
        with outages.small_disk(tmp_path / "disk") as disk:
            impatient.extra["DATABASE_URL"] = f"sqlite:///{disk / 'parley.db'}"
            yield disk / "parley.db"
    else:
        yield tmp_path / "parley.db"


def begin(kind: str, database: Path, worker: Worker) -> AbstractContextManager[None]:
    if kind == "disk full":
        return outages.full(database.parent)
    if kind == "I/O error":
        return outages.unwritable(worker.process.pid, database)
    return outages.held(database)


def rows(database: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def logged(worker: Worker, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


async def until_logged(worker: Worker, event: str) -> None:
    async with asyncio.timeout(60):
        while not logged(worker, event):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_database_that_goes_away_in_the_middle_of_an_answer_delays_its_end_and_no_more(
    impatient: Stage, database: Path, trouble_kind: str, platform: str
) -> None:
    talk = Talk(impatient, platform)
    talk.openai.script(SLOW)
    async with impatient.process() as worker:
        await talk.ask()
        await talk.place.wait_for(talk.answers, timeout=60)
        with begin(trouble_kind, database, worker):
            await until_logged(worker, "database_trouble")
            await asyncio.sleep(LONGER_THAN_A_LEASE_SECONDS)
        await talk.until(WHOLE, timeout=60)
        async with asyncio.timeout(60):
            while rows(database, "SELECT state FROM turns") != [("answered",)]:
                await asyncio.sleep(0.05)
        assert await worker.terminate() == 0
    assert talk.answers() == [WHOLE]
    assert len(talk.openai.calls) == 1
    assert rows(database, "SELECT attempts, crashes FROM turns") == [(1, 0)]
    assert rows(database, "SELECT text FROM messages WHERE role = 'assistant'") == [(WHOLE,)]
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert not any(talk.slack.status(talk.general, s.thread_ts) for s in list(talk.slack.statuses))


async def test_questions_asked_while_the_database_is_away_are_answered_once_it_is_back(
    impatient: Stage, database: Path, trouble_kind: str
) -> None:
    slack, discord = Talk(impatient, "slack"), Talk(impatient, "discord")
    async with impatient.process() as worker:
        # What takes along words from its channel begins ahead of its commit, which then fails.
        await slack.ask("what was said before")
        await slack.place.wait_for(slack.answers, timeout=60)
        with begin(trouble_kind, database, worker):
            for number in range(3):
                await slack.ask(f"question {number}")
                await discord.ask(f"question {number}")
            # As long as it takes until Slack sends none of them again.

            def asked() -> list[str]:
                return [d.state for d in slack.slack.deliveries if "question" in str(d.payload)]

            await slack.slack.wait_for(lambda: len(asked()) >= 3, timeout=60)
            await slack.slack.wait_for(lambda: set(asked()) == {"failed"}, timeout=60)
            await until_logged(worker, "database_trouble")
            assert len(slack.answers()) == 1 and not discord.answers()
            assert len(impatient.openai.calls) == 1
        for talk, count in ((slack, 4), (discord, 3)):
            await talk.place.wait_for(
                lambda talk=talk, count=count: len(talk.answers()) == count,  # type: ignore[misc]
                timeout=60,
            )
        assert await worker.terminate() == 0
    assert len(impatient.openai.calls) == 7
    assert rows(database, "SELECT state, count(*) FROM turns GROUP BY state") == [("answered", 7)]
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    [line] = [line for line in logged(worker, "database_trouble") if line["at"] == "writing"]
    assert line["level"] == "error"
    assert line["cure"] and line["code"].startswith("SQLITE_")
    assert "question" not in worker.log.read_text()
    errors = [line for line in worker.log.read_text().splitlines() if '"level": "error"' in line]
    assert len(errors) == 1, errors


async def test_a_file_found_damaged_while_running_is_said_once_and_ends_no_worker(
    impatient: Stage, tmp_path: Path
) -> None:
    talk = Talk(impatient, "slack")
    database = tmp_path / "parley.db"
    async with impatient.process() as worker:
        await talk.ask("before")
        await talk.place.wait_for(talk.answers, timeout=60)
        assert await worker.terminate() == 0
    outages.damage(database, "messages")
    async with impatient.process() as worker:
        for number in range(3):
            await talk.ask(f"question {number}")
        await talk.slack.wait_for(lambda: [d.state for d in talk.slack.deliveries][-3:] == ["failed"] * 3, timeout=60)
        assert await worker.terminate() == 0
    assert {line["code"] for line in logged(worker, "database_trouble")} == {"SQLITE_CORRUPT"}
    assert len(logged(worker, "database_trouble")) <= 2  # of reading and of writing
    assert all("restore a backup" in line["cure"] for line in logged(worker, "database_trouble"))
    [left] = logged(worker, "events_not_stored")
    assert left["events"] >= 3
    assert rows(database, "SELECT count(*) FROM turns") == [(1,)]
