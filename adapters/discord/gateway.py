"""The gateway's websocket as discord.py speaks it, made to survive what Discord and the network may send.

A frame that cannot be read ends neither the connection nor the client; a connection that ends is always closed. When
to connect, resume or give up lives in `client.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from adapters.discord.timing import Timing
from adapters.discord.values import identifier, is_object, string
from adapters.vitals import Pulse
from bot.adapter import Reason

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0
"""Seconds for the closing handshake. A dead connection never answers it."""

HEARTBEAT_MS = 41_250
"""Milliseconds between heartbeats where a hello does not say: what Discord's own say."""

LEAST_HEARTBEAT_MS = 50
"""A shorter interval is taken for this: it would keep a thread spinning."""

SESSION_ENDED = frozenset({4003, 4007, 4009})
"""Close codes after which a session cannot be resumed: not authenticated, invalid sequence, timed out."""


@dataclass(frozen=True, slots=True)
class Session:
    """What it takes to resume: the session's id, the last sequence number, and the address to resume at."""

    id: str
    sequence: int | None
    gateway: yarl.URL


@dataclass(slots=True)
class Watch:
    """What tells a live connection from a zombie. Moments are the event loop's time, in seconds.

    `due`: until when READY or RESUMED has to have come, None once it has. `unacknowledged`: since when a heartbeat has
    been waiting for its acknowledgement. `reason` and `detail`: why the connection ended.
    """

    timing: Timing = field(default_factory=Timing)
    pulse: Pulse | None = None
    due: float | None = None
    unacknowledged: float | None = None
    reason: Reason = "closed"
    detail: str = ""

    def patience(self, now: float) -> float:
        """Until when the next frame has to come."""
        silence = now + self.timing.silence
        return silence if self.due is None else min(silence, self.due)

    def is_zombie(self, now: float) -> bool:
        """Whether, at the time for another heartbeat, an earlier one is still not acknowledged.

        https://discord.com/developers/docs/events/gateway#sending-heartbeats: then close and resume.
        """
        return self.unacknowledged is not None and now - self.unacknowledged >= self.timing.acknowledgement


class GatewaySocket(DiscordWebSocket):
    """One connection. Its `poll_event`, `identify` and `resume` close it whenever they raise."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(socket, loop=loop)
        self.watch = Watch()
        self._patience = asyncio.timeout(None)

    async def poll_event(self) -> None:
        """Take one frame. Raises `ReconnectWebSocket`, `discord.ConnectionClosed` or a network error."""
        try:
            # The library would wait for a silent peer's half of the closing handshake, 30 s more.
            self._patience = asyncio.timeout_at(self.watch.patience(self.loop.time()))
            async with self._patience:
                await super().poll_event()
        except asyncio.CancelledError:
            await self.close(1000)
            raise
        except TimeoutError:
            self.watch.reason = "silent"
            self.watch.detail = self.watch.detail or ("not_ready" if self.watch.due is not None else "nothing_heard")
            await self.close(4000)
            raise ReconnectWebSocket(self.shard_id) from None
        except BaseException:
            await self.close(4000)
            raise

    async def received_message(self, msg: Any, /) -> None:
        """Act on one frame; one that makes no sense is logged by its kind alone and passed over."""
        if self.watch.pulse is not None:
            self.watch.pulse.heard()
        try:
            await super().received_message(self._completed(msg))
        except (ReconnectWebSocket, discord.ConnectionClosed, OSError, aiohttp.ClientError):
            raise
        except Exception as error:  # noqa: BLE001 - a frame may be anything
            log.warning("frame_unreadable", error=type(error).__name__)

    async def send_heartbeat(self, data: Any) -> None:
        """Send one, unless the last is still not acknowledged: then the connection is given up, to be resumed."""
        now = self.loop.time()
        if self.watch.is_zombie(now):
            self.watch.due, self.watch.detail = now, "heartbeat_not_acknowledged"
            with contextlib.suppress(RuntimeError):  # between two frames there is no wait to cut short
                self._patience.reschedule(now)
            return
        if self.watch.unacknowledged is None:
            self.watch.unacknowledged = now
        await super().send_heartbeat(data)

    async def identify(self) -> None:
        """Open a new session. Without compression: there is little to save on a team's traffic."""
        await self.call_hooks("before_identify", self.shard_id, initial=self._initial_identify)
        details: dict[str, Any] = {
            "token": self.token,
            "intents": self._connection.intents.value,
            "properties": {"os": sys.platform, "browser": "parley", "device": "parley"},
            "compress": False,
            "large_threshold": 50,
        }
        await self._say({"op": self.IDENTIFY, "d": details})

    async def resume(self) -> None:
        """Take up a session where it stopped."""
        details = {"token": self.token, "session_id": self.session_id, "seq": self.sequence}
        await self._say({"op": self.RESUME, "d": details})

    async def close(self, code: int = 4000) -> None:
        """Close the connection and stop its heartbeats; never waits longer than `CLOSE_SECONDS`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await super().close(code)

    def session(self) -> Session | None:
        """What to resume, if Discord would take it."""
        if self.session_id is None or self.socket.close_code in SESSION_ENDED:
            return None
        return Session(self.session_id, self.sequence, self.gateway)

    async def _say(self, frame: dict[str, Any]) -> None:
        try:
            await self.send_as_json(frame)
        except BaseException:
            await self.close(4000)
            raise

    def _completed(self, msg: Any) -> Any:
        """HELLO, READY and RESUMED with the fields that discord.py cannot do without, and no sequence that is none.

        A second hello is passed over: discord.py would start one more thread of heartbeats and lose the first.
        """
        if not isinstance(msg, str):
            return msg
        frame = json.loads(msg)
        if not is_object(frame):
            return msg
        self._note(frame)
        changes: dict[str, Any] = {}
        if frame.get("s") is not None and not self._goes_on(frame):
            changes["s"] = None
        details = frame.get("d")
        match frame.get("op"), frame.get("t"):
            case self.HELLO, _:
                said = details.get("heartbeat_interval") if is_object(details) else None
                changes |= {"d": {"heartbeat_interval": heartbeat_ms(said)}} if self._keep_alive is None else {"op": -1}
            case self.DISPATCH, "RESUMED" if not is_object(details):
                changes["d"] = {}
            case self.DISPATCH, "READY" if is_object(details):
                changes |= {"s": frame.get("s"), "d": self._complete_ready(details)} | changes
        return json.dumps({**frame, **changes}) if changes else msg

    def _goes_on(self, frame: Mapping[str, Any]) -> bool:
        """Whether a frame's sequence number is one, and leads on: heartbeats and resumes repeat it to Discord."""
        number = frame["s"]
        known = 0 if frame.get("t") == "READY" else self.sequence or 0
        return isinstance(number, int) and not isinstance(number, bool) and known < number < 1 << 53

    def _note(self, frame: Mapping[str, Any]) -> None:
        """What a frame says of the connection itself."""
        operation = frame.get("op")
        if operation == self.HELLO and self.watch.unacknowledged is None:
            self.watch.unacknowledged = self.loop.time()  # the library sends the first heartbeat right away
        elif operation == self.HEARTBEAT_ACK:
            self.watch.unacknowledged = None
        elif operation in {self.RECONNECT, self.INVALIDATE_SESSION}:
            self.watch.reason = "asked_to"
            self.watch.detail = "reconnect" if operation == self.RECONNECT else "invalid_session"
        elif operation == self.DISPATCH and frame.get("t") in {"READY", "RESUMED"}:
            self.watch.due = None

    def _complete_ready(self, details: Mapping[str, Any]) -> dict[str, Any]:
        user = details["user"] if is_object(details.get("user")) else {}
        guilds = details.get("guilds")
        return {
            **details,
            "session_id": string(details.get("session_id")) or None,
            "resume_gateway_url": string(details.get("resume_gateway_url")) or str(self.gateway),
            "user": complete_user(user, self._connection.self_id),
            "guilds": [g for g in guilds if is_object(g) and identifier(g.get("id"))]
            if isinstance(guilds, list)
            else [],
        }


def heartbeat_ms(said: object) -> float:
    """Milliseconds between heartbeats as a hello says; Discord's own where it says nothing of use."""
    if not isinstance(said, int | float) or isinstance(said, bool) or not 0 < said < 1 << 31:
        return HEARTBEAT_MS
    return max(said, LEAST_HEARTBEAT_MS)


def complete_user(user: Mapping[str, Any], known_id: int | None = None) -> dict[str, Any]:
    """A user object with the fields that discord.py cannot do without."""
    return {
        "username": "",
        "discriminator": "0",
        "avatar": None,
        **user,
        "id": identifier(user.get("id")) or str(known_id or 0),
    }
