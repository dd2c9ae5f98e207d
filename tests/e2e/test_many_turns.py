"""A queue that a long outage left is begun at once, however long it is."""

import hashlib
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from emulators.slack import Channel, SlackWorkspace
from tests.e2e.stage import Stage, Worker

# A worker with one queued turn, beside one with as many as this: both on the same machine, in the same minute.
MANY = 10_000


async def questions(slack: SlackWorkspace, count: int) -> tuple[Channel, list[str]]:
    """As many posts in one channel, which no event tells of."""
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    return general, [
        (await slack.say(ada, general, f"question {n}", mention=True, send=False)).ts for n in range(count)
    ]


def queue(path: Path, team: str, channel: str, ids: list[str]) -> None:
    """A turn for each of these posts, as intake would have stored it."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN")
    for n, ts in enumerate(ids, 1):
        sent = int(float(ts) * 1_000_000)
        key = hashlib.blake2b(f"slack\0{team}\0{channel}\0{ts}".encode(), digest_size=10).hexdigest()
        database.execute(
            "INSERT INTO conversations (id, platform, workspace, channel, root, direct, complete, created_at) "
            "VALUES (?, 'slack', ?, ?, ?, 0, 1, ?)",
            (n, team, channel, ts, sent),
        )
        database.execute(
            "INSERT INTO turns (id, conversation_id, key, state, thread, created_at) VALUES (?, ?, ?, 'queued', ?, ?)",
            (n, n, key, ts, sent),
        )
        database.execute(
            "INSERT INTO messages (conversation_id, turn_id, platform, workspace, channel, platform_id, role, "
            "author_id, author_name, text, sent_at, position) "
            "VALUES (?, ?, 'slack', ?, ?, ?, 'user', 'U1', 'ada', 'hi', ?, ?)",
            (n, n, team, channel, ts, sent, sent),
        )
    database.execute("COMMIT")
    database.close()


@dataclass(frozen=True)
class Taken:
    """From the start of a process to the first answer it gives, in seconds: by the clock, and of the processor."""

    clock: float
    processor: float


async def until_first_answer(stage: Stage, count: int) -> Taken:
    """What a start takes with so many turns queued."""
    async with stage.process() as worker:
        await worker.kill()  # it has made the database
    slack = stage.slack
    channel, ids = await questions(slack, count)
    queue(stage.folder / "parley.db", slack.team_id, channel.id, ids)
    began = time.monotonic()
    worker = await Worker.start(stage)
    try:
        await slack.wait_for(lambda: slack.bot_messages(channel), timeout=60)
        used = psutil.Process(worker.process.pid).cpu_times()
        return Taken(time.monotonic() - began, used.user + used.system)
    finally:
        await worker.kill()
        (stage.folder / "parley.db").unlink()


@pytest.mark.timeout(180)
async def test_ten_thousand_queued_turns_are_begun_as_soon_as_one(on_stage: Stage) -> None:
    on_stage.extra["DISCORD_BOT_TOKEN"] = ""
    alone = await until_first_answer(on_stage, 1)
    among_many = await until_first_answer(on_stage, MANY)
    print(f"first answer after {alone} with one turn queued, {among_many} with {MANY:,}")  # noqa: T201
    # What the clock says is of the machine's other work as well. A cost for each that is queued would be far more.
    assert among_many.processor < 1.5 * alone.processor
