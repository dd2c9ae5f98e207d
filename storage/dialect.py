"""The one corner that knows which database it is: its address, its connections, how an upsert is spelled, and what
its own failures mean to the person who runs the bot."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import aiosqlite
from sqlalchemy import Connection as SchemaConnection
from sqlalchemy import StaticPool, Table, create_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bot.errors import DatabaseUnusable
from storage.connection import Connection

T = TypeVar("T")
# What a database in trouble raises: the driver's errors, SQLAlchemy's around them where the schema is changed, and
# Python's own where SQLite finds no memory.
FAILURES = (sqlite3.Error, SQLAlchemyError, MemoryError)
SQLITE = sqlite.dialect()
Upsert = sqlite.Insert | postgresql.Insert

BUSY_TIMEOUT_SECONDS = 5
# SQLite's default page cache is 2 MB; -8000 is 8 MB, which holds the hot end of a busy team's history: some 2,000
# answers. Each of the two connections fills its own over the first thousands of answers: a small host pays for both.
CACHE_KIB = 8_000
# More than a worker has in use, so that none is prepared twice; the driver's default is 128.
PREPARED_STATEMENTS = 512
_WAL_RETRY_SECONDS = 0.02

_WRITABLE_FILE = "Name a file in a folder the bot may write to."
DAMAGED = "Stop the bot, then restore a backup of it, or move it away to begin anew."
HELD = "Another program holds it: end that one."
_CURES = {
    sqlite3.SQLITE_BUSY: HELD,
    sqlite3.SQLITE_FULL: "Free some space on its disk.",
    sqlite3.SQLITE_NOMEM: "Give the bot's machine more memory, or end what else runs there.",
    sqlite3.SQLITE_IOERR: "Look at its disk: is there space left, is it still attached?",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: "Restore a backup of it, or name another file: this one holds something else.",
    sqlite3.SQLITE_ERROR: "Name another file: this one holds something else.",
}
# Troubles that end by themselves, or by what somebody does beside the running bot.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_LASTING = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def database_url(url: str) -> URL:
    """`DATABASE_URL` as people write it → SQLAlchemy's form: driver named, the path absolute, `~` resolved.

    Raises `DatabaseUnusable` for anything that is not `sqlite:///PATH`.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable(
            "this is not a database address", "Write it as sqlite:///path/to/parley.db (three slashes, then the path)."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseUnusable(
            f"the database kind {parsed.get_backend_name()!r} is not supported",
            "Use sqlite:///path/to/parley.db, on a disk that outlives a restart.",
        )
    if parsed.host or parsed.username or parsed.query:
        raise DatabaseUnusable(
            "a SQLite address has a path and nothing else",
            "Write it with three slashes, or four for a path from the root, and no options: sqlite:///path/to/parley.db.",
        )
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUnusable(
            "it names no file, so nothing would outlive a restart", "Write it as sqlite:///path/to/parley.db."
        )
    try:
        path = Path(parsed.database).expanduser().absolute()
    except RuntimeError:
        raise DatabaseUnusable(
            f"there is no home folder for {Path(parsed.database).parts[0]}", "Write the whole path."
        ) from None
    return parsed.set(drivername="sqlite+aiosqlite", database=str(path))


def prepare(url: URL) -> None:
    """Make the folder a SQLite file lives in. Raises `DatabaseUnusable` where there cannot be such a file."""
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(f"the folder {path.parent} cannot be made ({error.strerror})", _WRITABLE_FILE) from None
    if path.is_dir():
        raise DatabaseUnusable(f"{path} is a folder", f"Name a file in it, for example {path / 'parley.db'}.")
    try:
        # A driver that fails to connect leaves its thread behind.
        sqlite3.connect(path).close()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path} cannot be used ({error})", _WRITABLE_FILE) from None


async def connect(url: URL) -> aiosqlite.Connection:
    """A connection with a thread of its own, to a file that `prepare` has seen open."""
    # The driver's own transaction handling would begin late and commit early; `to_write` does it instead.
    return await aiosqlite.connect(
        url.database or "",
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        cached_statements=PREPARED_STATEMENTS,
    )


def set_up(driver: sqlite3.Connection) -> Connection:
    """What queries are given of a fresh connection. Waits for a file that others use; in the driver's thread alone."""
    _switch_to_wal(driver)
    for pragma in (
        # In WAL mode NORMAL survives a killed process; only a power cut may take the last commits.
        # An answered mention must not be lost even then.
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
        "temp_store=MEMORY",
        # What is wiped is overwritten in the file, not only unlinked there.
        "secure_delete=ON",
    ):
        driver.execute(f"PRAGMA {pragma}").close()
    return Connection(driver, SQLITE)


@contextmanager
def schema_changes(connection: Connection) -> Iterator[SchemaConnection]:
    """SQLAlchemy's own connection, which the tool for migrations asks for, in place of the transaction that is open.

    What it does is committed at the end, undone if that is not reached.
    """
    engine = create_engine(
        "sqlite://",
        creator=lambda: connection.driver,
        poolclass=StaticPool,
        # Statements carry people's words: no error text may repeat their parameters.
        hide_parameters=True,
    )
    with engine.begin() as opened:
        # SQLAlchemy has ended the transaction there was as it looked what it is connected to.
        _begin(connection.driver)
        yield opened


@contextmanager
def to_read(_connection: Connection) -> Iterator[None]:
    """Each statement in here sees one state of the database; they need no transaction for that."""
    yield


@contextmanager
def to_write(connection: Connection) -> Iterator[None]:
    """A transaction: committed at the end, undone if that is not reached or the commit is refused."""
    driver = connection.driver
    if driver.in_transaction:
        driver.rollback()  # one that could not be undone when it failed
    _begin(driver)
    try:
        yield
        commit(driver)
    except BaseException:
        driver.rollback()
        raise


def _begin(driver: sqlite3.Connection) -> None:
    # A deferred transaction that turns into a writer half-way can fail without waiting; IMMEDIATE waits its turn.
    driver.execute("BEGIN IMMEDIATE").close()


def commit(driver: sqlite3.Connection) -> None:
    """Have what was written on the disk. Raises the driver's own errors, and `MemoryError`."""
    driver.commit()


class Savepoint:
    """A place in an open transaction to go back to. Raises the driver's own errors."""

    def __init__(self, connection: Connection) -> None:
        self._driver = connection.driver
        self._driver.execute("SAVEPOINT work").close()

    def go_back(self) -> None:
        """Undo what was done since."""
        self._driver.execute("ROLLBACK TO work").close()

    def release(self) -> None:
        """Let what was done since be part of the transaction."""
        self._driver.execute("RELEASE work").close()


def has_table(connection: Connection, name: str) -> bool:
    """Whether there is a table of this name."""
    found = connection.driver.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", [name])
    return found.fetchone() is not None


def upsert(table: Table, build: Callable[[Upsert], T]) -> Mapping[str, T]:
    """An INSERT that knows ON CONFLICT, built by `build` once for each database, by the dialect's name.

    Both databases spell it alike, but SQLAlchemy has a class for each.
    """
    return {"sqlite": build(sqlite.insert(table)), "postgresql": build(postgresql.insert(table))}


def reason(error: Exception) -> str:
    """What the database itself said: SQLAlchemy's own text may carry the statement's values, people's words."""
    own = _own(error)
    if isinstance(own, MemoryError):
        return "out of memory"
    return str(own) if isinstance(own, sqlite3.Error) else type(error).__name__


def kind(error: BaseException | None) -> int:
    """The kind of a failure, as SQLite numbers them; 0 for what is not of the driver's.

    Takes the driver's own errors and SQLAlchemy's around them, as all that follow here.
    """
    own = _own(error)
    extended: int = sqlite3.SQLITE_NOMEM if isinstance(own, MemoryError) else getattr(own, "sqlite_errorcode", 0)
    # The low byte is the kind, the rest its finer distinction: https://sqlite.org/rescode.html
    return extended & 0xFF


def code(error: BaseException) -> str:
    """SQLite's own name of a failure, such as SQLITE_IOERR_WRITE: what to look for in its documentation."""
    return str(getattr(_own(error), "sqlite_errorname", type(error).__name__))


def cure(error: BaseException) -> str:
    """What the person who runs the bot can do about a failure."""
    return _CURES.get(kind(error), _WRITABLE_FILE)


def passes(error: BaseException | None) -> bool:
    """Whether it makes sense to try again what failed so."""
    return kind(error) in _PASSING


def is_busy(error: BaseException) -> bool:
    """Whether another program holds the database."""
    return kind(error) == sqlite3.SQLITE_BUSY


def passes_by_itself(error: BaseException) -> bool:
    """Whether what kept the database from being opened has nothing to do with how the bot was set up.

    A full disk shows as an I/O error too, where a file beside the database can't be made.
    """
    passing = _PASSING - {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
    return kind(error) in passing


def lasts(error: BaseException) -> bool:
    """Whether the file itself is damaged."""
    return kind(error) in _LASTING


def empty_log(connection: Connection) -> bool:
    """Move what the log beside the file holds into the file and cut the log to nothing: whether nobody was in the way.

    The log keeps what a page held before each change, wiped words included. Not within a transaction.
    """
    busy, *_ = connection.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _own(error: BaseException | None) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Keep the file in WAL mode. Two that switch a new file at once do not wait for each other by themselves."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_SECONDS)
        else:
            return
