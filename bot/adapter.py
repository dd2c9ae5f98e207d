"""What an adapter must offer, as Protocols, and what the core offers an adapter.

`Adapter` is the required core, six methods. What is beyond stands in `capabilities.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import Protocol

from bot.interactions import CommandAnswer, FormSubmitted, HomePage
from bot.messages import (
    Address,
    Author,
    ButtonPressed,
    CommandInvoked,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    PartKey,
    ReactionAdded,
    ReactionRemoved,
    Reply,
)

Action = Literal["send", "edit", "start", "append", "stop", "read"]
"""What is done with a message: posted, edited; begun as a stream, appended to, its stream ended; or a channel read."""

Reason = Literal["silent", "closed", "refused", "asked_to"]
"""Why another socket was needed: nothing came on the one before, or it did not hear us; it was closed or cut; there was
none to be had; the platform asked for another."""

# Of what was said before a connection: `nothing` was missed (the platform sent all of it again), something `perhaps`
# (one connection took over from another), or there was a `gap` without any.
Missed = Literal["nothing", "perhaps", "gap"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A published limit: at most `amount` actions in any window of `seconds`.

    `read` is for what is only good to know: a channel's last messages. `scope` says what shares it: one channel, or the
    whole workspace. An adapter leaves a little room for calls that arrive later than they were sent.
    """

    action: Action
    scope: Literal["channel", "workspace"]
    amount: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Description:
    """What an adapter says of itself once it is connected.

    `fits` tells whether a reply fits one message as this platform renders it; `preview_seconds` is the
    shortest useful time between two edits of a growing answer; `mode` is for the log and the doctor; `threads`: a
    mention is answered in a thread by custom, not in the channel.
    """

    platform: str
    bot_id: str
    bot_name: str
    fits: Callable[[Reply], bool]
    limits: tuple[RateLimit, ...]
    preview_seconds: float
    mode: str = ""
    threads: bool = True


@dataclass(frozen=True, slots=True)
class Vitals:
    """How an adapter's connection is right now.

    `up`: there is a socket on which events come. `heard`: seconds since anything came on it, None where nothing ever
    has. `overdue`: after so many seconds of silence the adapter itself takes a socket for dead. `reconnections`: how
    often another socket was needed, by the reason.
    """

    up: bool
    heard: float | None
    overdue: float
    reconnections: Mapping[Reason, int]


class Sink(Protocol):
    """Where an adapter hands what happens. Each call returns once the event is durable; then, not before, ack it."""

    async def receive(
        self, event: IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved
    ) -> None:
        """Take one event in.

        Raises `StorageFailed` if it is not stored yet: leave it unacknowledged, so that the platform sends it again.
        The core keeps it in memory too and asks its database again, for as long as the process lives.
        """
        ...

    async def command(self, command: CommandInvoked) -> CommandAnswer:
        """Carry a command out and return what to show to the one who gave it. Never raises.

        May take long where it asks the model: acknowledge first, or as soon as it takes more than a second.
        """
        ...

    async def form(self, submitted: FormSubmitted) -> CommandAnswer:
        """Take a form in; `problems` in what is returned say what is wrong in it. Never raises."""
        ...

    async def press(self, pressed: ButtonPressed) -> CommandAnswer:
        """Do what a button asks for, and return what to show to the one who pressed it, no text where nothing.

        It is durable when this returns, or the text says that it was not done; then, not before, acknowledge it. Safe
        to repeat with the same id. Never raises.
        """
        ...

    async def complete(self, command: CommandInvoked, option: str, typed: str) -> Sequence[str]:
        """What may be meant by what is `typed` so far in an option of a command, the likeliest first, at most 25.

        `command` carries the options before it. Never raises.
        """
        ...

    async def home(self, person: Author, platform: str, workspace: str) -> HomePage:
        """The page of a person who opened the bot's own. Never raises."""
        ...

    async def hears_all(self, address: Address) -> bool:
        """Whether every message of a channel is for the bot, not only those that mention it. Never raises."""
        ...

    def overhears(self, address: Address) -> bool:
        """Whether what people say in a channel is kept for a while, so that it needs their names."""
        ...

    def connected(self, description: Description, missed: Missed) -> None:
        """Events flow and messages can be sent: after the first connection and after each reconnection.

        `missed` says what may have been said that will not come as an event.
        """
        ...

    def token_refused(self, platform: str, variable: str) -> None:
        """A token that was taken before is refused now: said of every call, so that an admin can be told."""
        ...


class Adapter(Protocol):
    """A platform, as the core sees it."""

    async def start(self, sink: Sink) -> None:
        """Serve until `stop`. Reconnects by itself.

        Raises `TokenRefused` where the platform refuses the credentials: nothing else ends it.
        """
        ...

    async def stop(self) -> None:
        """End `start` in order and close every connection. Safe to call twice."""
        ...

    async def send(self, address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None) -> str:
        """Post one message and return the platform's id of it; raises a `DeliveryFailure`."""
        ...

    async def edit(self, address: Address, message_id: str, reply: Reply) -> None:
        """Give one of the bot's messages a new text; raises a `DeliveryFailure`."""
        ...

    async def fetch_history(
        self, address: Address, *, before: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[IncomingMessage]:
        """The newest `limit` messages of a thread or channel between two ids (exclusive), oldest first."""
        ...

    def describe(self) -> Description:
        """Who the bot is on this platform, and what the platform can take; only after `connected`."""
        ...
