"""What a message to the bot is to have: an answer, a command carried out, a word why not, or nothing. Decided once.

Rights, limits and commands meet here, on the way in; what was decided is stored with the message, so that neither a
redelivery nor a restart decides again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot import command_line, limits
from bot.commanding import payload_of
from bot.controls.effective import Effective
from bot.messages import CommandInvoked, IncomingMessage
from bot.policy import is_admin, is_heard, refuse_question
from bot.settings import Settings
from storage.records import Ruling

log = structlog.get_logger(__name__)

# Somebody who may not ask is told so once in this time, in each place.
TOLD_FOR_SECONDS = 3_600.0
MOST_TOLD = 10_000

KEPT = Ruling(None)
# Over a limit and told so before: it stays unanswered, also when it is told of again.
PASSED_OVER = Ruling(None, decided=True)
ANSWERED = Ruling("answer")
# Said by somebody who is not to be answered: the model does not read it either.
UNHEARD = Ruling(None, aside=True, decided=True)
# The same of what was not even said to the bot.
UNREAD = Ruling(None, aside=True)


@dataclass(slots=True)
class Admission:
    """Decides for every message. Guards whom it has told why they get no answer."""

    settings: Settings
    limits: limits.Limits
    _told: dict[tuple[str, ...], float] = field(default_factory=dict)

    def rule(self, message: IncomingMessage, root: str, effective: Effective) -> Callable[[], Ruling]:
        """How to decide on a message that asks something, once it is known to be new; `root` is its conversation's."""
        return lambda: self._decide(message, root, effective)

    def keep(self, message: IncomingMessage, effective: Effective) -> Ruling:
        """What becomes of a message that asks nothing: the model reads it with what follows, or nobody does."""
        return KEPT if is_heard(message.author, effective, self.settings) else UNREAD

    def _decide(self, message: IncomingMessage, root: str, effective: Effective) -> Ruling:
        now = time.monotonic()
        command = command_of(message)
        why = refuse_question(message.author, message.address, effective, self.settings, direct=message.direct)
        if why:
            log.info("question_refused", channel=message.address.channel, by=message.author.id)
            return Ruling("notice", why, aside=True) if self._is_news(message, now) else UNHEARD
        # Without this, somebody over the limit could not stop what they set off, have it forgotten or ask for quiet.
        if command is not None and command.name in ("stop", "forget", "help", "mute", "unmute"):
            return Ruling("command", payload_of(command), aside=True)
        if not (effective.admins_exempt and is_admin(message.author, self.settings)):
            # By when it was sent: what was asked over hours while nobody listened is no flood.
            asked_at = message.edited_at or message.sent_at
            hit = self.limits.take(message.author, message.address, asked_at.timestamp(), root)
            if hit is not None:
                log.info("limit_reached", whose=hit.whose, channel=message.address.channel, by=message.author.id)
                return Ruling("notice", limits.notice(hit)) if hit.news else PASSED_OVER
        return ANSWERED if command is None else Ruling("command", payload_of(command), aside=True)

    def _is_news(self, message: IncomingMessage, now: float) -> bool:
        address = message.address
        who = (address.platform, address.workspace, address.channel, message.author.id)
        if now < self._told.get(who, 0.0):
            return False
        if len(self._told) >= MOST_TOLD:
            self._told = {key: until for key, until in self._told.items() if until > now}
        self._told[who] = now + TOLD_FOR_SECONDS
        return True


def command_of(message: IncomingMessage) -> CommandInvoked | None:
    """The command that a message to the bot holds, if it holds one."""
    found = command_line.in_message(message.text)
    if found is None:
        return None
    return CommandInvoked(message.address, message.author, *found, id=message.id, in_message=True)
