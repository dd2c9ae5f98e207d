"""Copies of the database: whole while others write, never half a file, and refused in one sentence with the way out."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import BackupRefused, DatabaseUnusable
from storage import Store, dialect
from storage.backup import Backup, back_up
from tests.e2e import outages
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def mode_and_size(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mode & 0o777, found.st_size


def refusal(path: Path, file: Path, *, replace: bool = False) -> str:
    """What is said instead of making a backup; nothing may be left beside the file."""
    before = sorted(file.parent.iterdir()) if file.parent.is_dir() else []
    with pytest.raises(BackupRefused) as raised:
        back_up(url_of(path), file, replace=replace)
    assert raised.value.__cause__ is None
    assert raised.value.cure.endswith(".") or raised.value.cure.endswith("?")
    assert (sorted(file.parent.iterdir()) if file.parent.is_dir() else []) == before
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup goes, in a folder of its own."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "copy.db"


async def test_a_backup_holds_all_that_was_committed_and_is_one_file_for_its_owner_alone(
    store: Store, path: Path, file: Path
) -> None:
    for number in range(3):
        await store.inbox.accept(says(str(number)), "100.1", rule=asks, complete=True)
    made = await asyncio.to_thread(back_up, url_of(path), file, replace=False)
    assert made == Backup(file, made.size, 3, made.seconds)
    assert list(file.parent.iterdir()) == [file]
    assert mode_and_size(file) == (0o600, made.size)
    assert rows(file, "PRAGMA journal_mode") == [("delete",)]
    assert rows(file, "SELECT platform_id FROM messages") == [("0",), ("1",), ("2",)]
    await store.inbox.accept(says("after"), "100.1", rule=asks, complete=True)


async def test_a_restored_backup_is_a_database_like_any_other(path: Path, file: Path, tmp_path: Path) -> None:
    back_up(url_of(path), file, replace=False)
    restored = await Store.open(url_of(Path(shutil.copy(file, tmp_path / "restored.db"))))
    await restored.inbox.accept(says("1"), "100.1", rule=asks, complete=True)
    assert await restored.turns.open_count() == 1
    await restored.close()


def test_a_database_at_rest_is_left_as_it_was(path: Path, file: Path) -> None:
    before = path.read_bytes()
    back_up(url_of(path), file, replace=False)
    assert path.read_bytes() == before
    assert not Path(f"{path}-wal").exists()


def test_a_worker_that_was_killed_leaves_a_log_and_the_backup_holds_it(path: Path, file: Path) -> None:
    script = f"import os, sqlite3; c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
    script += "c.execute(\"INSERT INTO settings VALUES ('p', 'w', 'c', 't', 'n', 'v', 'u', 0)\"); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert Path(f"{path}-wal").stat().st_size
    back_up(url_of(path), file, replace=False)
    assert rows(file, "SELECT value FROM settings") == [("v",)]


def test_a_path_with_signs_that_mean_something_in_an_address_is_taken_as_it_is(path: Path, file: Path) -> None:
    odd = path.rename(path.with_name("so 100% #1.db"))
    made = back_up(url_of(odd), file.with_name("copy of? 100% #1.db"), replace=False)
    assert made.messages == 0
    assert odd.is_file()


def test_a_file_that_exists_is_replaced_only_when_told_so(path: Path, file: Path) -> None:
    file.write_text("precious")
    assert "copy.db exists already. Name a new file, or add --force" in refusal(path, file)
    assert file.read_text() == "precious"
    back_up(url_of(path), file, replace=True)
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


_RUNS_ON_IT = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute(f"PRAGMA journal_mode={sys.argv[2]}")
c.execute("PRAGMA cache_spill=1"), c.execute("PRAGMA cache_size=1")
c.execute("BEGIN")
c.executemany("INSERT INTO marks VALUES (?, 1)", [(f"of then {n} {'x' * 100}",) for n in range(2000)])
if sys.argv[2] == "WAL":
    c.execute("COMMIT")
os._exit(9)
"""


def run_on(file: Path, journal: str) -> None:
    """Somebody writes to a copy and is killed over it: what SQLite keeps beside it stays."""
    done = subprocess.run([sys.executable, "-c", _RUNS_ON_IT, str(file), journal], check=False)
    assert done.returncode == 9
    assert file.with_name(f"{file.name}-{'wal' if journal == 'WAL' else 'journal'}").stat().st_size


def of_then(file: Path) -> int:
    """How many rows are there that were written to the old copy."""
    [(count,)] = rows(file, "SELECT count(*) FROM marks WHERE name LIKE 'of then%'")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_what_stands_beside_a_copy_that_is_replaced_does_not_get_into_the_new_one(
    path: Path, file: Path, journal: str
) -> None:
    back_up(url_of(path), file, replace=False)
    run_on(file, journal)
    rows(path, "INSERT INTO marks VALUES ('newer', 1)")
    back_up(url_of(path), file, replace=True)
    assert list(file.parent.iterdir()) == [file]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert rows(file, "SELECT at FROM marks WHERE name = 'newer'") == [(1,)]
    assert of_then(file) == 0


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_what_is_left_of_a_copy_that_was_deleted_is_named_and_removed_only_when_told_so(
    path: Path, file: Path, journal: str
) -> None:
    back_up(url_of(path), file, replace=False)
    run_on(file, journal)
    file.unlink()
    said = refusal(path, file)
    assert "belonged to a database of that name (copy.db-" in said
    assert "Name a new file, or add --force to remove it." in said
    back_up(url_of(path), file, replace=True)
    assert list(file.parent.iterdir()) == [file]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert of_then(file) == 0


def test_what_stands_beside_a_file_that_is_no_database_goes_with_it(path: Path, file: Path) -> None:
    file.write_bytes(b"these are somebody's notes\n" * 100)
    file.with_name("copy.db-journal").write_bytes(b"and more")
    back_up(url_of(path), file, replace=True)
    assert list(file.parent.iterdir()) == [file]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_link_is_replaced_and_what_it_leads_to_stays(path: Path, file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    back_up(url_of(path), elsewhere, replace=False)
    before = elsewhere.read_bytes()
    file.symlink_to(elsewhere)
    file.with_name("copy.db-wal").write_bytes(b"left")
    back_up(url_of(path), file, replace=True)
    assert not file.is_symlink() and list(file.parent.iterdir()) == [file]
    assert elsewhere.read_bytes() == before


def test_a_copy_that_a_program_runs_on_is_not_replaced(path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.1)
    back_up(url_of(path), file, replace=False)
    running = sqlite3.connect(file, isolation_level=None)
    running.execute("PRAGMA journal_mode=WAL")
    running.execute("INSERT INTO marks VALUES ('of then', 1)")
    said = refusal(path, file, replace=True)
    assert "cannot be replaced" in said and "End the program that uses it" in said
    running.execute("INSERT INTO marks VALUES ('of then, too', 1)")
    running.close()
    assert of_then(file) == 2


_DIES_BEFORE_THE_RENAME = """
import os, sys
from pathlib import Path
from storage.backup import back_up
Path.replace = lambda *_: os._exit(9)
back_up(sys.argv[1], Path(sys.argv[2]), replace=True)
"""


def test_a_backup_that_is_killed_as_it_replaces_a_copy_leaves_the_old_one_with_all_it_held(
    path: Path, file: Path
) -> None:
    back_up(url_of(path), file, replace=False)
    run_on(file, "WAL")
    done = subprocess.run([sys.executable, "-c", _DIES_BEFORE_THE_RENAME, url_of(path), str(file)], check=False)
    assert done.returncode == 9
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert of_then(file) == 2000
    assert not file.with_name("copy.db-wal").exists()


@pytest.mark.parametrize("replace", [False, True])
def test_the_database_itself_is_refused_by_whatever_name(path: Path, tmp_path: Path, replace: bool) -> None:
    (tmp_path / "alias.db").symlink_to(path)
    (tmp_path / "link.db").hardlink_to(path)
    before = path.read_bytes()
    names = ["parley.db", "parley.db-wal", "parley.db-shm", "parley.db-journal", "alias.db", "link.db"]
    (tmp_path / "odd-wal").hardlink_to(path)
    for name in names:
        assert "is the database itself. Name another file" in refusal(path, tmp_path / name, replace=replace)
    assert "is the database itself" in refusal(tmp_path / "alias.db", tmp_path / "parley.db-wal", replace=replace)
    assert "is the database itself" in refusal(tmp_path / "odd-wal", tmp_path / "odd", replace=replace)
    assert path.read_bytes() == before


def test_what_is_no_place_for_a_file_is_named(path: Path, file: Path) -> None:
    assert "is a folder. Name a file in it" in refusal(path, file.parent)
    assert "there is no folder" in refusal(path, file.parent / "none" / "copy.db")
    os.mkfifo(file)
    assert "is no ordinary file. Name another one." in refusal(path, file, replace=True)


def test_a_missing_database_is_named_and_not_made(tmp_path: Path, file: Path) -> None:
    assert f"there is no database at {tmp_path / 'none.db'}" in refusal(tmp_path / "none.db", file)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(DatabaseUnusable, match="'mysql' is not supported"):
        back_up("mysql://host/name", file, replace=False)


def test_what_is_no_database_of_parley_makes_no_backup(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"these are somebody's notes\n" * 100)
    assert "file is not a database" in refusal(other, file)
    other.unlink()
    rows(other, "CREATE TABLE notes (id INTEGER)")
    assert "no such table: messages" in refusal(other, file)


def test_a_damaged_database_does_not_replace_a_good_backup(path: Path, file: Path) -> None:
    back_up(url_of(path), file, replace=False)
    good = file.read_bytes()
    outages.damage(path, "turns")
    assert "is damaged" in refusal(path, file, replace=True)
    assert file.read_bytes() == good


def test_a_database_that_another_program_holds_for_itself_is_named_after_the_wait(
    path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.1)
    rows(path, "PRAGMA journal_mode=DELETE")  # beside a log, a reader waits for nobody
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "is held by another program. End that one" in refusal(path, file)
    holder.close()


def test_a_full_disk_leaves_the_old_backup_and_nothing_beside_it(path: Path, tmp_path: Path) -> None:
    with outages.small_disk(tmp_path / "disk") as disk:
        back_up(url_of(path), disk / "copy.db", replace=False)
        good = (disk / "copy.db").read_bytes()
        with outages.full(disk):
            assert "database or disk is full" in refusal(path, disk / "copy.db", replace=True)
        assert (disk / "copy.db").read_bytes() == good


_AS_NOBODY = """
import os, sys
from pathlib import Path
from bot.errors import BackupRefused
from storage.backup import back_up
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    back_up(sys.argv[1], Path(sys.argv[2]), replace=False)
except BackupRefused as refused:
    sys.stdout.write(str(refused))
"""


def test_a_folder_that_may_not_be_written_is_named(migrated: Path, public_folder: Path) -> None:
    path = Path(shutil.copy(migrated, public_folder / "parley.db"))
    public_folder.chmod(0o555)
    # The child's coverage data would need a folder it may write to.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, url_of(path), str(public_folder / "copy.db")],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert not done.stderr
    assert f"the folder {public_folder} cannot be written (Permission denied)" in done.stdout
