"""What queries take and give: plain, frozen data. Times are microseconds since the Unix epoch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from bot.messages import Address, Attachment, FileText, IncomingMessage

# `overheard`: said in the channel shortly before the conversation began.
Role = Literal["user", "assistant", "aside", "overheard"]
TurnKind = Literal["answer", "command", "notice"]
Outcome = Literal["queued", "joined", "stored", "duplicate"]
# `repeated`: by an earlier press, or one of the same moment; `busy`: the answer is still being written; `unasked`:
# there is nothing left that it could be done with, as it was deleted or forgotten.
Pressed = Literal["queued", "repeated", "busy", "unasked"]
UploadState = Literal["intended", "sent", "refused", "taken_back"]
TurnState = Literal["queued", "running", "answered", "failed", "cancelled"]
# A turn that ended so has shown something to who asked, be it only a sentence of what went wrong.
ENDED_WITH_WORDS: frozenset[TurnState] = frozenset(("answered", "failed"))

# How much of a turn's key people are shown to refer to it by.
REFERENCE_LENGTH = 8


def now() -> int:
    """The present, in microseconds since the epoch."""
    return time.time_ns() // 1000


def micros_of(seconds: float) -> int:
    """A length of time, in microseconds."""
    return round(seconds * 1_000_000)


def edited_at(message: IncomingMessage) -> int:
    """When a message was edited last, in microseconds since the epoch; 0 where it never was."""
    return 0 if message.edited_at is None else micros(message.edited_at)


def micros(moment: datetime) -> int:
    """A moment with a zone, in microseconds since the epoch."""
    return round(moment.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an incoming message.

    `queued`: a new turn will answer it; `joined`: a turn that had not begun will; `stored`: kept as context;
    `duplicate`: it was known. `revision`: the new one of the open turn that answers it, where this event brought files
    that the one before had left out. `claim`: the new turn, where the worker that took the message in has it at once.
    """

    outcome: Outcome
    turn_id: int | None = None
    revision: int | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a new message is to have: a turn of some `kind`, or none.

    `payload`: the sentence that a notice says, or the command that is to be carried out. `aside`: the message is not
    part of what the conversation remembers. `decided`: that it is to have none is not asked again, whatever tells of
    it; a message that is kept as context alone may get its turn later.
    """

    kind: TurnKind | None
    payload: str | None = None
    aside: bool = False
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """Who said something in a conversation `at` which moment, and in which turn: a question of it, or its answer, which
    is said once it is whole. `is_bot`: a program."""

    turn_id: int | None
    role: Role
    author_id: str
    author_name: str
    at: int
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands: when the bot was first spoken to in it, None where it never was, and who spoke
    lately, the latest first. What was said before that time was not said to the bot."""

    began: int | None
    spoken: tuple[Spoken, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """For whom a turn is claimed, and for how long at first."""

    owner: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Along:
    """What a new conversation takes along from its channel; messages by `own_id` are the bot's own."""

    said: Sequence[IncomingMessage]
    own_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn this worker has to itself until `lease_until`. `owner` and `attempt` fence every later write of it.

    `crashes` of the attempts before ended without a word; `outcome` is what one of them got to know of the model.
    `revision` tells which wording of its questions is answered: of an older one, neither outcome nor end is stored.
    `pressed`: a button had it answered anew. `stopped_by`: somebody of this name wants no more of it.
    `begun_at`: when the conversation was first known. `others_wait`: it was not the only one in the queue. `window`:
    what the turn may read of its conversation at this revision, where that was read with the claim.
    """

    turn_id: int
    key: str
    conversation_id: int
    address: Address
    root: str
    direct: bool
    complete: bool
    context_start: int
    owner: str
    attempt: int
    crashes: int
    lease_until: int
    created_at: int
    outcome: str | None = None
    kind: TurnKind = "answer"
    payload: str | None = None
    revision: int = 0
    pressed: str | None = None
    stopped_by: str | None = None
    begun_at: int = 0
    others_wait: bool = True
    window: Window | None = None

    @property
    def is_self_contained(self) -> bool:
        """Whether all is here that the turn reads before it asks the model; what is not, it would look for and keep."""
        said = self.window.messages if self.window is not None else ()
        return any(each.role == "overheard" for each in said) and not any(each.attachments for each in said)

    @property
    def wording(self) -> str:
        """The turn's key, and another once its questions were edited, or it is to be answered anew."""
        if not self.revision and self.pressed is None:
            return self.key
        anew = f"{self.key}\0{self.revision}\0{self.pressed}"
        return hashlib.blake2b(anew.encode(errors="replace"), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Revised:
    """What became of an edit or a deletion of a message.

    `unknown`: no such message is stored, or it is none whose words count (an answer, a command); `stale`: what is
    stored is newer, or gone; `same`: nothing is new in it; `changed`: it was taken in. `turn_id`: the turn that answers
    the message, `revision` its new one where it is still open, and `answered` whether it had ended with words.
    """

    outcome: Literal["unknown", "stale", "same", "changed"]
    turn_id: int | None = None
    revision: int | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The turn of an answer that stands at a platform, found by one of its messages.

    `address` is where it stands; `askers` are the ids of those who asked, the last one last. `last_id` is the
    platform's id of its last message. `remembered`: the conversation knows what was answered.
    """

    turn_id: int
    state: TurnState
    kind: TurnKind
    address: Address
    direct: bool
    askers: tuple[str, ...]
    last_id: str
    remembered: bool


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation that may be forgotten: up to position `until`, and but for the turn that carries the wish out."""

    id: int
    direct: bool
    until: int
    turn_id: int | None


@dataclass(frozen=True, slots=True)
class Portion:
    """What became of one portion of rows: to how many it was `done`, and the `last` that was looked at, as (its time,
    its id); None where none follow."""

    done: int
    last: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue: how many turns are open, and since when the oldest waits that may run; None where none does."""

    open: int
    waiting_since: int | None


class StoredMessage(NamedTuple):
    """One message of a conversation as the context needs it. A tuple, as a row is: a long thread has hundreds.

    `files` is what was read of its attachments, in their order; None where nobody has looked yet. `is_bot`: another
    program wrote it.
    """

    id: int
    turn_id: int | None
    platform_id: str
    role: Role
    author_id: str
    author_name: str
    text: str
    position: int
    sent_at: int
    attachments: tuple[Attachment, ...] = ()
    files: tuple[FileText, ...] | None = None
    edited_at: int = 0
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """One file of an answer: `state` is `intended` as long as it is not known whether it landed.

    `platform_id`: by which the platform knows what was posted, None where that is not known.
    """

    name: str
    state: UploadState
    intended_at: int
    platform_id: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was said in a conversation before position `until`, in few words."""

    until: int
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """What a turn reads of its conversation: the messages in its window, and the summaries, the oldest first."""

    messages: Sequence[StoredMessage]
    summaries: Sequence[Summary]


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One message of an answer: `platform_id` is None as long as its sending is only intended."""

    number: int
    platform_id: str | None
    intended_at: int


@dataclass(frozen=True, slots=True)
class SentPart:
    """A message of an answer that the platform has taken, and its id there."""

    number: int
    platform_id: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """A channel or a thread, and the time of the newest message stored there."""

    address: Address
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer of a turn, as stored: `platform_id` is that of its first message."""

    platform_id: str
    author_id: str
    author_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What was found of a person and removed: numbers of rows. `answers` were to them alone; `open_turns` were still
    being answered, and what those take may yet be written down under the person's id."""

    messages: int = 0
    answers: int = 0
    usage: int = 0
    spending: int = 0
    audit: int = 0
    settings: int = 0
    open_turns: int = 0
    ratings: int = 0
