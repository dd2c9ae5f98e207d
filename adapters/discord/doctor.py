"""What `parley doctor` can find out about Discord: token, application, intents, gateway, servers.

Reads only; nothing is sent that anybody would see, and no session is started. The token is in no result.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
import yarl
from discord.http import HTTPClient, Route

from adapters.discord import rest
from adapters.discord.client import DEFAULT_API_URL, Client, Identity, redirect
from adapters.discord.failures import delivery_failure
from adapters.discord.invite import invite_link
from adapters.discord.supervisor import CURE
from adapters.discord.timing import Timing
from adapters.discord.values import is_object, string
from bot.checks import Check
from bot.errors import DeliveryFailure

PATIENCE = 10.0
"""Seconds for each question."""

FEW_STARTS = 20
"""Of the 1,000 session starts a day; with none left one start more resets the token."""

PORTAL = "https://discord.com/developers/applications"


async def check(token: str, api_url: str = DEFAULT_API_URL) -> list[Check]:
    """Look at everything that can be looked at; the first check that fails may leave the rest out. Never raises."""
    redirect(api_url)
    async with Client(lambda _event, _data: None, Timing()) as client:
        try:
            async with asyncio.timeout(2 * PATIENCE):
                identity = await client.authenticate(token.strip())
        except discord.LoginFailure:
            return [Check("Discord token", ok=False, detail="refused by Discord (401)", cure=CURE)]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            failure = error if isinstance(error, DeliveryFailure) else delivery_failure(error)
            detail = f"{api_url} did not answer ({failure.code})"
            return [Check("Discord token", ok=False, detail=detail, cure="Check the network and DISCORD_API_URL.")]
        return [
            Check("Discord token", ok=True, detail=f"logged in as {identity.name} ({identity.user_id})"),
            Check("Discord application", ok=True, detail=f"id {identity.application_id}"),
            _intent(identity),
            *await _gateway(client.http),
            await _servers(client.http, identity),
        ]


def _intent(identity: Identity) -> Check:
    name = "Discord message content"
    turn_on = f"{PORTAL}/{identity.application_id}/bot → Privileged Gateway Intents → Message Content Intent"
    if identity.reads_content:
        return Check(name, ok=True, detail="intent on: follow-ups in threads need no mention")
    if identity.reads_content is None:
        return Check(name, ok=True, detail="Discord does not say whether the intent is on", cure=f"Look at {turn_on}.")
    detail = "intent off: answers mentions, replies to the bot and direct messages; other follow-ups stay unread"
    return Check(name, ok=True, detail=detail, cure=f"To have threads read without mentions, turn on {turn_on}.")


async def _gateway(http: HTTPClient) -> list[Check]:
    try:
        said = await rest.call(http, http.request(Route("GET", "/gateway/bot")), PATIENCE)
    except DeliveryFailure as failure:
        return [Check("Discord gateway", ok=False, detail=f"no address to be had ({failure.code})", cure=NETWORK)]
    address = string(said.get("url")) if is_object(said) else ""
    limit = said.get("session_start_limit") if is_object(said) else None
    return [await _reach(http, address), *([_starts(limit)] if is_object(limit) else [])]


NETWORK = "See https://discordstatus.com, and that the host may open secure websockets."


async def _reach(http: HTTPClient, address: str) -> Check:
    name = "Discord gateway"
    try:
        async with asyncio.timeout(PATIENCE):
            socket = await http.ws_connect(str(yarl.URL(address).with_query(v=10, encoding="json")))
            try:
                hello = await socket.receive()
            finally:
                await socket.close()
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return Check(name, ok=False, detail=f"cannot connect ({type(error).__name__})", cure=NETWORK)
    if hello.type is not aiohttp.WSMsgType.TEXT:
        return Check(name, ok=False, detail="connected, but it said nothing", cure=NETWORK)
    return Check(name, ok=True, detail=f"{address} answers")


def _starts(limit: Any) -> Check:
    left, total = limit.get("remaining"), limit.get("total")
    ok = not isinstance(left, int) or left > FEW_STARTS
    cure = "" if ok else "Stop the bot from restarting over and over; the count is renewed within a day."
    return Check("Discord session starts", ok=ok, detail=f"{left} of {total} left today", cure=cure)


async def _servers(http: HTTPClient, identity: Identity) -> Check:
    name = "Discord servers"
    invite = f"Invite it: {invite_link(identity.application_id)}"
    try:
        guilds = await rest.call(http, http.request(Route("GET", "/users/@me/guilds")), PATIENCE)
    except DeliveryFailure as failure:
        return Check(name, ok=False, detail=f"the list cannot be read ({failure.code})", cure="Try again later.")
    count = len(guilds) if isinstance(guilds, list) else 0
    if not count:
        return Check(name, ok=False, detail="the bot is in no server", cure=invite)
    return Check(name, ok=True, detail=f"the bot is in {count}" + (" or more" if count >= 200 else ""))
