"""Opening the database, bringing its schema up to date, and the two ways in: `read` and `write`.

Every failure of the driver leaves here as one of `bot.errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import DatabaseUnusable, StorageFailed
from storage import dialect

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database: guards the engine and the order of this process's writers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.dialect_name = engine.dialect.name
        # SQLite lets one writer in at a time and makes the others poll; a lock in the process makes them queue.
        self._writer = asyncio.Lock()

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open and migrate the database at `url`. Raises `DatabaseUnusable`."""
        parsed = dialect.database_url(url)
        dialect.prepare(parsed)
        engine = dialect.create_engine(parsed)
        try:
            async with dialect.writer(engine) as connection:
                await connection.run_sync(_migrate)
        except CommandError:
            await engine.dispose()
            raise DatabaseUnusable(
                "it was written by a newer version of Parley", "Run that version, or restore a backup of before."
            ) from None
        except (SQLAlchemyError, OSError) as error:
            await engine.dispose()
            raise DatabaseUnusable(
                f"{parsed.database} cannot be used ({_reason(error)})",
                "Name a file in a folder the bot may write to, with space left on its disk.",
            ) from None
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write: committed at the end of the block, undone if it raises.

        Raises `StorageFailed` where the database does not take it.
        """
        async with self._writer:
            try:
                async with dialect.writer(self._engine) as connection:
                    yield connection
            except SQLAlchemyError as error:
                raise StorageFailed(_reason(error)) from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view for reading. Raises `StorageFailed`."""
        try:
            async with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    # SQLAlchemy's own text carries the statement's values, which are people's words.
    return str(error.orig) if isinstance(error, DBAPIError) else str(getattr(error, "strerror", type(error).__name__))


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    head = ScriptDirectory.from_config(config).get_current_head()
    present = None
    if inspect(connection).has_table("alembic_version"):
        present = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if present != head:
        command.upgrade(config, "head")
        log.info("database_migrated", before=present, now=head)
