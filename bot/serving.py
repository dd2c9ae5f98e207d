"""One worker at work: every task it has, and the order in which they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bot.adapter import Adapter
from bot.backend.client import Backend
from bot.desk import Desk
from bot.errors import StartFailed
from bot.heartbeat import Heartbeat
from bot.key_files import KeyFiles
from bot.lag import LoopLag
from bot.retention import Sweep
from bot.settings import Settings
from bot.summaries import Summarising
from storage import Store

log = structlog.get_logger(__name__)

REFUSALS_WITHIN_SECONDS = 3.0
# What an admin has yet to be told at the end may hold it up so long.
ALERTS_SETTLE_SECONDS = 2.0


@dataclass(slots=True)
class App:
    """One worker: its rooms, and the tasks that run them."""

    settings: Settings
    store: Store
    backend: Backend
    desk: Desk
    lag: LoopLag
    heartbeat: Heartbeat
    sweep: Sweep
    summarising: Summarising
    key_files: KeyFiles | None
    _stop: asyncio.Event
    _refusals: list[StartFailed] = field(default_factory=list)

    async def serve(self) -> None:
        """Run until `stop`, then drain. Raises `StartFailed` where platforms refuse their tokens."""
        try:
            async with asyncio.TaskGroup() as group:
                engine = group.create_task(self.desk.engine.run(), name="engine")
                telling = group.create_task(self.desk.alerts.run(), name="alerts")
                backlog = group.create_task(self.desk.backlog.run(), name="backlog")
                noticing = group.create_task(self.desk.notices.run(), name="notices")
                offering = group.create_task(self.desk.pressing.offering.run(), name="buttons")
                platforms = [
                    group.create_task(self._platform(name, adapter), name=name)
                    for name, adapter in self.desk.offered.items()
                ]
                reading = [
                    group.create_task(catch_up.run(), name=f"catch-up {name}")
                    for name, catch_up in self.desk.catch_ups.items()
                ]
                sweeping = group.create_task(self.sweep.run(), name="sweep")
                summarising = group.create_task(self.summarising.run(), name="summaries")
                watching = [
                    group.create_task(self.lag.run(), name="lag"),
                    group.create_task(self.heartbeat.run(), name="heartbeat"),
                ]
                if self.key_files:
                    watching.append(group.create_task(self.key_files.run(), name="key files"))
                await self._stop.wait()
                self.heartbeat.drain()
                for task in (*reading, sweeping, summarising):
                    task.cancel()
                if self._refusals:
                    await self._hear_the_others(platforms)
                log.info("draining", running=self.desk.engine.running)
                left = await self.desk.engine.drain(self.settings.parley_shutdown_grace)
                await self.desk.alerts.settle(ALERTS_SETTLE_SECONDS)
                telling.cancel()
                noticing.cancel()
                offering.cancel()
                await self._stop_adapters()
                await asyncio.gather(*platforms, engine)
                backlog.cancel()
                if unstored := await self.desk.backlog.flush():
                    log.error("events_not_stored", events=unstored, tells_admin=True)
                for task in watching:
                    task.cancel()
                log.info("stopped", handed_back=left)
        except BaseExceptionGroup as failures:
            # The first to fail ended the others: it alone says what happened.
            raise failures.exceptions[0] from None
        finally:
            await self._stop_adapters()
            await self.heartbeat.end()
        if self._refusals:
            raise StartFailed([problem for refusal in self._refusals for problem in refusal.problems])

    async def _stop_adapters(self) -> None:
        await asyncio.gather(*(adapter.stop() for adapter in self.desk.offered.values()))

    async def _platform(self, name: str, adapter: Adapter) -> None:
        try:
            await adapter.start(self.desk)
            # It was stopped, or nothing more can come from it.
            self.stop()
        except StartFailed as refusal:
            log.error("platform_refused", platform=name)
            if name in self.desk.connected_adapters:
                self.desk.token_refused(name, refusal.problems[0].variable)
            self._refusals.append(refusal)
            self.stop()

    async def _hear_the_others(self, platforms: Sequence[asyncio.Task[None]]) -> None:
        """One list of all refusals is better than one restart for each: give the other platforms a moment."""
        asked = [task for task in platforms if task.get_name() not in self.desk.connected_adapters]
        if asked:
            await asyncio.wait(asked, timeout=REFUSALS_WITHIN_SECONDS)

    def stop(self) -> None:
        """Ask `serve` to end in order."""
        self._stop.set()
