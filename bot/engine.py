"""Lanes: claims turns by lease and runs them, one per conversation, conversations beside each other up to a limit.

What happens inside a turn is `bot.turn`'s; this file owns the tasks, the leases and the end of the process's work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from bot import crash
from bot.errors import LeaseLost, ParleyError, StorageFailed
from bot.lease import Lease, Room
from bot.messages import Address
from bot.revisions import watch
from bot.shares import Shares
from storage.liveness import SignOfLife
from storage.records import Claim, Terms, now
from storage.turns import Turns

log = structlog.get_logger(__name__)

# How often the queue is looked at without being told: for other workers' turns and for those that wait for a time.
POLL_SECONDS = 1.0
# Of a long queue so many turns are begun at once, and others as soon as these have asked the model or had this moment
# for it: begun all together, the first would be as late as the last.
MOST_BEGINNING = 4
BEGINNING_SECONDS = 0.1
# A lease is renewed three times before it would run out.
RENEWALS_PER_LEASE = 3
# After a trouble of the platform or the database, which may last; and after a bug, which no waiting cures.
LONGEST_PAUSE_SECONDS = 300.0
LONGEST_AFTER_A_BUG_SECONDS = 16.0
# Of the grace at the end, so much is kept for saying that an answer will come later.
HAND_OVER_SECONDS = 3.0


def _pause_after(claim: Claim, longest: float = LONGEST_PAUSE_SECONDS) -> float:
    return min(2.0 ** min(claim.attempt, 16), longest)


@dataclass(frozen=True, slots=True)
class _Running:
    lease: Lease
    task: asyncio.Task[None]
    began_at: float  # by the event loop's clock


async def _drop(running: _Running, stored: asyncio.Future[None]) -> None:
    """End a turn that began ahead of its commit, of which nobody knows that it is stored: it has shown nothing yet.

    Where it is stored all the same, it is claimed again once its lease has run out.
    """
    stored.set_exception(LeaseLost(f"nobody knows that turn {running.lease.claim.turn_id} is stored"))
    stored.exception()  # it may be that nobody has waited for it
    running.task.cancel()
    await asyncio.wait([running.task])


class Engine:
    """The turns this process runs. `run` owns every task; `drain` ends it in order."""

    def __init__(
        self,
        turns: Turns,
        life: SignOfLife,
        run_turn: Callable[[Lease], Awaitable[None]],
        platforms: Collection[str],
        *,
        concurrency: int,
        lease_seconds: float,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`held`: whether turns that were held back for older questions may not begin yet, unless they are released."""
        self._turns = turns
        self._life = life
        self._run_turn = run_turn
        self._platforms = platforms
        self._shares = Shares(concurrency)
        self._lanes = asyncio.Semaphore(concurrency)
        self._lease_seconds = lease_seconds
        self._held = held
        self._running: dict[int, _Running] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()
        # Whether turns may be queued of which nobody will tell: they wait for a lane, or for another turn to end.
        self._others_wait = True
        self._pauses = False
        self._draining = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def wake(self) -> None:
        """There may be something to do: a turn was queued, a platform came back."""
        self._shares.changed()
        self._wake.set()

    @property
    def running(self) -> int:
        """How many turns run right now."""
        return len(self._running)

    @property
    def waits(self) -> bool:
        """Whether all that waited in the queue has been looked at, so that a new turn would be the next."""
        return self._pauses and not self._wake.is_set()

    def leases(self) -> Sequence[Lease]:
        """The turns that run right now."""
        return [each.lease for each in self._running.values()]

    async def run(self) -> None:
        """Claim and run turns until cancelled or drained."""
        try:
            await self._free_turns_of_the_dead(self._life.left_behind())
        except StorageFailed as failure:
            log.info("dead_workers_unseen", reason=str(failure))
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            heartbeat = group.create_task(self._keep_leases(), name="leases")
            watching = group.create_task(watch(self._turns, self.leases), name="changes")
            while not self._draining.is_set():
                await self._lanes.acquire()
                await self._begin(group, await self._next())
            await self._idle.wait()
            heartbeat.cancel()
            watching.cancel()

    @contextlib.asynccontextmanager
    async def reserved(self, address: Address) -> AsyncIterator[Room]:
        """A lane for a turn that is about to be stored there: it need not wait in the queue where nobody else does.

        It may begin while that is being committed, as far as it asks and shows nothing; where it is not stored after
        all, it is dropped. A turn that was stored by somebody who is cancelled over it is claimed again once its lease
        has run out.
        """
        group, room = self._tasks, Room()
        if group is None or not self._is_free(address):
            yield room
            return
        await self._lanes.acquire()
        room.terms = Terms(self._life.owner, self._lease_seconds)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ahead: _Running | None = None

        def begin(claim: Claim) -> None:
            nonlocal ahead
            is_free = room.terms is not None and claim.turn_id not in self._running and not self._draining.is_set()
            if is_free and claim.is_self_contained:
                ahead = self._run(group, Lease(claim, self._turns, self._lease_seconds, stored=stored))
                crash.point("begun_ahead")

        room.begin = begin
        try:
            yield room
        except BaseException:
            room.terms = None
            if ahead is not None:
                await _drop(ahead, stored)
            raise
        else:
            if ahead is not None:
                crash.point("after_claim")
                stored.set_result(None)
        finally:
            room.terms = None
            if ahead is None:
                await self._begin(group, room.claim)

    async def drain(self, grace_seconds: float) -> int:
        """Claim nothing more and let running turns finish; hand back those that can't. Returns how many those were.

        `grace_seconds` are for both.
        """
        self._draining.set()
        self.wake()
        try:
            async with asyncio.timeout(grace_seconds - min(HAND_OVER_SECONDS, grace_seconds / 2)):
                await self._idle.wait()
        except TimeoutError:
            left = list(self._running.values())
            for each in left:
                each.lease.handing_back = True
                each.task.cancel()
            await asyncio.wait([each.task for each in left])
            return len(left)
        return 0

    async def _next(self) -> Claim | None:
        """The next turn, or None where there is none now, or once draining.

        After one that was the only one in the queue, and after none, it waits for a call to wake or for a pause.
        """
        if self._pauses:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._shares.trusted_seconds() or POLL_SECONDS):
                    await self._wake.wait()
        self._wake.clear()
        self._pauses = False
        await self._let_the_begun_go_first()
        claim = None if self._draining.is_set() else await self._claim()
        self._others_wait = claim is None
        self._pauses = claim is None or not claim.others_wait
        return claim

    async def _let_the_begun_go_first(self) -> None:
        """Wait for a moment where many turns have begun within one, and have not asked the model yet."""
        since = asyncio.get_running_loop().time() - BEGINNING_SECONDS
        running = self._running.values()
        beginning = [each for each in running if each.began_at > since and not each.lease.asked.is_set()]
        if len(beginning) >= MOST_BEGINNING:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beginning[0].began_at + BEGINNING_SECONDS):
                    await beginning[0].lease.asked.wait()

    async def _claim(self) -> Claim | None:
        """The oldest turn of the queue that may run now, if there is one."""
        full = self._shares.full()
        if not self._shares.look(full):
            return None
        try:
            claim = await self._turns.claim(
                self._life.owner,
                self._lease_seconds,
                self._platforms,
                at_hand=self._running,
                held=self._held(),
                full=full,
            )
        except StorageFailed:
            return None  # the store has said why, once
        if claim is None:
            self._shares.found_nothing()
        return claim

    def _is_free(self, address: Address) -> bool:
        """Whether a new turn there would be claimed next if it were queued."""
        return (
            self.waits
            and not self._draining.is_set()
            and not self._lanes.locked()
            and address.platform in self._platforms
            and address.channel not in self._shares.full()
        )

    async def _begin(self, group: asyncio.TaskGroup, claim: Claim | None) -> None:
        """Run a turn in the lane that was acquired for it; None leaves the lane."""
        if claim is not None and self._draining.is_set():
            await self._hand_back(Lease(claim, self._turns, self._lease_seconds))
            claim = None
        if claim is None:
            self._lanes.release()
            return
        crash.point("after_claim")
        self._run(group, Lease(claim, self._turns, self._lease_seconds))

    async def _guarded(self, lease: Lease, after: _Running | None) -> None:
        claim = lease.claim
        try:
            if after is not None:
                await asyncio.wait([after.task])
            await self._run_turn(lease)
        except asyncio.CancelledError:
            if lease.is_dropped:
                log.info("turn_dropped", turn=claim.key)
                return
            # Where the lease was lost this changes nothing: releasing is fenced.
            log.info("turn_handed_back", turn=claim.key)
            await self._hand_back(lease)
        except LeaseLost:
            log.warning("lease_lost", turn=claim.key)
        except ParleyError as failure:
            log.error("turn_interrupted", turn=claim.key, attempt=claim.attempt, reason=str(failure))
            await self._hand_back(lease, _pause_after(claim))
        except Exception:  # whatever a turn dies of must not end the others
            log.exception("turn_failed", turn=claim.key, attempt=claim.attempt)
            await self._hand_back(lease, _pause_after(claim, LONGEST_AFTER_A_BUG_SECONDS), crashed=True)

    async def _hand_back(self, lease: Lease, delay: float = 0.0, *, crashed: bool = False) -> None:
        try:
            await lease.until_stored()
            await self._turns.release(lease.claim, delay_seconds=delay, crashed=crashed, used=lease.used)
        except StorageFailed as failure:
            # Its lease runs out; then it is claimed again all the same.
            log.info("release_failed", turn=lease.claim.key, reason=str(failure))

    def _run(self, group: asyncio.TaskGroup, lease: Lease) -> _Running:
        """Run a turn in a lane that was acquired, after one that is being dropped and whose number was given again."""
        turn_id = lease.claim.turn_id
        task = group.create_task(self._guarded(lease, self._running.get(turn_id)), name=f"turn {lease.claim.key}")
        running = self._running[turn_id] = _Running(lease, task, asyncio.get_running_loop().time())
        self._others_wait = lease.claim.others_wait
        self._shares.began(lease.claim.address.channel)
        self._idle.clear()
        task.add_done_callback(lambda _: self._ended(running))
        return running

    def _ended(self, running: _Running) -> None:
        self._lanes.release()
        lease = running.lease
        if self._running.get(lease.claim.turn_id) is running:
            del self._running[lease.claim.turn_id]
        lease.asked.set()
        self._shares.ended(lease.claim.address.channel)
        if not self._running:
            self._idle.set()
        if self._others_wait:
            self._wake.set()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS_PER_LEASE)
            try:
                await self._renew(dict(self._running))
                await self._free_turns_of_the_dead(await self._turns.other_owners(self._life.owner))
            except StorageFailed:
                continue  # the store has said why

    async def _renew(self, running: dict[int, _Running]) -> None:
        if not running:
            return
        asked_at = now()
        held = await self._turns.renew(self._life.owner, running.keys(), self._lease_seconds)
        for turn_id, each in running.items():
            if turn_id in held:
                each.lease.renewed(asked_at, self._lease_seconds)
                if (by := held[turn_id]) is not None and not each.lease.stopped.is_set():
                    each.lease.stop(by)
            elif not each.task.done():
                log.warning("lease_lost", turn=each.lease.claim.key)
                each.task.cancel()

    async def _free_turns_of_the_dead(self, owners: Collection[str]) -> None:
        """What a killed worker was doing need not wait until its leases have run out."""
        dead = [owner for owner in owners if self._life.is_dead(owner)]
        if not dead:
            return
        freed = await self._turns.expire(dead)
        self._life.forget(dead)
        log.info("turns_of_dead_workers_freed", workers=len(dead), turns=freed)
        self.wake()
