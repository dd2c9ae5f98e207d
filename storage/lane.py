"""A thread with the one connection it uses: a whole transaction is one piece of work there, done in one go.

A task that stops waiting for its work leaves nothing behind: work that has not begun is dropped, work that has is
committed or undone by the thread, whoever still listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from bot.errors import StorageFailed
from storage import dialect

T = TypeVar("T")


class Lane:
    """Does work in the order it is given, each in a transaction of its own. Guards the thread and its connection."""

    def __init__(self, engine: Engine, name: str, *, writes: bool) -> None:
        self._engine = engine
        self._writes = writes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"parley-{name}")
        self._connection: Connection | None = None
        self._closed = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns once its transaction is committed; what it raises once that is undone.

        Raises `StorageFailed` after `close`, and SQLAlchemy's own errors.
        """
        if self._closed:
            raise StorageFailed("the database is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def close(self) -> None:
        """Finish the work that was given, then close the connection and end the thread. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    def _do(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(**{dialect.WRITES: self._writes})
        with self._connection.begin():
            return work(self._connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
