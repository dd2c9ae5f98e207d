"""Whether a worker still lives is known from the lock that the system lets go at its death."""

import asyncio
import sys
from pathlib import Path

import pytest

from storage.liveness import SignOfLife

WORKER = """
import sys, time
from pathlib import Path
from storage.liveness import SignOfLife

life = SignOfLife.begin(Path(sys.argv[1]))
print(life.owner, flush=True)
time.sleep(60)
"""


async def worker(database: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A process that holds a lock beside `database`, and its name."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(database), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return process, (await process.stdout.readline()).decode().strip()


async def test_a_killed_worker_is_known_to_be_dead_and_a_stopped_one_to_be_alive(tmp_path: Path) -> None:
    database = tmp_path / "parley.db"
    mine = SignOfLife.begin(database)
    process, owner = await worker(database)
    try:
        assert mine.left_behind() == [owner]
        assert not mine.is_dead(owner)
    finally:
        process.kill()
        await process.wait()
    assert mine.is_dead(owner)
    mine.forget([owner])
    assert mine.left_behind() == []
    mine.end()
    assert SignOfLife.begin(database).left_behind() == []


def test_nobody_is_called_dead_of_whom_nothing_is_known(tmp_path: Path) -> None:
    mine = SignOfLife.begin(tmp_path / "parley.db")
    assert not mine.is_dead("of another machine")
    assert not mine.is_dead(mine.owner)
    mine.forget(["of another machine"])
    mine.end()
    mine.end()


def test_where_no_lock_can_be_had_the_leases_decide(tmp_path: Path) -> None:
    nowhere = SignOfLife.begin(tmp_path / "no such folder" / "parley.db")
    assert nowhere.owner
    assert not nowhere.is_dead("anybody")
    assert nowhere.left_behind() == []
    nowhere.end()


@pytest.mark.parametrize("count", [2, 5])
def test_every_worker_has_a_name_of_its_own(tmp_path: Path, count: int) -> None:
    lives = [SignOfLife.begin(tmp_path / "parley.db") for _ in range(count)]
    assert len({life.owner for life in lives}) == count
    assert sorted(lives[0].left_behind()) == sorted(life.owner for life in lives[1:])
    for life in lives:
        life.end()
