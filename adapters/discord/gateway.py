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
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from adapters.discord.parsing import identifier, is_object, string

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


class GatewaySocket(DiscordWebSocket):
    """One connection. Its `poll_event`, `identify` and `resume` close it whenever they raise."""

    async def poll_event(self) -> None:
        """Take one frame. Raises `ReconnectWebSocket`, `discord.ConnectionClosed` or a network error."""
        try:
            # The library would wait for a silent peer's half of the closing handshake, 30 s more.
            async with asyncio.timeout(self._max_heartbeat_timeout / 2):
                await super().poll_event()
        except asyncio.CancelledError:
            await self.close(1000)
            raise
        except TimeoutError:
            log.warning("gateway_silent")
            await self.close(4000)
            raise ReconnectWebSocket(self.shard_id) from None
        except BaseException:
            await self.close(4000)
            raise

    async def received_message(self, msg: Any, /) -> None:
        """Act on one frame; one that makes no sense is logged by its kind alone and passed over."""
        try:
            await super().received_message(self._completed(msg))
        except (ReconnectWebSocket, discord.ConnectionClosed, OSError, aiohttp.ClientError):
            raise
        except Exception as error:  # noqa: BLE001 - a frame may be anything
            log.warning("frame_unreadable", error=type(error).__name__)

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
