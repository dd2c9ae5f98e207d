"""Questions that are edited or deleted: what their turn writes is out of date, wherever it runs.

What happened is a row first; then the turn is told, by the process that took the event where it runs there, else by its
own look at the rows. The turn drops what it does at once and begins again with what is asked now (`bot/turn.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from bot.errors import QuestionChanged, StorageFailed
from bot.lease import Lease
from bot.messages import Address, IncomingMessage
from bot.outcome import from_row
from bot.retention import REMOVED_MARK
from storage.marks import Marks
from storage.records import micros, micros_of, now
from storage.revisions import Revisions
from storage.turns import Turns

log = structlog.get_logger(__name__)

T = TypeVar("T")

# How often the rows of running turns are looked at for what another process took in.
LOOK_SECONDS = 1.0
# A message that is not known asks by an edit as long after it: a pin or a preview also brings old edits back.
FRESH_EDIT_SECONDS = 3_600.0
# The first change is followed at once. Each further one waits longer for the writer to come to an end.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Revising:
    """Takes edits and deletions in.

    `on_edited` gets the id of a turn that had ended when the words of a question of its were changed.
    """

    revisions: Revisions
    marks: Marks
    leases: Callable[[], Sequence[Lease]] = tuple
    on_edited: Callable[[int], None] = lambda _turn_id: None

    async def edit(self, message: IncomingMessage) -> bool:
        """Store a new wording; whether the message may ask something by it that it has not asked before.

        Raises `StorageFailed`.
        """
        revised = await self.revisions.edit(message, asks=_asks(message))
        if revised.outcome == "changed":
            log.info("message_edited", platform=message.address.platform, message=message.id)
            self.tell(revised.turn_id, revised.revision)
            if revised.answered and revised.turn_id is not None and message.edited:
                self.on_edited(revised.turn_id)
        if not (message.mentions_bot or message.direct):
            return False
        return await self._is_fresh(message) if revised.outcome == "unknown" else revised.outcome != "stale"

    async def delete(self, address: Address, message_id: str) -> None:
        """Forget a message that is gone. Raises `StorageFailed`."""
        revised = await self.revisions.delete(address, message_id)
        if revised.outcome == "changed":
            log.info("message_deleted", platform=address.platform, message=message_id)
            self.tell(revised.turn_id, revised.revision)

    def tell(self, turn_id: int | None, revision: int | None) -> None:
        """Let a turn know that its questions have come to this revision, where it runs in this process."""
        for lease in self.leases() if revision is not None else ():
            if lease.claim.turn_id == turn_id:
                lease.change(revision or 0)

    async def _is_fresh(self, message: IncomingMessage) -> bool:
        """Whether an edit of a message that is not known is new, and the message not one that was known once."""
        if message.edited_at is None or micros(message.edited_at) < now() - micros_of(FRESH_EDIT_SECONDS):
            return False
        removed = await self.marks.at(REMOVED_MARK) or 0
        return micros(message.sent_at) >= max(await self.marks.born(), removed)


def _asks(message: IncomingMessage) -> bool:
    """Whether a question is one still in its new wording.

    Without its mention it is: who asks again in other words need not call again. Turned to somebody else, or without
    any words, it is taken back.
    """
    if message.direct or message.mentions_bot:
        return True
    return bool(message.text or message.attachments) and not message.mentions_others


async def watch(turns: Turns, leases: Callable[[], Sequence[Lease]]) -> None:
    """Tell running turns of what other processes took in, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        running = {lease.claim.turn_id: lease for lease in leases()}
        if not running:
            continue
        try:
            found = await turns.revisions(running)
        except StorageFailed:
            continue  # the store has said why
        for turn_id, revision in found.items():
            running[turn_id].change(revision)


async def unless_changed(lease: Lease, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Once the turn's questions change it is cancelled, and this raises `QuestionChanged`."""
    working = asyncio.ensure_future(work)
    changing = asyncio.ensure_future(lease.changed.wait())
    try:
        await asyncio.wait({working, changing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        changing.cancel()
        await asyncio.gather(working, changing, return_exceptions=True)
    if working.cancelled() and lease.changed.is_set():
        raise QuestionChanged(f"the questions of turn {lease.claim.turn_id} were changed")
    return working.result()


async def begin_again(turns: Turns, lease: Lease) -> None:
    """Count what was taken for wordings that are out of date, and hold the turn for the present one.

    Raises `LeaseLost` and `StorageFailed`.
    """
    outcome = lease.claim.outcome
    used = lease.used if outcome is None else from_row(outcome).used
    lease.began_again(await turns.begin_again(lease.claim, used))
    log.info("turn_begins_again", turn=lease.claim.key, times=lease.times_changed)


def pause(times: int) -> float:
    """How long to wait for the next edit before the model is asked again, after so many changes; in seconds."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (times - 2), LONGEST_PAUSE_SECONDS) if times > 1 else 0.0
