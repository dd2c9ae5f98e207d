"""Saying something to one person alone: in a channel where that can be, else in a direct message."""

from __future__ import annotations

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.bodies import QUIET, Body, shown
from adapters.slack.failures import SlackFault, ask
from adapters.slack.parsing import PLATFORM
from adapters.slack.rendering import fits
from adapters.slack.values import clean
from bot.errors import DeliveryRefused
from bot.messages import Address, Reply
from bot.splitting import split

log = structlog.get_logger(__name__)


async def whisper(web: AsyncWebClient, address: Address, user_id: str, reply: Reply) -> None:
    """Show one message in a channel or a thread to one person alone. Raises `SlackFault`, `DeliveryRefused`."""
    where: Body = {"channel": address.channel, "user": user_id, "thread_ts": address.thread}
    await shown(reply, lambda body: ask(web.chat_postEphemeral(**where, **body)))


async def open_direct(web: AsyncWebClient, team_id: str, user_id: str) -> Address:
    """The direct conversation with a person; needs the scope im:write. Raises `SlackFault`."""
    channel = (await ask(web.conversations_open(users=user_id))).get("channel")
    opened = clean(channel.get("id")) if isinstance(channel, dict) else ""
    if not opened:
        raise SlackFault("no_channel", status=200)
    return Address(PLATFORM, team_id, opened)


async def tell(web: AsyncWebClient, address: Address, user_id: str, markdown: str) -> None:
    """Say something to one person, whatever its length. Never raises.

    Where the channel is closed to the bot or to them, it is a direct message: `chat.postMessage` takes a person's id
    (https://docs.slack.dev/reference/methods/chat.postMessage#channels).
    """
    for part in split(markdown, fits):
        try:
            try:
                await whisper(web, address, user_id, Reply(part))
            except SlackFault as fault:
                log.info("slack_whisper_failed", code=fault.code)
                await shown(Reply(part), lambda body: ask(web.chat_postMessage(channel=user_id, **QUIET, **body)))
        except (SlackFault, DeliveryRefused) as failure:
            log.warning("slack_whisper_lost", code=failure.code)
            return
