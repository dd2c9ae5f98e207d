"""A worker's hold on one turn, as the turn itself sees it: is it still ours, and must it be handed back?"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.errors import LeaseLost
from storage.records import Claim, now
from storage.turns import Turns


@dataclass(slots=True)
class Lease:
    """The hold on `claim`'s turn, sure until `until` (microseconds since the epoch) and as long as it is renewed.

    `handing_back`: the process ends, and what it can't finish another one will.
    """

    claim: Claim
    turns: Turns
    seconds: float
    until: int = field(init=False)
    handing_back: bool = False

    def __post_init__(self) -> None:
        self.until = self.claim.lease_until

    async def make_sure(self) -> None:
        """Return once nobody else can have the turn. Raises `LeaseLost` where somebody has, and `StorageFailed`.

        Called before anything is shown: a process that was stopped for a while (a suspended machine, a stalled disk)
        does not know what happened meanwhile.
        """
        if now() < self.until:
            return
        asked_at = now()
        if not await self.turns.hold_on(self.claim, self.seconds):
            raise LeaseLost(f"turn {self.claim.turn_id} is held by another worker")
        self.renewed(asked_at, self.seconds)

    def renewed(self, asked_at: int, seconds: float) -> None:
        """The lease was renewed for so many seconds, by a request made at `asked_at`."""
        self.until = asked_at + round(seconds * 1_000_000)
