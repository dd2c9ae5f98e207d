"""`stop`: what is being written, or waits to be, ends where the one who asked for it, or an admin, wants it to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.engine import Engine
from bot.interactions import CommandAnswer
from bot.lease import Lease
from bot.messages import Author, CommandInvoked, IncomingMessage
from bot.policy import is_admin
from bot.results import Result
from bot.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ends answers under way in this process."""

    engine: Engine
    settings: Settings

    async def run(self, command: CommandInvoked) -> Result:
        """Carry `stop` out. In a message it was carried out when the message came: what is left is to say so."""
        if command.in_message:
            return Result(CommandAnswer("I've stopped what I was writing here for you."))
        address, admin = command.address, is_admin(command.author, self.settings)

        def is_meant(lease: Lease) -> bool:
            place = lease.claim.address
            return (
                (place.platform, place.workspace, place.channel)
                == (address.platform, address.workspace, address.channel)
                and (address.thread is None or address.thread == place.thread)
                and (admin or lease.asker == command.author.id)
            )

        stopped = self._stop(is_meant, command.author)
        if not stopped:
            return Result(CommandAnswer("There is nothing of yours here that I'm writing just now."))
        what = "what I was writing" if stopped == 1 else f"the {stopped} answers I was writing"
        return Result(CommandAnswer(f"I've stopped {what} here."))

    def at_once(self, message: IncomingMessage, root: str) -> None:
        """Somebody wrote `!stop` in a conversation: it must not wait until the answer it is to stop has ended."""
        address, admin = message.address, is_admin(message.author, self.settings)

        def is_meant(lease: Lease) -> bool:
            here = replace(address, thread=None) == replace(lease.claim.address, thread=None)
            return here and lease.claim.root == root and (admin or lease.asker == message.author.id)

        self._stop(is_meant, message.author)

    def _stop(self, is_meant: Callable[[Lease], bool], by: Author) -> int:
        stopped = [lease for lease in self.engine.leases() if lease.claim.kind == "answer" and is_meant(lease)]
        for lease in stopped:
            log.info("turn_stopped", turn=lease.claim.key, by=by.id)
            lease.stop(by.name)
        return len(stopped)
