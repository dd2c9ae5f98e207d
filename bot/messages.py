"""The common message model: what every platform's events come to.

Frozen, plain data without any SDK object inside, so that any worker can act on a stored row. This is the ground
floor: it imports nothing of ours. How an event becomes one of these is each adapter's own business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Button = Literal["stop", "regenerate", "continue", "again", "good", "bad"]
"""What a button under an answer asks for; `again`: that the question be answered in its new wording."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation is, and where to answer.

    `workspace` is Slack's team or Discord's guild (empty in a Discord direct message). `thread` is Slack's `thread_ts`
    or a Discord thread's id; None is the channel itself: a direct message, or a Discord channel whose conversations
    are chains of replies.
    """

    platform: str
    workspace: str
    channel: str
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote: `name` as people see it, empty where it could not be had.

    `is_admin`: they run the channel, as Discord's Manage Channels has it; `runs_workspace`: the whole of it.
    `roles`: the ids of their roles on Discord, `owner`, `admin`, `member` or `guest` on Slack. None where the platform
    did not say: then nobody knows whether a role allows or forbids something.
    """

    id: str
    name: str
    is_bot: bool = False
    is_admin: bool = False
    runs_workspace: bool = False
    roles: frozenset[str] | None = None


Missing = Literal["", "deleted", "hidden", "closed", "unscoped", "untold", "later"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; `size` in bytes, `url` at the platform's own host.

    `missing` says of one without an address why that is: it was `deleted`, the workspace's plan hides it (`hidden`), it
    is `closed` to the bot, or the bot lacks the permission for files (`unscoped`). `untold`: the platform says what it
    is when asked by its `id`, and could not just now where it is to be asked `later`.
    """

    name: str
    media_type: str
    size: int
    url: str
    missing: Missing = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class FileText:
    """What was read of a file that came with a message: its `text`, or `left_out`: why there is none.

    `cut`: in words, how much of it the text is; empty where it is all. Neither a text nor a reason: it is a picture.
    """

    name: str
    text: str = ""
    left_out: str = ""
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Quoted:
    """The earlier message that this one replies to; `text` is None where the platform did not send it along.

    `by_us` is true where it is one of the bot's own.
    """

    id: str
    author: Author | None = None
    text: str | None = None
    by_us: bool = False


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One message as a person posted it. Its identity is (platform, workspace, channel, id), never the event's id.

    `text` is Markdown with users named (`@Ada`), the bot's own mention taken out. `direct` marks a conversation with
    the bot alone; `mentions_others` that it addresses somebody else. `sent_at` is the platform's time, with zone;
    `edited_at`, likewise, is when it was given its present wording, None where it never was another.
    `carried` is what others had said and this message quotes or forwards, in Markdown that says whose it is.
    `own_name` is what the bot is called where it stands, empty where the platform has one name for it everywhere.
    """

    address: Address
    id: str
    author: Author
    text: str
    mentions_bot: bool
    sent_at: datetime
    attachments: tuple[Attachment, ...] = ()
    quoted: Quoted | None = None
    edited: bool = False
    direct: bool = False
    mentions_others: bool = False
    edited_at: datetime | None = None
    carried: str = ""
    own_name: str = ""

    @property
    def whole_text(self) -> str:
        """The text and what was quoted or forwarded with it."""
        return "\n\n".join(part for part in (self.text, self.carried) if part)


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message has a new wording; `message` is its state after the edit."""

    message: IncomingMessage


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message is gone from the platform."""

    address: Address
    id: str


@dataclass(frozen=True, slots=True)
class CommandInvoked:
    """Somebody gave a command: `name` (`set`), `arguments` in order (`("temperature", "0.2")`).

    `id` is the platform's own of this one use of it. `in_message`: it was written in a message to the bot, where the
    answer stands below it.
    """

    address: Address
    author: Author
    name: str
    arguments: tuple[str, ...] = ()
    id: str = ""
    in_message: bool = False


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """Somebody pressed a button under one of the bot's messages; `id` is the platform's own of this one press."""

    address: Address
    author: Author
    message_id: str
    action: Button
    id: str


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    """Somebody reacted to a message; `emoji` without colons, as the platform names it."""

    address: Address
    author: Author
    message_id: str
    emoji: str


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    """Somebody took a reaction back."""

    address: Address
    author: Author
    message_id: str
    emoji: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a channel is called, and the bot in it, for the system message; any of it may be empty."""

    channel_name: str = ""
    workspace_name: str = ""
    topic: str = ""
    bot_name: str = ""


@dataclass(frozen=True, slots=True)
class PartKey:
    """Identity of one message of an answer: the turn's key and the part's number, from 1 on.

    An adapter makes of it what its platform can recognise later: Discord's nonce, Slack's metadata. The key comes
    from the question's own identity, so that it is the same in any process, at any time.
    """

    turn: str
    number: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One message to send: Markdown that fits one message of the platform, and who may be named in it.

    `mentions` maps display names to the platform's user ids for people in this conversation; nobody else is pinged.
    `buttons` stand below it, in this order, where the platform has buttons.
    """

    text: str
    mentions: Mapping[str, str] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
