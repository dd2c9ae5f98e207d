"""A worker's hold on one turn, as the turn itself sees it: is it still ours, is it still asked, must it go back?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot import fencing
from bot.errors import LeaseLost
from storage.money import UsageRow
from storage.records import Claim, Terms, now
from storage.turns import Turns


@dataclass(slots=True)
class Room:
    """Room for a turn that is about to be stored: on which `terms` it is claimed with that, None where there is no
    room. Whoever has asked for the room says what the `claim` was, if it came to one, and may say so to `begin` while
    it is being committed."""

    terms: Terms | None = None
    claim: Claim | None = None
    begin: Callable[[Claim], None] = lambda _claim: None


@dataclass(slots=True)
class Lease:
    """The hold on `claim`'s turn, sure until `until` (microseconds since the epoch) and as long as it is renewed.

    `handing_back`: the process ends, and what it can't finish another one will. `askers`: who asked, once that has been
    read. `asked`: the model is asked, or the turn has ended. `stopped`: somebody, `stopped_by` by name, wants no more
    of the answer. `changed`: a question was edited or deleted after `claim.revision`, for the `times_changed`th time.
    `used`: what asking the model took, once that has ended in whatever way. `stored`: done once the claim of a turn
    that began ahead of its commit is durable; it fails with `LeaseLost` where that is not to be known. `over`: this
    process shows nothing more for it.
    """

    claim: Claim
    turns: Turns
    seconds: float
    until: int = field(init=False)
    handing_back: bool = False
    askers: frozenset[str] = frozenset()
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    times_changed: int = 0
    used: UsageRow | None = None
    stored: asyncio.Future[None] | None = None
    over: bool = False
    _newest: int = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.claim.lease_until
        self._newest = self.claim.revision
        if self.claim.stopped_by is not None:
            self.stop(self.claim.stopped_by)

    @property
    def is_dropped(self) -> bool:
        """Whether it began ahead of its commit and nobody knows that it is stored: its number may be another's."""
        return self.stored is not None and self.stored.done() and self.stored.exception() is not None

    async def until_stored(self) -> None:
        """Return once the turn is durable. Raises `LeaseLost` where it was dropped."""
        if self.stored is not None:
            if not self.stored.done():
                await asyncio.wait([self.stored])
            self.stored.result()

    def once_stored(self, do: Callable[[], None]) -> None:
        """Have something done once the turn is durable, or at once where it is; not once it is `over`."""
        if self.stored is None:
            do()
        else:
            self.stored.add_done_callback(lambda _: None if self.over or self.is_dropped else do())

    async def make_sure(self) -> None:
        """Return once nobody else can have the turn. Raises `LeaseLost` where somebody has, and `StorageFailed`.

        Called before the model is asked or anything is shown: a process that was stopped for a while (a suspended
        machine, a stalled disk) does not know what happened meanwhile. What the caller then begins is held to it until
        it is on its way.
        """
        await self.until_stored()
        fencing.calls_only_while(lambda: now() < self.until)
        if now() < self.until:
            return
        asked_at = now()
        if not await self.turns.hold_on(self.claim, self.seconds):
            raise LeaseLost(f"turn {self.claim.turn_id} is held by another worker")
        self.renewed(asked_at, self.seconds)

    def stop(self, by: str) -> None:
        """Let the answer end where it is; `by` is who wants it so."""
        self.stopped_by = by
        self.stopped.set()

    def change(self, revision: int) -> None:
        """What is asked has come to this revision: an answer to an older one is wanted no more, stopped or not."""
        if revision > self._newest:
            self._newest = revision
            self.stopped.clear()
            self.changed.set()

    def began_again(self, revision: int) -> None:
        """From now on the turn answers what is asked at this revision; what was used for older ones is counted."""
        self.claim = replace(self.claim, revision=revision, outcome=None, window=None)
        if revision > self._newest:
            self._newest = revision
            self.stopped.clear()
        self.times_changed += 1
        self.used = None
        if self._newest == revision:
            self.changed.clear()

    def renewed(self, asked_at: int, seconds: float) -> None:
        """The lease was renewed for so many seconds, by a request made at `asked_at`."""
        self.until = asked_at + round(seconds * 1_000_000)
