"""Opening the database, bringing its schema up to date, and the two ways in: `read` and `write`.

Queries are plain functions of a connection. Every failure of the driver leaves here as one of `bot.errors`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import URL, text
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from bot.errors import DatabaseUnusable, StorageFailed
from storage import dialect
from storage.connection import Connection
from storage.lane import Lane
from storage.trouble import Trouble

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest migration. Knowing it here spares an up-to-date start the loading of the migrations and their tool.
HEAD = "0007"
# How long the answers under way wait for a database in trouble before their turns go back to the queue.
PATIENCE_SECONDS = 600.0
# How long a start waits for a database that is held: by a process stopped in the middle of a write, for instance.
HELD_FOR_SECONDS = 30.0
_PAUSE = wait_exponential(multiplier=0.1, max=3.0)


class Database:
    """One database: a lane that writes, since SQLite lets one writer in at a time, and one that reads beside it."""

    def __init__(self, path: Path, writer: Lane, reader: Lane) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._writing = Trouble("writing")
        self._reading = Trouble("reading")

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open and migrate the database at `url`; one that another program holds is waited for.

        Raises `DatabaseUnusable`.
        """
        parsed = dialect.database_url(url)
        dialect.prepare(parsed)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(dialect.is_busy),
                wait=_PAUSE,
                stop=stop_after_delay(HELD_FOR_SECONDS),
                before_sleep=lambda _: log.warning("database_held", cure=dialect.HELD),
                reraise=True,
            ):
                with attempt:
                    return await cls._open(parsed)
        except dialect.FAILURES as error:
            wrong = f"{parsed.database} cannot be used ({dialect.reason(error)})"
            raise DatabaseUnusable(wrong, dialect.cure(error), passing=dialect.passes_by_itself(error)) from None
        raise AssertionError("tenacity returns or raises")

    @classmethod
    async def _open(cls, parsed: URL) -> Database:
        async with AsyncExitStack() as undo:
            writer = await Lane.open(parsed, writes=True)
            undo.push_async_callback(writer.close)
            before = await writer.run(_bring_up_to_date)
            reader = await Lane.open(parsed, writes=False)
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
            except dialect.FAILURES as error:
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
        return await self._on(self._writer, self._writing, lambda connection: work(connection, *args, **kwargs))

    async def write_foretold(
        self,
        tell: Callable[[T], None] | None,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`write`; where nothing else is written with it, `tell` is called, while that is being committed, with what
        `work` returned. It may still be undone: then this raises."""
        return await self._on(self._writer, self._writing, lambda connection: work(connection, *args, **kwargs), tell)

    async def insist(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`write`, asked again for `PATIENCE_SECONDS` while the database is in a trouble that can pass.

        For the writes of an answer under way: what the model said and the platform took would be lost with them.
        Raises `StorageFailed`.
        """
        return await _patiently(lambda: self.write(work, *args, **kwargs))

    async def insist_foretold(
        self,
        tell: Callable[[T], None] | None,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`insist`, with `tell` as in `write_foretold`: perhaps more than once."""
        return await _patiently(lambda: self.write_foretold(tell, work, *args, **kwargs))

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`, which only reads; each of its statements sees all that was written before. Raises
        `StorageFailed`."""
        return await self._on(self._reader, self._reading, lambda connection: work(connection, *args, **kwargs))

    async def scrub(self) -> None:
        """Let nothing that was wiped linger in the log beside the file, where that can be done now.

        Where it can't, another process is reading there: the log is overwritten in its own time.
        """
        try:
            await self._reader.run(dialect.empty_log)
        except dialect.FAILURES as error:
            log.info("log_not_emptied", reason=dialect.reason(error))

    async def damage(self) -> str | None:
        """What is wrong in the file itself, in SQLite's words; None where nothing is. Reads the whole file."""
        try:
            found = await self._reader.run(_quick_check)
        except dialect.FAILURES as error:
            return dialect.reason(error)
        return None if found == "ok" else found

    async def _on(
        self, lane: Lane, trouble: Trouble, work: Callable[[Connection], T], tell: Callable[[T], None] | None = None
    ) -> T:
        try:
            done = await lane.run(work, tell)
        except dialect.FAILURES as error:
            trouble.failed(error)
            raise StorageFailed(dialect.reason(error)) from error
        trouble.worked()
        return done


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    try:
        # As a rule the first try is the only one, and needs none of what follows.
        return await write()
    except StorageFailed as failure:
        if not _may_pass(failure):
            raise
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_may_pass), wait=_PAUSE, stop=stop_after_delay(PATIENCE_SECONDS), reraise=True
    ):
        with attempt:
            return await write()
    raise AssertionError("tenacity returns or raises")


def _may_pass(failure: BaseException) -> bool:
    return isinstance(failure, StorageFailed) and dialect.passes(failure.__cause__)


def _quick_check(connection: Connection) -> str:
    # Its first line says what kind of thing was found, and the rest which: https://sqlite.org/pragma.html#pragma_quick_check
    return str(connection.scalar(text("PRAGMA quick_check(1)"))).splitlines()[0]


def _bring_up_to_date(connection: Connection) -> str | None:
    """Apply the migrations that are missing; returns the version there was before, None for a new database."""
    before = _version(connection)
    if before != HEAD:
        _migrate(connection)
    return before


def _version(connection: Connection) -> str | None:
    """The newest migration that was applied, None where none was."""
    if not dialect.has_table(connection, "alembic_version"):
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
    try:
        with dialect.schema_changes(connection) as opened:
            config.attributes["connection"] = opened
            command.upgrade(config, "head")
    except CommandError:
        raise DatabaseUnusable(
            "it was written by a newer version of Parley", "Run that version, or restore a backup of before."
        ) from None
