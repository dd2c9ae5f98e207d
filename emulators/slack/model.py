"""What a Slack workspace is made of, as plain data: people, channels, messages, files, deliveries; and the error.

No behaviour of the platform lives here; `core` owns these objects and the rooms around it change them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
ChannelKind = Literal["channel", "group", "im", "mpim"]


class SlackError(Exception):
    """A refusal in Slack's shape: `{"ok": false, "error": code, …}`, sent with HTTP status 200 unless told otherwise.

    `extra` is merged into the answer (`needed` and `provided` of `missing_scope`, for instance); `messages` becomes
    `response_metadata.messages`.
    """

    def __init__(
        self,
        code: str,
        *,
        messages: tuple[str, ...] = (),
        extra: Json | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.extra = extra or {}
        self.status = status
        self.headers = headers or {}

    def body(self) -> Json:
        """The JSON answer."""
        answer: Json = {"ok": False, "error": self.code, **self.extra}
        if self.messages:
            answer["response_metadata"] = {"messages": list(self.messages)}
        return answer


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the platform waits, in seconds; the defaults are the published values where one is published."""

    ack_deadline: float = 3.0
    redelivery: tuple[float, ...] = (0.0, 60.0, 300.0)
    disconnect_warning: float = 10.0
    ping_interval: float = 10.0
    rate_window: float = 60.0
    stream_life: float = 300.0
    status_life: float = 120.0
    trigger_life: float = 3.0
    response_url_life: float = 1800.0


@dataclass(slots=True)
class User:
    """A member of the workspace, or a guest in it; `bot_id` is set for the app's bot user and other bots.

    `team_id` is the workspace of somebody who is only here by a shared channel; None for this one.
    """

    id: str
    name: str
    real_name: str
    admin: bool = False
    bot_id: str | None = None
    deleted: bool = False
    owner: bool = False
    guest: bool = False
    team_id: str | None = None


@dataclass(slots=True)
class Channel:
    """A conversation; for a direct message `members` are the person and the bot, and `name` is empty."""

    id: str
    name: str
    kind: ChannelKind
    members: set[str]
    topic: str = ""
    archived: bool = False
    created: int = field(default_factory=lambda: int(time.time()))


FileMode = Literal["hosted", "tombstone", "hidden_by_limit"]
FileAccess = Literal["visible", "check_file_info", "access_denied", "file_not_found"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a person attaches it; see `File`."""

    name: str
    data: bytes
    media_type: str = "text/plain"
    mode: FileMode = "hosted"
    access: FileAccess = "visible"


@dataclass(slots=True)
class File:
    """A file the platform keeps; `url_private` wants the bot token and `files:read`.

    `mode`: it was deleted (`tombstone`), or is over the limit of a free plan. `access`: of `check_file_info`, as in a
    channel shared with others, events tell the id alone; of what is closed or gone at the other side
    nothing more is told.
    """

    id: str
    name: str
    media_type: str
    user: str
    data: bytes = b""
    title: str = ""
    length: int = 0
    uploaded: bool = False
    completed: bool = False
    alt_text: str = ""
    mode: FileMode = "hosted"
    access: FileAccess = "visible"


@dataclass(frozen=True, slots=True)
class MessageState:
    """One state a message was seen in; `via` is the method or act that made it, `at` is `time.monotonic()`."""

    text: str
    blocks: tuple[Json, ...]
    metadata: Json | None
    via: str
    at: float
    deleted: bool = False
    streaming: bool = False


@dataclass(slots=True)
class Stream:
    """The streaming state of a message: `state` is streaming, done, expired, or stopped (by the user)."""

    started: float
    text: str = ""
    chunks: list[Json] = field(default_factory=list)
    state: Literal["streaming", "done", "expired", "stopped"] = "streaming"
    appends: int = 0


@dataclass(slots=True)
class Message:
    """A message; `states` holds every state it had, oldest first, the last one is the present."""

    channel: str
    ts: str
    user: str
    text: str
    bot_id: str | None = None
    thread_ts: str | None = None
    subtype: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    metadata: Json | None = None
    edited: Json | None = None
    deleted: bool = False
    ephemeral_to: str | None = None
    client_msg_id: str | None = None
    stream: Stream | None = None
    username: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    states: list[MessageState] = field(default_factory=list)
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None

    @property
    def edits(self) -> int:
        """How often the message was changed after it was posted."""
        return max(0, len(self.states) - 1)

    @property
    def streaming(self) -> bool:
        """Whether a stream still runs on the message."""
        return self.stream is not None and self.stream.state == "streaming"


@dataclass(slots=True)
class Modal:
    """A modal on somebody's screen; `errors` are those shown beside its inputs, by block id."""

    user: str
    view: Json
    is_open: bool = True
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """Somebody was notified by a message of the app: `kind` is channel, here, everyone, subteam or user."""

    kind: str
    target: str
    channel: str
    ts: str

    @property
    def crowd(self) -> bool:
        """Whether more than one person was notified."""
        return self.kind != "user"


@dataclass(frozen=True, slots=True)
class Unfurl:
    """A link preview that Slack made because a post did not switch previews off."""

    url: str
    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Status:
    """One call of assistant.threads.setStatus, or the platform clearing a status (`cleared_by` says why)."""

    channel: str
    thread_ts: str
    text: str
    at: float
    cleared_by: Literal["", "post"] = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledgement as received; `late` past its envelope's deadline, `known` when the envelope exists."""

    envelope_id: str
    payload: Any
    connection: int
    at: float
    late: bool = False
    known: bool = True


@dataclass(slots=True)
class Attempt:
    """One try to hand an envelope over; `connection` is None when none was open."""

    number: int
    envelope_id: str
    connection: int | None
    at: float
    fate: Literal["waiting", "acked", "timeout", "no_connection"] = "waiting"


@dataclass(slots=True)
class Delivery:
    """An envelope and its fate: `pending` until acked, `failed` with the schedule spent, `dropped` when never tried."""

    kind: Literal["events_api", "slash_commands", "interactive"]
    payload: Json
    accepts_response_payload: bool = False
    state: Literal["pending", "acked", "failed", "dropped"] = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    response: Any = None

    @property
    def event(self) -> Json:
        """The inner event, empty for commands and interactions."""
        event = self.payload.get("event")
        return event if isinstance(event, dict) else {}

    @property
    def event_id(self) -> str:
        """The event's id, the same in every redelivery."""
        return str(self.payload.get("event_id", ""))

    @property
    def acked(self) -> bool:
        """Whether the app acknowledged in time."""
        return self.state == "acked"
