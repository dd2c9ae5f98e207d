"""The one corner that knows which database it is: connections, how a write begins, and how an upsert is spelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import DatabaseUnusable

BUSY_TIMEOUT_SECONDS = 5
# SQLite's default page cache is 2 MB; -16000 is 16 MB, which holds the hot end of a busy team's history.
CACHE_KIB = 16_000
_WRITES = "parley_writes"


def database_url(url: str) -> URL:
    """`DATABASE_URL` as people write it → SQLAlchemy's form, with the driver named.

    Raises `DatabaseUnusable` for anything that is not `sqlite:///PATH`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUnusable(
            "this is not a database address", "Write it as sqlite:///path/to/parley.db (three slashes, then the path)."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseUnusable(
            f"the database kind {parsed.get_backend_name()!r} is not supported",
            "Use sqlite:///path/to/parley.db, on a disk that outlives a restart.",
        )
    return parsed.set(drivername="sqlite+aiosqlite")


def prepare(url: URL) -> None:
    """Make the folder a SQLite file lives in. Raises `DatabaseUnusable` where that is not allowed."""
    if not url.database or url.database == ":memory:":
        raise DatabaseUnusable(
            "it names no file, so nothing would outlive a restart", "Write it as sqlite:///path/to/parley.db."
        )
    folder = Path(url.database).expanduser().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(
            f"the folder {folder} cannot be made ({error.strerror})", "Name a path the bot may write to."
        ) from None


def create_engine(url: URL) -> AsyncEngine:
    """An engine whose connections are set up for one writer and many readers in a process that may be killed."""
    # Statements carry people's words: no error text may repeat their parameters.
    engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin late and commit early; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        # In WAL mode NORMAL survives a killed process; only a power cut may take the last commits.
        # An answered mention must not be lost even then.
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        f"cache_size=-{CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer half-way can fail without waiting; IMMEDIATE waits its turn.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@asynccontextmanager
async def writer(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that takes its turn to write at its begin; committed at the end of the block."""
    async with engine.connect() as connection:
        await connection.execution_options(**{_WRITES: True})
        async with connection.begin():
            yield connection


def insert(table: Table, dialect_name: str) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT and RETURNING, which both databases spell alike."""
    return postgresql.insert(table) if dialect_name == "postgresql" else sqlite.insert(table)
