"""The emulated Discord's state and the events every part of it may dispatch.

`people.py` adds what users do, `invocations.py` their commands and buttons, `server.py` the HTTP server and
the outages. Tests talk to the `DiscordServer` those make together.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from emulators.discord.commands import Commands
from emulators.discord.gateway import Gateway
from emulators.discord.interactions import Interaction
from emulators.discord.payloads import JSON
from emulators.discord.ratelimit import RateLimits
from emulators.discord.sessions import (
    GUILD_MEMBERS,
    GUILD_PRESENCES,
    KNOWN_INTENTS,
    MESSAGE_CONTENT,
    Session,
    Sessions,
)
from emulators.discord.state import (
    DM,
    MEMBER_PERMISSIONS,
    Channel,
    DiscordTiming,
    Guild,
    Message,
    Ping,
    Role,
    Typing,
    User,
    World,
)
from emulators.faults import Faults
from emulators.recording import RecordedRequest

T = TypeVar("T")

DEFAULT_TOKEN = "emulated.discord.token"


class Core:
    """State, settings and dispatching.

    Arguments: `token`, `bot_name`, `guild_name`; `message_content`, `members_intent` and `presences_intent` say which
    privileged intents the application has; `timing` shortens delays; `limits="none"` turns off rate limits and
    the identify pace; `shards` and `max_concurrency` are what GET /gateway/bot recommends; `session_start_limit` is
    how many identifies a day allows; `invalid_limit` invalid answers lead to the ban; `via=False` leaves out the
    header by which discord.py knows Discord's own 429.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        bot_name: str = "Parley",
        guild_name: str = "Emulated Guild",
        message_content: bool = True,
        members_intent: bool = False,
        presences_intent: bool = False,
        timing: DiscordTiming | None = None,
        limits: Literal["published", "none"] = "published",
        shards: int = 1,
        max_concurrency: int = 1,
        session_start_limit: int = 1000,
        invalid_limit: int = 10_000,
        via: bool = True,
    ) -> None:
        self.token = token
        self.token_reset = False
        self.message_content = message_content
        self.members_intent = members_intent
        self.presences_intent = presences_intent
        self.timing = timing or DiscordTiming()
        self.limits_on = limits == "published"
        self.shards = shards
        self.max_concurrency = max_concurrency
        self.session_start_limit = session_start_limit
        self.via = via
        self.world = World()
        self.requests: list[RecordedRequest] = []
        self.faults = Faults()
        self.frames: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.identifies = 0
        self.rate_limits = RateLimits(enabled=self.limits_on, invalid_limit=invalid_limit)
        self.nonces: dict[tuple[int, str], Message] = {}
        self.old_edits: dict[int, deque[float]] = {}
        self.interactions: dict[str, Interaction] = {}
        self.port = 0
        self.timers: list[asyncio.TimerHandle] = []
        self._changed = asyncio.Event()
        self.bot = self._new_user(bot_name, bot=True)
        self.application_id = self.bot.id
        self.registry = Commands(self.world, self.application_id)
        self.sessions_store = Sessions(self.world, self.bot, self.encode)
        self.owner = self._new_user("owner", admin=True)
        self.guild = self.new_guild(guild_name)
        self.gateway = Gateway(self)

    def _new_user(self, name: str, **attributes: Any) -> User:
        user = User(id=self.world.snowflake(), name=name, **attributes)
        self.world.users[user.id] = user
        return user

    def new_guild(self, name: str) -> Guild:
        """A guild with its @everyone role and the bot's own."""
        guild = Guild(id=self.world.snowflake(), name=name, owner=self.owner)
        everyone = Role(guild.id, "@everyone", guild.id, permissions=MEMBER_PERMISSIONS, mentionable=False)
        own = Role(self.world.snowflake(), self.bot.name, guild.id, mentionable=False, managed_by=self.bot.id)
        own.permissions = MEMBER_PERMISSIONS
        guild.roles = [everyone, own]
        for role in guild.roles:
            self.world.roles[role.id] = role
        self.bot.roles.append(own)
        self.world.guilds[guild.id] = guild
        return guild

    @staticmethod
    def encode(frame: JSON) -> str:
        """A gateway frame as text."""
        return json.dumps(frame, separators=(",", ":"))

    @property
    def url(self) -> str:
        """The REST base: `discord.http.Route.BASE`, or the bot's DISCORD_API_URL."""
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """What GET /gateway/bot answers; `DiscordWebSocket.DEFAULT_GATEWAY` for a plain client."""
        return f"ws://127.0.0.1:{self.port}/gateway"

    @property
    def resume_gateway_url(self) -> str:
        """What READY tells clients to resume at."""
        return f"ws://127.0.0.1:{self.port}/resume/"

    @property
    def cdn_url(self) -> str:
        """Where attachments are downloaded."""
        return f"http://127.0.0.1:{self.port}"

    def reset_token(self) -> None:
        """Discord resets the bot's token: REST answers 401, the gateway 4004, and no session survives."""
        self.token_reset = True
        for connection in list(self.gateway.connections):
            if connection.session is not None:
                connection.close(4004)
        self.sessions.clear()

    @property
    def allowed_intents(self) -> int:
        """The intents a client may ask for: all but the privileged ones the application lacks."""
        denied = 0 if self.message_content else MESSAGE_CONTENT
        denied |= 0 if self.members_intent else GUILD_MEMBERS
        denied |= 0 if self.presences_intent else GUILD_PRESENCES
        return KNOWN_INTENTS & ~denied

    @property
    def application_flags(self) -> int:
        """The application's flags: which privileged intents it has (as an app of few guilds)."""
        flags = 1 << 23
        flags |= 1 << 19 if self.message_content else 0
        flags |= 1 << 15 if self.members_intent else 0
        flags |= 1 << 13 if self.presences_intent else 0
        return flags

    @property
    def sessions(self) -> list[Session]:
        """The sessions that can still be resumed or are connected."""
        return self.sessions_store.all

    @property
    def connected(self) -> bool:
        """Whether a session is connected right now."""
        return any(session.connected for session in self.sessions)

    @property
    def pings(self) -> list[Ping]:
        """Every notification given so far, by anybody."""
        return self.world.pings

    @property
    def bot_pings(self) -> list[Ping]:
        """The notifications the bot's messages gave."""
        return [ping for ping in self.world.pings if ping.author is self.bot]

    @property
    def typing(self) -> list[Typing]:
        """Every typing indicator so far."""
        return self.world.typing

    @property
    def commands(self) -> list[JSON]:
        """The registered commands, global ones first."""
        return [command for scope in self.registry.by_scope.values() for command in scope.values()]

    @property
    def command_syncs(self) -> int:
        """How many times a client replaced a whole list of commands."""
        return self.registry.syncs

    def messages(self, channel: Channel, *, ephemeral: bool = False) -> list[Message]:
        """A channel's messages, oldest first, without the deleted and (unless asked) the ephemeral ones."""
        return [m for m in channel.messages if not m.deleted and (ephemeral or not m.ephemeral)]

    def bot_messages(self, channel: Channel, *, ephemeral: bool = False) -> list[Message]:
        """The bot's messages in a channel; system messages about threads left out."""
        shown = self.messages(channel, ephemeral=ephemeral)
        return [m for m in shown if m.author is self.bot and m.type not in {18, 21}]

    def complain(self, what: str) -> None:
        """Note something off-protocol a client did."""
        self.complaints.append(what)

    def changed(self) -> None:
        """Wake everybody who waits for a change of state."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 60.0) -> T:
        """Wait until `predicate()` is truthy and return its value; AssertionError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not (value := predicate()):
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                if value := predicate():
                    return value
                raise AssertionError(f"nothing came of it in {timeout} s\n{self.summary()}") from None
        return value

    def summary(self) -> str:
        """The state in a few lines, for failed assertions."""
        lines = [f"sessions: {[(s.id[:6], s.connected, s.seq) for s in self.sessions]}"]
        for channel in self.world.channels.values():
            said = [f"  {m.author.name}: {m.content[:100]!r}" for m in self.messages(channel, ephemeral=True)]
            lines += [f"#{channel.name} ({len(said)} messages)", *said[-10:]]
        lines.append("requests: " + ", ".join(f"{r.method} {r.path} {r.status}" for r in self.requests[-10:]))
        lines += [f"complaint: {complaint}" for complaint in self.complaints[-10:]]
        return "\n".join(lines)

    def open_dm(self, user: User) -> Channel:
        """The DM channel of the bot and `user`; the same one every time."""
        for channel in self.world.channels.values():
            if channel.is_dm and channel.recipient is user:
                return channel
        channel = Channel(self.world.snowflake(), DM, user.name, recipient=user)
        self.world.channels[channel.id] = channel
        self.changed()
        return channel
