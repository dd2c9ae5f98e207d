"""Opening the database, bringing its schema up to date, and the two ways in: `read` and `write`.

Queries are plain functions of a connection. Every failure of the driver leaves here as one of `bot.errors`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DatabaseUnusable, StorageFailed
from storage import dialect
from storage.lane import Lane

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest migration. Knowing it here spares an up-to-date start the loading of the migrations and their tool.
HEAD = "0002"


class Database:
    """One database: a lane that writes, since SQLite lets one writer in at a time, and one that reads beside it."""

    def __init__(self, path: Path, writer: Lane, reader: Lane) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open and migrate the database at `url`. Raises `DatabaseUnusable`."""
        parsed = dialect.database_url(url)
        dialect.prepare(parsed)
        async with AsyncExitStack() as undo:
            try:
                writer = await Lane.open(parsed, writes=True)
                undo.push_async_callback(writer.close)
                before = await writer.run(_bring_up_to_date)
                reader = await Lane.open(parsed, writes=False)
            except SQLAlchemyError as error:
                raise DatabaseUnusable(
                    f"{parsed.database} cannot be used ({dialect.reason(error)})", dialect.cure(error)
                ) from None
            undo.pop_all()
        if before != HEAD:
            log.info("database_migrated", before=before, now=HEAD)
        return cls(Path(parsed.database or ""), writer, reader)

    @classmethod
    async def attach(cls, url: str) -> Database:
        """Open the database at `url` beside the worker that keeps it: it is neither made nor migrated here.

        Nothing of it is locked before the first write. Raises `DatabaseUnusable`.
        """
        parsed = dialect.database_url(url)
        path = Path(parsed.database or "")
        _make_sure_it_is_there(path)
        dialect.prepare(parsed)
        async with AsyncExitStack() as undo:
            try:
                reader = await Lane.open(parsed, writes=False)
                undo.push_async_callback(reader.close)
                _make_sure_it_fits(await reader.run(_version), path)
                writer = await Lane.open(parsed, writes=True)
            except SQLAlchemyError as error:
                wrong = f"{path} cannot be used ({dialect.reason(error)})"
                raise DatabaseUnusable(wrong, dialect.cure(error)) from None
            undo.pop_all()
        return cls(path, writer, reader)

    async def close(self) -> None:
        """Let the work that was given end, then close every connection. Safe to call twice."""
        await self._reader.close()
        await self._writer.close()

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a transaction that may write: durable when this returns, undone if it raises.

        Raises `StorageFailed` where the database does not take it.
        """
        return await self._on(self._writer, lambda connection: work(connection, *args, **kwargs))

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`, which only reads; each of its statements sees all that was written before. Raises
        `StorageFailed`."""
        return await self._on(self._reader, lambda connection: work(connection, *args, **kwargs))

    async def _on(self, lane: Lane, work: Callable[[Connection], T]) -> T:
        try:
            return await lane.run(work)
        except SQLAlchemyError as error:
            raise StorageFailed(dialect.reason(error)) from error


def _bring_up_to_date(connection: Connection) -> str | None:
    """Apply the migrations that are missing; returns the version there was before, None for a new database."""
    before = _version(connection)
    if before != HEAD:
        _migrate(connection)
    return before


def _version(connection: Connection) -> str | None:
    """The newest migration that was applied, None where none was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _make_sure_it_is_there(path: Path) -> None:
    try:
        is_there = path.exists()
    except OSError as error:
        raise DatabaseUnusable(f"{path} cannot be reached ({error.strerror})", "Run this as the bot's user.") from None
    if not is_there:
        cure = "Run this where the bot runs, with the same DATABASE_URL."
        raise DatabaseUnusable(f"there is no database at {path}", cure)


def _make_sure_it_fits(version: str | None, path: Path) -> None:
    """Raise `DatabaseUnusable` where a database that is not to be migrated is of another version than this program."""
    if version is None:
        raise DatabaseUnusable(f"{path} holds nothing of Parley's", "Use the DATABASE_URL that the bot runs with.")
    if version != HEAD:
        raise DatabaseUnusable(
            f"{path} has the tables of another version of Parley ({version}, here it is {HEAD})",
            "Use the version that the bot runs; when a newer bot starts, it brings the database up to date.",
        )


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 -- takes longer to load than an up-to-date database takes to open
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    # The value is a format string to the tool: a percent sign in the path stands for itself only when doubled.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise DatabaseUnusable(
            "it was written by a newer version of Parley", "Run that version, or restore a backup of before."
        ) from None
