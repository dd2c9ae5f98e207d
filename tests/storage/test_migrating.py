"""A database of an older version is migrated whole or not at all, whatever happens in the middle."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event

from bot.errors import DatabaseUnusable
from storage import Store, database
from tests.e2e import outages
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    return config


VERSIONS = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def make(path: Path, version: str, created_at: int = 17) -> None:
    """A database as that version left it, with a conversation in it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.exec_driver_sql(
            "INSERT INTO conversations"
            " (platform, workspace, channel, root, direct, complete, context_start, created_at)"
            " VALUES ('slack', 'T1', 'C1', '100.1', 0, 1, 0, ?)",
            (created_at,),
        )
    engine.dispose()
    rows(path, "PRAGMA journal_mode=WAL")


def schema(path: Path) -> list[tuple[object, ...]]:
    return rows(path, "SELECT name, type, sql FROM sqlite_master ORDER BY name")


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_database_of_any_earlier_version_is_migrated_with_all_that_is_in_it(
    tmp_path: Path, migrated: Path, version: str
) -> None:
    path = tmp_path / "parley.db"
    make(path, version)
    store = await Store.open(f"sqlite:///{path}")
    accepted = await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    await store.close()
    assert accepted.outcome == "queued"
    assert rows(path, "SELECT root, created_at FROM conversations") == [("100.1", 17)]
    assert {row[0] for row in schema(path)} == {row[0] for row in schema(migrated)}


# Dies by SIGKILL as the n-th statement of the start is about to run; ends with 0 where there are fewer.
_DIES = """
import asyncio, os, signal, sys
from sqlalchemy import Engine, event
from storage import Store
left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    await (await Store.open(sys.argv[1])).close()

asyncio.run(main())
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("died_before", [0.2, 0.5, 0.8, 1.0])
async def test_a_migration_that_is_killed_leaves_the_old_database_and_the_next_start_migrates_it(
    tmp_path: Path, died_before: float
) -> None:
    path = tmp_path / "parley.db"
    make(path, VERSIONS[0])
    before, version = schema(path), rows(path, "SELECT version_num FROM alembic_version")
    statements = await _statements_of_a_start(path, tmp_path / "counted.db")
    nth = round((statements - 1) * died_before)
    arguments = [sys.executable, "-c", _DIES, f"sqlite:///{path}", str(nth)]
    died = await asyncio.to_thread(subprocess.run, arguments, check=False, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert schema(path) == before
    assert rows(path, "SELECT version_num FROM alembic_version") == version
    await (await Store.open(f"sqlite:///{path}")).close()
    assert rows(path, "SELECT version_num FROM alembic_version") == [(database.HEAD,)]
    assert rows(path, "SELECT root FROM conversations") == [("100.1",)]


async def _statements_of_a_start(path: Path, copy: Path) -> int:
    """How many statements a start on a copy of the database takes, those before and after the migration included."""
    shutil.copy(path, copy)
    said: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await (await Store.open(f"sqlite:///{copy}")).close()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(said) > 5
    return len(said)


async def test_a_disk_that_is_full_in_the_middle_of_a_migration_leaves_the_old_database(tmp_path: Path) -> None:
    with outages.small_disk(tmp_path / "disk") as disk:
        path = disk / "parley.db"
        make(path, VERSIONS[0])
        keeper = sqlite3.connect(path)  # its file of the log's index stays, for which a start needs room too
        keeper.execute("SELECT count(*) FROM conversations").fetchall()
        before = schema(path)
        with outages.full(disk):
            with pytest.raises(DatabaseUnusable, match="database or disk is full") as refused:
                await Store.open(f"sqlite:///{path}")
            assert refused.value.problems[0].cure == "Free some space on its disk."
        assert schema(path) == before
        keeper.close()
        await (await Store.open(f"sqlite:///{path}")).close()
        assert rows(path, "SELECT version_num FROM alembic_version") == [(database.HEAD,)]


async def test_a_database_of_a_newer_version_is_refused_and_stays_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = content(path)
    with pytest.raises(DatabaseUnusable, match="newer version of Parley"):
        await Store.open(f"sqlite:///{path}")
    assert content(path) == before


async def test_a_file_whose_schema_is_damaged_is_refused_with_the_way_out(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)  # behind the file's header: the root of the schema
        file.write(b"\xff" * 900)
    before = content(path)
    with pytest.raises(DatabaseUnusable, match="malformed") as refused:
        await Store.open(f"sqlite:///{path}")
    assert "restore a backup" in refused.value.problems[0].cure
    assert content(path) == before
