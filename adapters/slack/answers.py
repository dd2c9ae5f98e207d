"""What people do with the bot's answers: a button under one, or Slack's own stop button, each handed to the core.

What comes of it is seen at the answer, and what doesn't, by the one who pressed alone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.once import OnceEach
from adapters.slack.parsing import PLATFORM, Identity
from adapters.slack.sessions import Sessions
from adapters.slack.values import clean, fields
from adapters.slack.whispers import tell
from bot.adapter import Sink
from bot.errors import ParleyError
from bot.messages import Address, Author, Button, ButtonPressed, CommandInvoked

log = structlog.get_logger(__name__)


class FindsAuthors(Protocol):
    """Looks somebody up; `within` so many seconds, or as long as a call may take."""

    def __call__(self, user: str, name: str, within: float | None = None) -> Awaitable[Author]:
        """The person, by the `name` given where nothing else is known."""
        ...


@dataclass(frozen=True, slots=True)
class AnswerControls:
    """Takes in what people do with answers. `lookup`: seconds to find out who pressed, of the three until an
    acknowledgement."""

    me: Identity
    web: AsyncWebClient
    sink: Sink
    author: FindsAuthors
    uses: OnceEach
    sessions: Sessions
    lookup: float

    async def press(self, body: Mapping[str, Any], button: Button, channel: str, ts: str) -> None:
        """A button under an answer; returns once what it does is durable, or was refused."""
        person, container = fields(body.get("user")), fields(body.get("container"))
        user = clean(person.get("id"))
        if not user:
            log.warning("slack_press_malformed")
            return
        name = clean(person.get("name")) or clean(person.get("username"))
        author = await self.author(user, name, within=self.lookup)
        workspace = self.me.team_id or clean(fields(body.get("team")).get("id"))
        address = Address(PLATFORM, workspace, channel, clean(container.get("thread_ts")) or None)
        try:
            pressed = ButtonPressed(address, author, ts, button, id_of(clean(body.get("trigger_id"))))
            said = (await self.sink.press(pressed)).text
        except Exception as error:  # noqa: BLE001 - who pressed must hear of it, whatever it was
            log.error("slack_press_failed", button=button, error=type(error).__name__)
            said = _sentence(error)
        if said:
            self.uses.own(tell(self.web, address, user, said))

    async def stop(self, user: str, channel: str, thread: str) -> None:
        """As `/parley stop` does in the thread; the button goes with the end of what is written there."""
        address = Address(PLATFORM, self.me.team_id, channel, thread)
        try:
            said = (await self.sink.command(CommandInvoked(address, await self.author(user, ""), "stop"))).text
        except Exception as error:  # noqa: BLE001 - who pressed must hear of it, whatever it was
            log.error("slack_stop_failed", error=type(error).__name__)
            said = _sentence(error)
        self.sessions.pressed(channel, thread)
        await tell(self.web, address, user, said)


def id_of(trigger: str) -> str:
    """What tells one use of a control from every other, short enough for the key of a message."""
    return hashlib.sha256(trigger.encode()).hexdigest()[:24] if trigger else secrets.token_hex(12)


def _sentence(error: Exception) -> str:
    return error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
