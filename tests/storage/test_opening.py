"""Opening a database: addresses, folders, migrations, and everything that ends in one clear sentence."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from bot.errors import DatabaseUnusable
from storage import Store, database, dialect
from storage.connection import Connection
from storage.schema import metadata


async def problem(url: str) -> str:
    """What the person who starts the bot reads."""
    with pytest.raises(DatabaseUnusable) as raised:
        await Store.open(url)
    [told] = raised.value.problems
    assert told.variable == "DATABASE_URL"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert told.cure.endswith(".") or told.cure.endswith("?")
    return f"{told.wrong} | {told.cure}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "not a database address"),
        ("parley.db", "not a database address"),
        ("postgres://host:port/name", "not a database address"),
        ("mysql://host/name", "'mysql' is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://parley.db", "a path and nothing else"),
        ("sqlite://user:secret@/parley.db", "a path and nothing else"),
        ("sqlite:///parley.db?mode=ro", "a path and nothing else"),
        ("sqlite:///~nobody-of-this-name/parley.db", "no home folder for ~nobody-of-this-name"),
    ],
)
async def test_an_address_that_names_no_sqlite_file_is_refused(url: str, expected: str) -> None:
    told = await problem(url)
    assert expected in told
    assert "secret" not in told


async def test_a_relative_path_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = await Store.open("sqlite:///data/parley.db")
    monkeypatch.chdir("/")  # it stays that file
    assert await store.turns.open_count() == 0
    await store.close()
    assert (tmp_path / "data" / "parley.db").is_file()


async def test_a_path_in_the_home_folder_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    await (await Store.open("sqlite:///~/deep/er/parley.db")).close()
    assert (tmp_path / "deep" / "er" / "parley.db").is_file()
    assert not (tmp_path / "~").exists()


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder" in await problem(f"sqlite:///{tmp_path}")


async def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert f"{tmp_path / 'data'} cannot be made (File exists)" in await problem(f"sqlite:///{tmp_path}/data/parley.db")


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    path.write_bytes(b"these are somebody's notes\n" * 100)
    before = path.read_bytes()
    told = await problem(f"sqlite:///{path}")
    assert "file is not a database" in told
    assert "Restore a backup" in told
    assert path.read_bytes() == before


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE messages (id INTEGER)")
    connection.close()
    assert "table messages already exists" in await problem(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("messages",)]
    connection.close()


async def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "newer version of Parley" in await problem(f"sqlite:///{path}")


async def test_a_database_that_is_held_by_another_program_is_named_after_the_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(database, "HELD_FOR_SECONDS", 0.2)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN IMMEDIATE")
    told = await problem(f"sqlite:///{path}")
    assert "database is locked" in told
    assert "Another program holds it" in told
    holder.close()
    await (await Store.open(f"sqlite:///{path}")).close()


async def test_a_database_that_is_held_for_a_moment_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.05)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN IMMEDIATE")
    opening = asyncio.create_task(Store.open(f"sqlite:///{path}"))
    await asyncio.sleep(0.5)
    assert not opening.done()
    holder.close()
    await (await opening).close()


async def test_a_new_file_that_is_held_while_it_would_change_its_mode_is_named_after_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(database, "HELD_FOR_SECONDS", 0.2)
    holder = sqlite3.connect(tmp_path / "parley.db")
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    assert "database is locked" in await problem(f"sqlite:///{tmp_path}/parley.db")
    holder.close()


async def test_a_new_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself gives up at once here: two workers that start on a new file would not both come up."""
    maker = sqlite3.connect(tmp_path / "parley.db", check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, maker.close)
    release.start()
    store = await Store.open(f"sqlite:///{tmp_path}/parley.db")
    release.join()
    await store.close()


_AS_NOBODY = """
import asyncio, os, sys
from bot.errors import DatabaseUnusable
from storage import Store
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
for url in sys.argv[1:]:
    try:
        asyncio.run(Store.open(url))
    except DatabaseUnusable as unusable:
        sys.stdout.write(f"{unusable}\\n")
"""


def test_what_may_not_be_written_is_named(migrated: Path, public_folder: Path) -> None:
    path = Path(shutil.copy(migrated, public_folder / "parley.db"))
    path.chmod(0o444)
    public_folder.chmod(0o555)
    urls = [f"sqlite:///{public_folder}/{name}" for name in ("parley.db", "new.db", "data/new.db")]
    # The child's coverage data would need a folder it may write to.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, *urls], check=False, capture_output=True, text=True, env=environment
    )
    assert not done.stderr
    old, new, folder = done.stdout.splitlines()
    assert f"{path} cannot be used" in old
    assert "cannot be used (unable to open database file)" in new
    assert "cannot be made (Permission denied)" in folder


_WITHOUT_SPACE = """
import asyncio, resource, sys
from bot.errors import DatabaseUnusable
from storage import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    asyncio.run(Store.open(sys.argv[1]))
except DatabaseUnusable as unusable:
    sys.stdout.write(str(unusable))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_disk_without_space_leaves_no_half_migrated_database(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    arguments = [sys.executable, "-c", _WITHOUT_SPACE, f"sqlite:///{path}", "20000"]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert not done.stderr
    assert f"{path} cannot be used" in done.stdout
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def _schema(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in found}


async def test_the_migrations_make_what_the_tables_say(migrated: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    # What the comparison above does not look into: the conditions of partial indexes.
    direct = create_engine(f"sqlite:///{tmp_path}/direct.db")
    metadata.create_all(direct)
    direct.dispose()
    wanted, made = _schema(tmp_path / "direct.db"), _schema(migrated)
    indexes = {name for name, sql in wanted.items() if "INDEX" in sql}
    assert len(indexes) >= 8
    assert {name: made[name] for name in indexes} == {name: wanted[name] for name in indexes}


def test_the_newest_migration_is_the_one_the_program_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [database.HEAD]


async def _open_and_close(path: Path) -> None:
    await (await Store.open(f"sqlite:///{path}")).close()


def test_opening_what_is_up_to_date_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    asyncio.run(_open_and_close(path))
    assert path.read_bytes() == before


_WITHOUT_ALEMBIC = """
import asyncio, sys
from storage import Store
async def main():
    await (await Store.open(sys.argv[1])).close()
asyncio.run(main())
assert "alembic" not in sys.modules
"""


def test_opening_what_is_up_to_date_does_not_load_the_migrations(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _WITHOUT_ALEMBIC, f"sqlite:///{path}"], check=True)


async def test_the_file_is_kept_so_that_a_commit_outlives_a_power_cut(store: Store, path: Path) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.scalar(text(f"PRAGMA {name}")) for name in names]

    full = 2
    assert await store.database.write(pragmas) == ["wal", full, 1]
    assert await store.database.read(pragmas) == ["wal", full, 1]
