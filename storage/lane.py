"""One aiosqlite connection, and the thread it lives in: a whole transaction is one piece of work there.

The driver's usual way takes three hops between threads for each statement; a transaction in one hop costs a third of
the processor time per answer. Writes that were given while the thread was busy are committed together, in the order
they were given: every commit waits for the disk, and so would all that stand behind it.

A task that stops waiting leaves nothing behind: work that has not begun is dropped, work that has is committed or
undone by the thread, whoever still listens.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiosqlite
from sqlalchemy import URL

from bot.errors import StorageFailed
from storage import dialect
from storage.connection import Connection

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Work:
    """A piece of work: whether somebody still waits for it, and once it is `over`, its `value` or its `failure`.

    `alone`: what it was done with has failed, and nothing of it stands. `tell` hears of the value before that is
    committed.
    """

    do: Callable[[Connection], Any]
    tell: Callable[[Any], object] | None = None
    wanted: bool = True
    alone: bool = False
    over: bool = False
    value: Any = None
    failure: Exception | None = None


def _foretell(tell: Callable[[T], None], value: T) -> None:
    """Tell of a value whose commit has just begun."""
    # On a single core whoever is told would otherwise come first, and the commit's wait for the disk after it.
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    tell(value)


class Lane:
    """Does work in the order it is given, each all or not at all. Guards the driver's connection."""

    def __init__(self, driver: aiosqlite.Connection, *, writes: bool) -> None:
        self._driver = driver
        self._writes = writes
        self._given: deque[_Work] = deque()
        self._connection: Connection | None = None
        self._closed = False

    @classmethod
    async def open(cls, url: URL, *, writes: bool) -> Self:
        """Connect to the file at `url`."""
        return cls(await dialect.connect(url), writes=writes)

    async def run(self, work: Callable[[Connection], T], tell: Callable[[T], None] | None = None) -> T:
        """What `work` returns once its transaction is committed; what it raises once that is undone.

        It may be done twice, where what was done with it has failed; the first time is undone then. Where it has a
        transaction to itself, `tell` is called on the event loop with what it returned, while that is being committed.
        Raises `StorageFailed` after `close`, and `dialect.FAILURES`.
        """
        if self._closed:
            raise StorageFailed("the database is closed")
        loop = asyncio.get_running_loop()
        given = _Work(work, None if tell is None else lambda value: loop.call_soon_threadsafe(_foretell, tell, value))
        if self._writes:
            self._given.append(given)
        try:
            # The driver has no public way to run a function in its thread; SQLAlchemy's own dialect uses this one.
            await self._driver._execute(self._serve, given)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            given.wanted = False
            raise
        if given.failure is not None:
            raise given.failure.with_traceback(None)  # several may be told of one
        value: T = given.value
        return value

    async def close(self) -> None:
        """Finish the work that was given, then close the connection and end the thread. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        await self._driver.close()

    def _serve(self, given: _Work) -> None:
        """Do a piece of work, and commit with it all that has been given by now; it may have been done so itself."""
        if given.over:
            return
        if given.alone or not self._writes:
            self._do_alone(given)
            return
        batch = []
        while self._given:
            batch.append(self._given.popleft())
        if len(batch) < 2 or not self._do_together(batch):
            # Each of the others has its own turn in the thread.
            self._do_alone(given)

    def _do_together(self, batch: Sequence[_Work]) -> bool:
        """Commit the whole batch at once; False where the database refused a part of it, and nothing was done."""
        failures: dict[_Work, Exception] = {}
        try:
            with self.transaction() as connection:
                for work in batch:
                    if work.wanted and (failure := self._tried(connection, work)) is not None:
                        failures[work] = failure
        except (sqlite3.Error, MemoryError) as refusal:
            # Where another process holds the database, each would wait for as long again.
            held = dialect.is_busy(refusal)
            for work in batch:
                work.over, work.alone = held, not held
                work.failure = refusal if held else None
            return held
        for work in batch:
            work.failure, work.over = failures.get(work), True
        return True

    def _do_alone(self, work: _Work) -> None:
        if not work.wanted:
            return
        try:
            with self.transaction() as connection:
                work.value = work.do(connection)
                if work.tell is not None:
                    work.tell(work.value)
        except Exception as failure:  # noqa: BLE001 - whatever it is, who waits for the work is told
            work.failure = failure
        work.over = True

    def _tried(self, connection: Connection, work: _Work) -> Exception | None:
        """Do a piece of work within what is open: its own failure, once it alone is undone, or None.

        The database's errors are raised, its want of memory among them: after them there may be no transaction left to
        go back in.
        """
        own = None
        before = dialect.Savepoint(connection)
        try:
            work.value = work.do(connection)
        except (sqlite3.Error, MemoryError):
            raise
        except Exception as failure:  # noqa: BLE001 - it concerns none of the others
            own = failure
            before.go_back()
        before.release()
        return own

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The connection, in a transaction of its own; one that reads sees each statement's moment."""
        if self._connection is None:
            self._connection = dialect.set_up(self._driver._conn)
        with (dialect.to_write if self._writes else dialect.to_read)(self._connection):
            yield self._connection
