"""What exists in the emulated Discord: users, roles, guilds, channels, messages, pings, as plain data.

The `World` holds all of it and hands out snowflakes. How things look on the wire is `payloads.py`'s business,
what may be done with them is the handlers'.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntFlag
from typing import Any, Literal

EPOCH_MS = 1_420_070_400_000
"""Discord's epoch, the first millisecond of 2015, from which snowflakes count."""

TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 11, 12
"""Channel types the emulator knows."""


class Permission(IntFlag):
    """The permission bits a chat bot meets."""

    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38


NO_PERMISSION = Permission(0)
ADMINISTRATOR = 1 << 3
MANAGE_GUILD = 1 << 5
MEMBER_PERMISSIONS = int(
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.MENTION_EVERYONE
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
"""What @everyone may do in a new guild; it includes pinging @everyone."""


@dataclass(frozen=True, slots=True)
class DiscordTiming:
    """Delays in seconds, Discord's by default; tests shorten them.

    `resume_window` and `nonce_window` are "a few minutes" in Discord's words; `old_edits` (edits per channel and
    window on messages older than `old_message`) was seen by bot authors.
    """

    heartbeat_interval: float = 41.25
    heartbeat_grace: float = 20.0
    identify_spacing: float = 5.0
    resume_window: float = 180.0
    nonce_window: float = 300.0
    first_response: float = 3.0
    interaction_token: float = 900.0
    attachment_expiry: float = 86_400.0
    old_message: float = 3_600.0
    old_edits: int = 3
    old_edits_window: float = 20.0


@dataclass(slots=True, eq=False)
class Role:
    """A role of a guild; only a mentionable one may be pinged by those without MENTION_EVERYONE."""

    id: int
    name: str
    guild_id: int
    permissions: int = 0
    mentionable: bool = True
    managed_by: int | None = None


@dataclass(slots=True, eq=False)
class Overwrite:
    """What a channel gives to a role or a member beyond the guild, and what it takes from them."""

    is_member: bool
    allow: Permission = NO_PERMISSION
    deny: Permission = NO_PERMISSION


@dataclass(slots=True, eq=False)
class User:
    """A user, and with `nick`, `roles` and `admin` their membership, the same in every guild."""

    id: int
    name: str
    global_name: str | None = None
    nick: str | None = None
    bot: bool = False
    admin: bool = False
    roles: list[Role] = field(default_factory=list)
    accepts_dms: bool = True
    joined_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def mention(self) -> str:
        """`<@id>`, as it stands in a message's content."""
        return f"<@{self.id}>"


@dataclass(slots=True, eq=False)
class Guild:
    """A server; its @everyone role has the guild's id."""

    id: int
    name: str
    owner: User
    roles: list[Role] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Channel:
    """A text channel, a DM or a thread, with its messages oldest first.

    `denied` is taken from the bot; `overwrites` are those of others, by the id of the role or member."""

    id: int
    type: int
    name: str
    guild: Guild | None = None
    topic: str | None = None
    parent: Channel | None = None
    recipient: User | None = None
    owner: User | None = None
    messages: list[Message] = field(default_factory=list)
    denied: Permission = NO_PERMISSION
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    auto_archive_duration: int = 4320
    archived: bool = False
    locked: bool = False
    members: dict[int, datetime] = field(default_factory=dict)
    starter: Message | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_thread(self) -> bool:
        """Whether this is a thread."""
        return self.type in {PUBLIC_THREAD, PRIVATE_THREAD}

    @property
    def is_dm(self) -> bool:
        """Whether this is a direct message channel."""
        return self.type == DM

    @property
    def mention(self) -> str:
        """`<#id>`, as it stands in a message's content."""
        return f"<#{self.id}>"


def send_permission(channel: Channel) -> Permission:
    """Threads have a permission of their own for sending."""
    return Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES


@dataclass(frozen=True, slots=True)
class Upload:
    """A file a user attaches."""

    filename: str
    data: bytes
    content_type: str | None = None


@dataclass(slots=True, eq=False)
class Attachment:
    """A file of a message at `path` of the CDN; its `url` is signed, and good for `lifetime` seconds."""

    id: int
    channel_id: int
    filename: str
    data: bytes
    content_type: str
    path: str
    lifetime: float
    description: str | None = None
    url: str = ""
    expires: float = 0.0

    def signed(self) -> str:
        """The address as the API gives it now: one that has expired is signed anew."""
        if time.time() > self.expires:
            self.expires = time.time() + self.lifetime
            query = f"ex={int(self.expires):x}&is={int(time.time()):x}&hm={secrets.token_hex(16)}"
            self.url = f"{self.path}?{query}&"
        return self.url


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said from `at` (monotonic seconds) on."""

    at: float
    content: str
    embeds: list[dict[str, Any]]
    components: list[dict[str, Any]]


@dataclass(slots=True, eq=False)
class Message:
    """A message. `mentions`, `mention_roles` and `mention_everyone` name who it addresses after
    allowed_mentions; `versions` is what it said, the original first; `at` is monotonic; `unfurled` are the
    links that drew a preview; `snapshot` is the copy of the message that it forwards."""

    id: int
    channel: Channel
    author: User
    content: str
    type: int = 0
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    tts: bool = False
    nonce: str | int | None = None
    reference: dict[str, Any] | None = None
    referenced: Message | None = None
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[Role] = field(default_factory=list)
    mention_everyone: bool = False
    reactions: dict[str, list[User]] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    edited_timestamp: datetime | None = None
    at: float = field(default_factory=time.monotonic)
    deleted: bool = False
    thread: Channel | None = None
    position: int | None = None
    interaction: dict[str, Any] | None = None
    unfurled: list[str] = field(default_factory=list)
    snapshot: dict[str, Any] | None = None

    @property
    def edits(self) -> list[Version]:
        """What it said after each edit, in order."""
        return self.versions[1:]

    @property
    def ephemeral(self) -> bool:
        """Whether only the user of the interaction sees it."""
        return bool(self.flags & 64)

    @property
    def loading(self) -> bool:
        """Whether it still says that the bot is thinking."""
        return bool(self.flags & 128)


@dataclass(frozen=True, slots=True)
class Ping:
    """One notification a message gave: to a user named in it or replied to, to a role, to @everyone or @here."""

    message: Message
    kind: Literal["user", "reply", "role", "everyone", "here"]
    target: int

    @property
    def author(self) -> User:
        """Who pinged."""
        return self.message.author


@dataclass(frozen=True, slots=True)
class Typing:
    """One typing indicator; it shows for 10 s. `at` is monotonic."""

    channel: Channel
    user: User
    at: float


class World:
    """Everything that exists, by id, and the clock of snowflakes."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.roles: dict[int, Role] = {}
        self.channels: dict[int, Channel] = {}
        self.attachments: dict[int, Attachment] = {}
        self.pings: list[Ping] = []
        self.typing: list[Typing] = []
        self._last_snowflake = 0

    def snowflake(self) -> int:
        """A new id: the time in its upper bits, and always greater than the one before."""
        now = (time.time_ns() // 1_000_000 - EPOCH_MS) << 22
        self._last_snowflake = max(now, self._last_snowflake + 1)
        return self._last_snowflake

    def message(self, channel: Channel, message_id: int) -> Message | None:
        """The message of `channel` with that id, unless it was deleted."""
        for message in reversed(channel.messages):
            if message.id == message_id:
                return None if message.deleted else message
        return None

    def threads(self, guild: Guild, *, archived: bool = False) -> list[Channel]:
        """The guild's threads in order of creation."""
        return [c for c in self.channels.values() if c.guild is guild and c.is_thread and c.archived is archived]

    def allowed(self, user: User, channel: Channel) -> int:
        """The permission bits of `user` in `channel`; a thread has its parent's."""
        if channel.guild is None:
            return MEMBER_PERMISSIONS
        guild = channel.guild
        held = [role for role in user.roles if role.guild_id == guild.id]
        bits = self.roles[guild.id].permissions
        for role in held:
            bits |= role.permissions
        if user.admin or bits & ADMINISTRATOR:
            return bits | (1 << 53) - 1
        place = channel.parent or channel
        for ids in ([guild.id], [role.id for role in held], [user.id]):
            given = [place.overwrites[number] for number in ids if number in place.overwrites]
            for overwrite in given:
                bits &= ~int(overwrite.deny)
            for overwrite in given:
                bits |= int(overwrite.allow)
        if user.bot:
            bits &= ~int(place.denied)
        return bits
