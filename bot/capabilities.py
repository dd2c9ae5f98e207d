"""What an adapter may be able to do beyond what it must: each a capability of its own, as a Protocol.

The core asks `isinstance(adapter, ShowsStatus)`, never which platform it is. No flag says what an adapter can do, so
none can lie.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import Protocol, runtime_checkable

from bot.adapter import Action, RateLimit, Vitals
from bot.interactions import OutgoingFile
from bot.messages import Address, Attachment, Button, IncomingMessage, PartKey, Place, Reply


@runtime_checkable
class ShowsStatus(Protocol):
    """Can show that the bot is at work: Slack's status line, Discord's typing."""

    @property
    def status_seconds(self) -> float:
        """After how many seconds the status fades and must be shown again."""
        ...

    async def show_status(self, address: Address, text: str) -> bool | None:
        """Show `text` (or just activity); the empty text clears it. Never raises: a status is a luxury.

        Whether it is known to be as it should; where not, it may still come to be. None where nothing was tried.
        """
        ...


@runtime_checkable
class LearnsLimits(Protocol):
    """The platform itself tells what its limits are."""

    def learned(self, action: Action, address: Address) -> RateLimit | None:
        """The limit on an action in a channel as far as the platform has told it. Asks nobody, never raises."""
        ...


@runtime_checkable
class SendsOnceStored(Protocol):
    """Can prepare a message while it is still being written down that it is about to be sent."""

    async def send_once(
        self, stored: Future[None], address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None
    ) -> str:
        """As `Adapter.send`, but nothing leaves before `stored` is done; where that fails, nothing ever does.

        What it raises then need not be what `stored` raises: whoever calls it looks there.
        """
        ...


@runtime_checkable
class Streams(Protocol):
    """Can show a message that grows by what is appended to it, and cannot be edited before that has ended."""

    def can_stream(self, address: Address) -> bool:
        """Whether messages there may begin so, as far as it is known. Asks nobody, never raises."""
        ...

    async def begin_stream(self, address: Address, reply: Reply, key: PartKey, *, recipient: str) -> str | None:
        """Begin a message in answer to a person and return its id; None where it has to be posted instead.

        Raises a `DeliveryFailure`, none of which is a refusal.
        """
        ...

    async def append_stream(self, address: Address, message_id: str, shown: Reply, reply: Reply) -> bool:
        """Let a message that shows one reply show another, which goes on from it; whether it does.

        Where not, its stream may have ended: it takes an edit. Raises a `DeliveryFailure` that is no refusal.
        """
        ...

    async def end_stream(self, address: Address, message_id: str, shown: Reply, reply: Reply, key: PartKey) -> bool:
        """The same, and nothing more comes by the stream: from now on the message can be edited."""
        ...


@runtime_checkable
class ShowsButtons(Protocol):
    """Can show buttons under the bot's messages, those of `Reply.buttons`, and hands presses to `Sink.press`."""

    async def set_buttons(self, address: Address, message_id: str, buttons: Sequence[Button]) -> None:
        """Change the buttons under one of the bot's messages and leave its text. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class Deletes(Protocol):
    """Can take one of the bot's own messages back."""

    async def delete(self, address: Address, message_id: str) -> None:
        """Remove the message; one that is gone already is no error. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class RepeatsSafely(Protocol):
    """Its `send` can be repeated: with the same key it returns the message that is there already.

    It raises `StandsUnchanged` where that takes no other text.
    """

    @property
    def repeat_seconds(self) -> float:
        """For how many seconds after the first try that holds; later it would post a second message."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a message that was sent, or not: its key, what it would reply to, and what it stands after."""

    key: PartKey
    reply_to: str | None
    after: str | None


@runtime_checkable
class FindsReplies(Protocol):
    """Can look into the channel for a message of our own whose fate is not known."""

    async def find_replies(self, address: Address, trace: Trace) -> Sequence[str]:
        """The ids of the messages that may be it, the likeliest first. Raises a `DeliveryFailure`.

        Where the platform keeps no key with a message, one of another answer may be among them: the caller knows those.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unread:
    """A place to be read from a time on: a thread, or (`address.thread` None) a channel's own messages."""

    address: Address
    since: datetime


@runtime_checkable
class ReadsMissed(Protocol):
    """Can read what was said while nothing listened. A place that refuses has nothing."""

    def missed(
        self, known: Sequence[Unread], since: datetime, horizon: datetime, most: int
    ) -> AsyncGenerator[tuple[Address, Sequence[IncomingMessage]], None]:
        """Each place that could be read, and its messages, oldest first: at most the newest `most` of each.

        `known` are places where the bot was spoken to, the most recent first; others that it can see are read from
        `since` on. From `horizon` on it may look for places: a thread may be older than what is new in it. What begins
        a thread may come with the thread or with the channel. Raises `DeliveryUncertain` at the end where some could
        not be read just now.
        """
        ...

    async def missed_in(self, place: Unread, most: int) -> Sequence[IncomingMessage]:
        """The messages of one place, as `missed` has them. Raises a `DeliveryFailure` where it can't be read just
        now."""
        ...


@runtime_checkable
class FollowsReplies(Protocol):
    """Conversations may be chains of replies."""

    async def fetch_chain(self, address: Address, message_id: str, limit: int) -> Sequence[IncomingMessage]:
        """The message and those it replies to, up to `limit`, oldest first."""
        ...


@runtime_checkable
class KnowsPlaces(Protocol):
    """Knows what channels are called."""

    async def place(self, address: Address) -> Place:
        """The names of a channel and its workspace. Never raises: empty where they can't be had."""
        ...


@runtime_checkable
class ReportsVitals(Protocol):
    """Knows how its connection is."""

    def vitals(self) -> Vitals:
        """How it is, at any time: before `start`, while it serves, after its end. Asks nobody, never raises."""
        ...


@runtime_checkable
class ReachesPeople(Protocol):
    """Can write to one person alone."""

    def is_person(self, user_id: str) -> bool:
        """Whether an id has the form of this platform's people."""
        ...

    async def direct(self, user_id: str) -> Address:
        """Where to `send` what that person alone is to read; safe to repeat. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class Whispers(Protocol):
    """Can show something in a channel to one person alone."""

    async def whisper(self, address: Address, user_id: str, reply: Reply) -> None:
        """Show it; it can be neither edited nor found again. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class HearsEnds(Protocol):
    """Wants to know when an answer has ended, in whatever way."""

    def ended(self, address: Address) -> None:
        """Nothing more of this answer comes, in this try of it. Never raises."""
        ...


@runtime_checkable
class HearsBeginnings(HearsEnds, Protocol):
    """Wants to know too when one is begun."""

    def begun(self, address: Address, *, again: bool) -> None:
        """An answer is being written there; `again`: an earlier try of it was begun. Never raises."""
        ...


@runtime_checkable
class Uploads(Protocol):
    """Can put a file into a channel or a thread."""

    async def upload(self, address: Address, file: OutgoingFile, text: str = "", *, key: PartKey | None = None) -> str:
        """Post the file, with `text` (Markdown that fits one message) beside it, and return the id it is known by.

        Where the adapter `RepeatsSafely`, doing it again with the same `key` posts nothing more. Raises a
        `DeliveryFailure`.
        """
        ...


@runtime_checkable
class FindsFiles(Protocol):
    """Can look into the channel for a file of our own whose fate is not known."""

    async def find_file(self, address: Address, name: str, after: str | None) -> str | None:
        """The id of our file of that name that a message after another one shows, None where none does.

        Raises a `DeliveryFailure`.
        """
        ...


@runtime_checkable
class TakesFilesBack(Protocol):
    """Can take one of the bot's own files back."""

    async def take_file_back(self, address: Address, file_id: str, after: str | None) -> None:
        """Remove the file that `upload` or `find_file` gave the id of, and the message that shows it after another one.

        What is gone already is no error. Raises a `DeliveryFailure`.
        """
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """Can read what came with a message."""

    async def read_file(self, file: Attachment, most_bytes: int) -> bytes:
        """The file's bytes, from the platform's own hosts. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class TellsOfFiles(Protocol):
    """Hears of some files by their ids alone (`untold`), and is told what they are when it asks."""

    async def file_told(self, file: Attachment) -> Attachment:
        """The same file with its name, type, size and address, or why there is none. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class RenewsFiles(Protocol):
    """Its files' addresses expire, and can be had anew."""

    async def files_now(self, address: Address, message_id: str) -> Sequence[Attachment]:
        """What is attached to a message, with addresses that are good now. Raises a `DeliveryFailure`."""
        ...


@runtime_checkable
class OpensThreads(Protocol):
    """Can begin a thread at a message of a channel; its id is then the message's own."""

    async def open_thread(self, address: Address, message_id: str, name: str) -> None:
        """Begin it, called `name`; one that is there already is no error. Raises a `DeliveryFailure`."""
        ...
