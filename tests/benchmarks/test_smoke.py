"""What an answer may take, in counts: they do not depend on the machine, so growth is seen where a time would blur.

The figures are what was measured. Whoever makes an answer take less lowers them here.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from benchmarks.stands import Platform, Stand, stand
from benchmarks.wal import write_transactions
from bot import app
from bot.delivery import FIRST_PREVIEW_SECONDS
from bot.engine import POLL_SECONDS
from bot.settings import Settings

ANSWERS = 5
# Between two answers, so that the end of one is written down before the next is counted.
PAUSE_MS = 100.0


@dataclass(frozen=True, slots=True)
class Taken:
    """For one answer. A transaction is a round trip to the database's thread; a commit is one that wrote to disk."""

    platform_calls: float
    model_calls: float
    model_bytes: float
    commits: float
    transactions: float
    statements: float


# The five commits: stored with its turn, claimed, a part intended, the part confirmed, ended with answer and usage.
# Two of the transactions are looks into a queue that is empty by then.
# On Slack one more: it tells of a mention twice, and the second event has to be known again.
# One of the statements keeps what the model said, in the transaction that writes a message down before it is sent.
# Where a channel's last messages are taken along: one call to the platform, and one commit with what was heard; the
# question is then read anew.
# The request's size moves by some bytes with the name of the day and the month in it.
MOST: dict[tuple[Platform, str], Taken] = {
    ("slack", "0"): Taken(1, 1, model_bytes=760, commits=5, transactions=10, statements=21),
    ("discord", "0"): Taken(1, 1, model_bytes=760, commits=5, transactions=9, statements=20),
    ("slack", "5"): Taken(2, 1, model_bytes=1_350, commits=6, transactions=12, statements=25),
    ("discord", "5"): Taken(2, 1, model_bytes=2_200, commits=6, transactions=11, statements=25),
}


@contextmanager
def database_traffic() -> Iterator[Counter[str]]:
    """How many transactions were begun and how many statements sent, by whatever SQLAlchemy engine."""
    seen: Counter[str] = Counter()

    def on_begin(_connection: Any) -> None:
        seen["transactions"] += 1

    def on_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen["statements"] += not statement.startswith("BEGIN")

    event.listen(Engine, "begin", on_begin)
    event.listen(Engine, "before_cursor_execute", on_statement)
    try:
        yield seen
    finally:
        event.remove(Engine, "begin", on_begin)
        event.remove(Engine, "before_cursor_execute", on_statement)


def settings(scene: Stand, database: Path, around: str) -> Settings:
    """Leases so long that none is renewed meanwhile; `around` messages of the channel are taken along."""
    variables = scene.environment | {
        "DATABASE_URL": f"sqlite:///{database}",
        "PARLEY_PLATFORM_LIMITS": "none",
        "PARLEY_LEASE_SECONDS": "600",
        "PARLEY_CHANNEL_MESSAGES": around,
    }
    return Settings(**{name.lower(): value for name, value in variables.items()}, _env_file=None)  # type: ignore[arg-type, call-arg]


async def measured(scene: Stand, database: Path, around: str) -> Taken:
    """What an answer takes once the first one is given: that one loads things and looks names up."""
    async with app.build(settings(scene, database, around)) as worker:
        serving = asyncio.create_task(worker.serve())
        try:
            await scene.ready()
            await scene.ask(1, lanes=1, pause_ms=PAUSE_MS)
            while not all(reading.passes for reading in worker.desk.catch_ups.values()):
                await asyncio.sleep(0.05)
            before = write_transactions(database)
            with database_traffic() as traffic:
                asked = await scene.ask(ANSWERS, lanes=1, pause_ms=PAUSE_MS)
            commits = write_transactions(database) - before
        finally:
            worker.stop()
            await serving
    # On a machine that stands still for so long, the queue is looked at without being told, and a slow answer may
    # show a status and a preview.
    polls = int(asked.elapsed / POLL_SECONDS)
    calls = sum(asked.platform_calls.values())
    due = ANSWERS if around == "0" else 2 * ANSWERS
    luxuries = min(calls - due, 2 * sum(seconds > FIRST_PREVIEW_SECONDS for seconds in asked.seconds))
    return Taken(
        platform_calls=(calls - luxuries) / ANSWERS,
        model_calls=asked.model_calls / ANSWERS,
        model_bytes=max(len(request.body) for request in scene.openai.requests),
        commits=commits / ANSWERS,
        transactions=(traffic["transactions"] - polls) / ANSWERS,
        statements=(traffic["statements"] - polls) / ANSWERS,
    )


@pytest.mark.parametrize(("platform", "around"), MOST)
async def test_an_answer_takes_no_more_calls_and_transactions_than_it_did(
    platform: Platform, around: str, tmp_path: Path
) -> None:
    async with stand(platform) as scene:
        taken = await measured(scene, tmp_path / "parley.db", around)
    most = MOST[platform, around]
    assert (taken.platform_calls, taken.model_calls) == (most.platform_calls, most.model_calls)
    assert 0 < taken.model_bytes <= most.model_bytes
    # What else is written meanwhile, once in a while, is no answer's.
    assert 0 < int(taken.commits) <= most.commits
    assert 0 < taken.transactions <= most.transactions
    assert 0 < taken.statements <= most.statements
