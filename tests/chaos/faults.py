"""The faults that a plan may name, and how each is ordered from the emulators: platforms, sockets, and the model."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal

from emulators.discord import DiscordServer
from emulators.faults import Fault
from emulators.openai import OpenAIService, errors
from emulators.slack import SlackWorkspace

Party = Literal["slack", "discord", "model"]

SLACK_ROUTES = {
    "post": ("chat.postMessage", "chat.startStream"),
    "edit": ("chat.update", "chat.appendStream", "chat.stopStream"),
    "history": ("conversations.replies", "conversations.history", "users.conversations"),
    "status": ("assistant.threads.setStatus",),
}
DISCORD_ROUTES = {
    "post": ("POST /channels/{channel_id}/messages",),
    "edit": ("PATCH /channels/{channel_id}/messages/{message_id}",),
    "history": ("GET /channels/{channel_id}/messages",),
    "status": ("POST /channels/{channel_id}/typing",),
}
_ANSWERS = ("429", "500", "503", "reset", "lost reply", "delay")
_SLACK_SOCKETS = ("socket drop", "socket silent", "socket warning", "socket refresh", "event again")
_DISCORD_SOCKETS = ("socket drop", "session lost", "op 7", "op 9", "op 9 resumable", "event again")
_SILENT_SECONDS = 2.0

HARMS: dict[Literal["slack", "discord"], tuple[str, ...]] = {
    "slack": (*(f"{route} {kind}" for route in SLACK_ROUTES for kind in _ANSWERS), *_SLACK_SOCKETS * 2),
    "discord": (
        *(f"{route} {kind}" for route in DISCORD_ROUTES for kind in (*_ANSWERS, "429 without Via")),
        *_DISCORD_SOCKETS * 2,
    ),
}
HARMS_OF_MODEL = ("500", "503", "429", "502 page", "reset", "lost reply", "delay")


async def on_slack(slack: SlackWorkspace, kind: str, dice: random.Random) -> None:
    """Do one of Slack's harms."""
    match kind:
        case "socket drop":
            slack.drop_connections()
        case "socket silent":
            slack.go_silent()
            await asyncio.sleep(_SILENT_SECONDS)
            slack.go_silent(silent=False)
        case "socket warning":
            await slack.disconnect("warning")
        case "socket refresh":
            await slack.disconnect("refresh_requested")
        case "event again":
            said = [m for channel in slack.channels for m in slack.messages(channel) if m.user != slack.bot.id]
            if said:
                slack.tell(dice.choice(said))
        case _:
            route, _, answer = kind.partition(" ")
            seconds = f"{dice.choice((0, 1))}"
            refused = {"ok": False, "error": "ratelimited"}
            fault = _fault(answer, Fault(status=429, headers={"Retry-After": seconds}, body=refused), dice)
            _order(slack.faults.add, SLACK_ROUTES[route], fault, dice)


async def on_discord(discord: DiscordServer, kind: str, dice: random.Random) -> None:
    """Do one of Discord's harms."""
    match kind:
        case "socket drop":
            await discord.drop_gateway(dice.choice((None, None, 1001, 4000)))
        case "session lost":
            # What a client that was away for too long meets: its session is gone when it asks to resume it.
            for session in list(discord.sessions):
                if session.connection is not None:
                    session.connection.session = None
                discord.sessions_store.end(session)
            await discord.drop_gateway(None)
        case "op 7":
            await discord.reconnect_clients()
        case "op 9":
            await discord.invalidate_sessions()
        case "op 9 resumable":
            await discord.invalidate_sessions(resumable=True)
        case "event again":
            channels = list(discord.world.channels.values())
            said = [m for channel in channels for m in discord.messages(channel) if m.author is not discord.bot]
            if said:
                await discord.redeliver(dice.choice(said))
        case _:
            route, _, answer = kind.partition(" ")
            seconds = dice.uniform(0.2, 1.0)
            via = {} if answer.endswith("Via") else {"Via": "1.1 google"}
            body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
            limited = Fault(status=429, headers={"Retry-After": f"{seconds:g}", **via}, body=body)
            fault = _fault(answer.removesuffix(" without Via"), limited, dice)
            _order(discord.faults.add, DISCORD_ROUTES[route], fault, dice)


async def on_model(openai: OpenAIService, kind: str, dice: random.Random) -> None:
    """Do one of the model's harms, all of which pass."""
    ordered = {
        "500": errors.server_error(),
        "503": errors.overloaded(),
        "429": errors.rate_limited(dice.choice((0.2, 1.0))),
        "502 page": errors.bad_gateway(),
        "reset": Fault("reset"),
        "lost reply": Fault("lost_reply"),
        "delay": Fault("delay", seconds=dice.uniform(0.2, 1.5)),
    }
    openai.faults.add("/chat/completions", ordered[kind])


def _fault(answer: str, limited: Fault, dice: random.Random) -> Fault:
    match answer:
        case "429":
            return limited
        case "reset":
            return Fault("reset")
        case "lost reply":
            return Fault("lost_reply")
        case "delay":
            return Fault("delay", seconds=dice.uniform(0.2, 2.0))
        case _:
            return Fault(status=int(answer), body="unavailable")


def _order(add: Callable[..., None], routes: tuple[str, ...], fault: Fault, dice: random.Random) -> None:
    """Order it for the next request, or the next two, to one of the routes."""
    add(dice.choice(routes), *[fault] * dice.choice((1, 1, 2)))
