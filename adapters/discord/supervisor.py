"""Keeps a client of Discord running: logs in, connects, and starts a new one after whatever ended the last.

Only a refusal for good ends it. What a running client does lives in `client.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import discord
import structlog

from adapters.discord.client import Client, Identity
from adapters.discord.timing import Backoff, Timing
from adapters.vitals import Pulse
from bot.errors import TokenRefused

log = structlog.get_logger(__name__)

VARIABLE = "DISCORD_BOT_TOKEN"
# A refusal of a token that was good before may be a hiccup of Discord's: so many in a row are waited out.
REFUSALS_BORNE = 4
CURE = (
    "Take the token from https://discord.com/developers/applications → your application → Bot → Reset Token, "
    "and set it without quotes and without the word Bot."
)
FATAL = {
    4004: "Discord does not accept the token (4004 authentication failed)",
    4010: "Discord closed the gateway for good (4010 invalid shard)",
    4011: "the bot is in too many servers for one connection (4011 sharding required)",
    4012: "Discord closed the gateway for good (4012 invalid API version)",
    4013: "Discord closed the gateway for good (4013 invalid intents)",
    4014: "Discord closed the gateway for good (4014 disallowed intents)",
}
"""Close codes after which nobody may reconnect:
https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes"""


async def supervise(
    token: str, make: Callable[[], Client], on_login: Callable[[Client, Identity], None], timing: Timing, pulse: Pulse
) -> None:
    """Serve until cancelled. Raises `TokenRefused` where Discord refuses the token or the connection for good.

    A token that was good before has to be refused several times in a row, over half a minute.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenRefused(
            VARIABLE, "this is no Discord token: it is empty or has white space or odd signs in it", CURE
        )
    backoff = Backoff(timing)
    borne = 0
    while True:
        client, began = make(), time.monotonic()
        try:
            await _run(token, client, on_login)
        except discord.LoginFailure:  # raised for a 401 alone, whose body may be anything
            borne = REFUSALS_BORNE if client.has_served else borne
            if not borne:
                raise TokenRefused(VARIABLE, "Discord does not accept the token (401 Unauthorized)", CURE) from None
            borne -= 1
            seconds = timing.backoff_base * 2 ** (REFUSALS_BORNE - borne)
            log.warning("token_refused_for_now", left=borne, seconds=round(seconds, 1))
            await asyncio.sleep(seconds)
        except discord.ConnectionClosed as closed:
            raise TokenRefused(VARIABLE, FATAL.get(closed.code, f"closed with {closed.code}"), CURE) from None
        except Exception as error:  # noqa: BLE001 - nothing but a refusal may end the bot
            borne = REFUSALS_BORNE if client.has_served else borne
            if time.monotonic() - began >= timing.stable:
                backoff.reset()
            seconds = backoff.next()
            log.warning(
                "client_ended",
                error=type(error).__name__,
                code=_status(error),
                count=pulse.lost("refused"),
                seconds=round(seconds, 1),
            )
            await asyncio.sleep(seconds)


async def _run(token: str, client: Client, on_login: Callable[[Client, Identity], None]) -> None:
    async with client:
        on_login(client, await client.authenticate(token))
        await client.connect()


def _status(error: Exception) -> int | None:
    return error.status if isinstance(error, discord.HTTPException) else None
