"""Gateway sessions: what each was sent, to be replayed on resume, and who gets which event.

A session outlives its connections. The socket itself, its opcodes and its closing are `gateway.py`'s business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from emulators.discord.payloads import JSON, withhold
from emulators.discord.state import Channel, Permission, User, World

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 9, 1 << 10, 1 << 11
DM_MESSAGES, DM_REACTIONS, DM_TYPING = 1 << 12, 1 << 13, 1 << 14
MESSAGE_CONTENT = 1 << 15
KNOWN_INTENTS: int = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))


Manner = Literal["well", "silent", "mute", "deaf"]
"""How an open socket behaves: on a `silent` one nothing goes out, nothing is acknowledged; a `mute` one acknowledges
heartbeats but dispatches nothing; a `deaf` one dispatches but reads nothing."""


@dataclass(slots=True, eq=False)
class Connection:
    """One websocket of a client.

    `close_code` is what the server closed it with, `client_code` what the client did.
    """

    path: str
    outgoing: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    manner: Manner = "well"
    opened_at: float = field(default_factory=time.monotonic)
    close_code: int | None = None
    client_code: int | None = None
    close: Callable[[int | None], None] = lambda _code: None

    def send(self, text: str) -> None:
        """Queue one frame for the client; a silent connection swallows it."""
        if self.manner != "silent":
            self.outgoing.put_nowait(text)

    def dispatch(self, text: str) -> None:
        """Queue one event for the client; a mute connection swallows it as well."""
        if self.manner != "mute":
            self.send(text)


@dataclass(slots=True, eq=False)
class Session:
    """An identified session: its `id`, `intents`, shard, and every dispatch so far as (sequence, frame).

    `connection` is None while the client is away; `resumes` counts its returns.
    """

    id: str
    intents: int
    shard: tuple[int, int]
    seq: int = 0
    log: list[tuple[int, str]] = field(default_factory=list)
    connection: Connection | None = None
    lost_at: float | None = None
    resumes: int = 0
    presence: Any = None

    @property
    def connected(self) -> bool:
        """Whether a live client is attached."""
        return self.connection is not None and self.connection.manner == "well"

    def wants(self, intent: int) -> bool:
        """Whether the session asked for any of `intent`; 0 stands for events every session gets."""
        return intent == 0 or bool(self.intents & intent)


class Sessions:
    """All sessions of the application, and the dispatching of events to them."""

    def __init__(self, world: World, bot: User, encode: Callable[[JSON], str]) -> None:
        self.world = world
        self.bot = bot
        self.all: list[Session] = []
        self._encode = encode

    def find(self, session_id: object) -> Session | None:
        """The session with that id, if it is still known."""
        return next((s for s in self.all if s.id == session_id), None)

    def end(self, session: Session) -> None:
        """Forget a session: it can no longer be resumed."""
        if session in self.all:
            self.all.remove(session)

    def send(self, session: Session, name: str, data: JSON) -> None:
        """Dispatch one event to one session, connected or not: it stays in the log for a resume."""
        session.seq += 1
        frame = self._encode({"t": name, "s": session.seq, "op": 0, "d": data})
        session.log.append((session.seq, frame))
        if session.connection is not None:
            session.connection.dispatch(frame)

    def dispatch(
        self,
        name: str,
        channel: Channel | None,
        data: JSON,
        *,
        guild_intent: int = 0,
        dm_intent: int = 0,
        guild_id: int | None = None,
        message: bool = False,
    ) -> None:
        """Dispatch an event to every session whose shard and intents it concerns.

        `message` marks events that carry a message, whose content is withheld where the intent is missing.
        """
        if channel is not None:
            guild_id = channel.guild.id if channel.guild else None
            if not self.sees(channel):
                return
        for session in list(self.all):
            shard, count = session.shard
            if shard != ((guild_id >> 22) % count if guild_id is not None else 0):
                continue
            if not session.wants(guild_intent if guild_id is not None else dm_intent):
                continue
            hidden = message and guild_id is not None and not session.intents & MESSAGE_CONTENT
            self.send(session, name, withhold(data, self.bot) if hidden else data)

    def sees(self, channel: Channel) -> bool:
        """Whether the bot can see the channel; private threads show themselves to members alone."""
        if channel.type == 12 and self.bot.id not in channel.members:
            return False
        return bool(self.world.allowed(self.bot, channel) & Permission.VIEW_CHANNEL)
