"""The worker's heartbeat: every few seconds it looks at its own parts and writes what it finds into the health file.

It asks nobody outside: sockets, loop and model have been watched by those who use them; the database alone is given a
small write of its own. What the findings mean is `health.py`'s. Nothing that fails here harms the worker.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog

from bot.adapter import Adapter
from bot.backend.standing import Standing
from bot.capabilities import ReportsVitals
from bot.errors import StorageFailed
from bot.health import PROBE_EVERY_WRITINGS, Database, Loop, Model, Queue, Report, Socket, State, dump, read
from bot.lag import LoopLag
from storage import Store

log = structlog.get_logger(__name__)

PROBE = "health"
# How long a disk may keep the end waiting.
LAST_WRITING_SECONDS = 2.0


class Heartbeat:
    """Looks and writes, every `every` seconds, while `run` runs; `drain` and `end` say what the worker is about."""

    def __init__(
        self,
        path: Path,
        *,
        every: float,
        store: Store,
        adapters: Mapping[str, Adapter],
        model: Standing,
        lag: LoopLag,
    ) -> None:
        self._path = path
        self._every = every
        self._store = store
        self._adapters = adapters
        self._model = model
        self._lag = lag
        self._started_at = time.time()
        self._version = _version()
        self._state: State = "running"
        # Opening it has just brought it up to date.
        self._database = Database(wrote_at=self._started_at)
        self._queue: Queue | None = None
        self._written = True
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look and write until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe(), name="probe")
            group.create_task(self._beat(), name="beat")

    def drain(self) -> None:
        """The worker begins nothing new from now on."""
        self._state = "draining"
        self._changed.set()

    async def end(self) -> None:
        """Leave word that the worker has stopped."""
        self._state = "stopped"
        await self._write()

    async def _beat(self) -> None:
        while True:
            self._changed.clear()
            await self._write()
            try:
                async with asyncio.timeout(self._every):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _probe(self) -> None:
        """Write to the database, since one that can be read may still take nothing: locked, full, read-only."""
        while True:
            try:
                if not await self._store.marks.due(PROBE, 0.0):
                    await self._store.marks.clear(PROBE)  # the clock went back: it has to be a write all the same
            except StorageFailed as failure:
                since = self._database.failing_since or time.time()
                self._database = replace(self._database, failure=str(failure), failing_since=since)
            else:
                self._database = Database(wrote_at=time.time())
            try:
                backlog = await self._store.turns.backlog()
            except StorageFailed:
                self._queue = None
            else:
                since_micros = backlog.waiting_since
                self._queue = Queue(backlog.open, None if since_micros is None else since_micros / 1_000_000)
            await asyncio.sleep(PROBE_EVERY_WRITINGS * self._every)

    async def _write(self) -> None:
        putting = asyncio.create_task(asyncio.to_thread(self._tried, dump(self._report())))
        try:
            error = await asyncio.shield(putting)
        except asyncio.CancelledError:
            # The thread goes on: what is written next must not meet it, nor be overwritten by it.
            await asyncio.wait([putting], timeout=LAST_WRITING_SECONDS)
            raise
        if error is not None and self._written:
            log.warning("health_file_not_written", path=str(self._path), error=str(error))
        self._written = error is None

    def _report(self) -> Report:
        return Report(
            at=time.time(),
            every=self._every,
            started_at=self._started_at,
            pid=os.getpid(),
            version=self._version,
            state=self._state,
            platforms={
                name: Socket(**asdict(adapter.vitals()))
                for name, adapter in self._adapters.items()
                if isinstance(adapter, ReportsVitals)
            },
            loop=Loop(self._lag.worst(within=self._every), self._lag.worst()),
            database=self._database,
            queue=self._queue,
            model=Model(**asdict(self._model)),
        )

    def _tried(self, text: str) -> Exception | None:
        """Put it there; what kept that from being done."""
        try:
            self._put(text)
        except (OSError, ValueError) as error:
            return error
        return None

    def _put(self, text: str) -> None:
        """Replace the file in one step, so that nobody reads half of it. Raises OSError and ValueError."""
        if self._state != "running" and self._has_successor():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def _has_successor(self) -> bool:
        """Whether a younger worker writes the file by now, as during a deploy: it must not be called stopped."""
        found = read(self._path)
        return isinstance(found, Report) and found.pid != os.getpid() and found.started_at > self._started_at


def _version() -> str:
    try:
        return version("parley-bot")
    except PackageNotFoundError:
        return "of a checkout"  # run from its folder, as some hosts do
