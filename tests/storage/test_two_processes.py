"""Two processes on one file: both migrate it, both take in the same messages, both answer; and one is killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import Store
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows
from tests.storage.worker import HELD_SECONDS, MESSAGES


@contextmanager
def _worker(role: str, path: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.worker", role, f"sqlite:///{path}", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_workers_on_one_new_file_answer_every_message_once(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    with _worker("race", path, "ann") as ann, _worker("race", path, "bob") as bob:
        ended = [worker.communicate(timeout=40) for worker in (ann, bob)]
    assert [errors for _, errors in ended] == ["", ""]
    reports = [json.loads(said.splitlines()[-1]) for said, _ in ended]

    # Each message was new to one of them and known to the other.
    news = Counter(m for report in reports for m, outcome in report["outcomes"].items() if outcome != "duplicate")
    assert news == {f"m{number}": 1 for number in range(MESSAGES)}
    # Each turn was ended by one of them, and no conversation is left with an open one.
    finished = [turn for report in reports for turn in report["finished"]]
    turns = [turn for (turn,) in rows(path, "SELECT id FROM turns")]
    assert sorted(finished) == sorted(int(str(turn)) for turn in turns)
    assert rows(path, "SELECT DISTINCT state FROM turns") == [("answered",)]
    # Each message belongs to a turn, each turn has one answer.
    assert rows(path, "SELECT count(*) FROM messages WHERE turn_id IS NULL") == [(0,)]
    answers = "SELECT count(*), count(DISTINCT turn_id) FROM messages WHERE role = 'assistant'"
    assert rows(path, answers) == [(len(turns), len(turns))]
    # Within a conversation turns ended in their order.
    assert rows(
        path,
        "SELECT count(*) FROM turns a JOIN turns b USING (conversation_id)"
        " WHERE a.id < b.id AND a.finished_at > b.finished_at",
    ) == [(0,)]


async def test_a_killed_workers_turn_is_taken_over_once_its_lease_has_run_out(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    with _worker("hold", path, "dead") as dead:
        assert dead.stdout is not None
        assert await asyncio.to_thread(dead.stdout.readline) == "true\n"
    assert await store.turns.claim("alive", 60, ["slack"]) is None
    await asyncio.sleep(HELD_SECONDS)
    claim = await store.turns.claim("alive", 60, ["slack"])
    assert claim is not None
    assert (claim.attempt, claim.owner) == (2, "alive")


async def test_a_worker_killed_in_the_middle_of_a_write_leaves_neither_half_of_it_nor_a_lock(
    store: Store, path: Path
) -> None:
    await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    with _worker("stick", path, "dead") as dead:
        assert dead.stdout is not None
        assert await asyncio.to_thread(dead.stdout.readline) == "true\n"
    claim = await store.turns.claim("alive", 60, ["slack"])
    assert claim is not None
    assert claim.attempt == 1
