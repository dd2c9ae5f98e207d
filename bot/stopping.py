"""`stop`, as a command, a message or a button: what is being written ends where who asked, or an admin, wants so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from bot.engine import Engine
from bot.errors import StorageFailed
from bot.interactions import CommandAnswer
from bot.lease import Lease
from bot.messages import Address, Author, CommandInvoked, IncomingMessage
from bot.policy import is_admin
from bot.results import Result
from bot.settings import Settings
from storage.answers import Answers

log = structlog.get_logger(__name__)


# So many wishes in messages are remembered until it is said what came of them.
MOST_REMEMBERED = 1_000
STOPPED = "I've stopped what I was writing here for you."
NOTHING = "There is nothing of yours here that I'm writing just now."


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ends answers under way in this process. `_came` is what came of each wish in a message, by its id.

    Each wish is written down before it is carried out: a process that takes the turn over must know of it.
    """

    engine: Engine
    answers: Answers
    settings: Settings
    _came: dict[str, int] = field(default_factory=dict)

    async def run(self, command: CommandInvoked) -> Result:
        """Carry `stop` out. In a message it was carried out when the message came: what is left is to say so."""
        if command.in_message:
            # What a process of before stopped, this one doesn't know: by now nothing is being written.
            return Result(CommandAnswer(STOPPED if self._came.pop(command.id, 0) else NOTHING))
        address, may = command.address, self._of(command.author)

        def is_meant(lease: Lease) -> bool:
            here = _channel(address) == _channel(lease.claim.address)
            return here and address.thread in (None, lease.claim.address.thread) and may(lease)

        stopped = await self._stop(is_meant, command.author)
        if not stopped:
            return Result(CommandAnswer(NOTHING))
        what = "what I was writing" if stopped == 1 else f"the {stopped} answers I was writing"
        return Result(CommandAnswer(f"I've stopped {what} here."))

    async def at_once(self, message: IncomingMessage, turn_id: int, root: str) -> None:
        """Somebody's `!stop` was stored as a turn: it must not wait until the answer it is to stop has ended.

        What was asked after it is not meant. Never raises.
        """
        address, may = message.address, self._of(message.author)

        def is_meant(lease: Lease) -> bool:
            claim = lease.claim
            here = _channel(address) == _channel(claim.address) and claim.root == root
            return here and claim.turn_id < turn_id and may(lease)

        if len(self._came) >= MOST_REMEMBERED:
            self._came.clear()
        self._came[message.id] = await self._stop(is_meant, message.author)

    def answer(self, turn_id: int, by: Author) -> None:
        """Who may do so wants one answer to end, as is written down already; another process finds that out itself."""
        for lease in self._under_way(lambda lease: lease.claim.turn_id == turn_id):
            _end(lease, by)

    def _of(self, author: Author) -> Callable[[Lease], bool]:
        """Whose answers somebody may stop: their own, and an admin's everybody's."""
        admin = is_admin(author, self.settings)
        return lambda lease: admin or author.id in lease.askers

    async def _stop(self, is_meant: Callable[[Lease], bool], by: Author) -> int:
        """How many answers were ended."""
        return sum([await self._write_and_end(lease, by) for lease in self._under_way(is_meant)])

    async def _write_and_end(self, lease: Lease, by: Author) -> bool:
        """Whether there was still something to end. What can't be written down ends in this process all the same."""
        try:
            if not await self.answers.stop(lease.claim.turn_id, by.name):
                return False
        except StorageFailed as failure:
            log.warning("stop_not_written", turn=lease.claim.key, reason=str(failure))
        _end(lease, by)
        return True

    def _under_way(self, is_meant: Callable[[Lease], bool]) -> list[Lease]:
        return [lease for lease in self.engine.leases() if lease.claim.kind == "answer" and is_meant(lease)]


def _end(lease: Lease, by: Author) -> None:
    log.info("turn_stopped", turn=lease.claim.key, by=by.id)
    lease.stop(by.name)


def _channel(address: Address) -> Address:
    return replace(address, thread=None)
