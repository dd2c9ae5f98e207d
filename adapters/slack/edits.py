"""Changing one of the bot's messages, also one that was left streaming: its stream is ended, then it takes the edit.

A stream dies after about five minutes even while it is appended to, and a process that was killed leaves one open.
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.failures import STILL_STREAMING, SlackFault, ask

log = structlog.get_logger(__name__)

# https://docs.slack.dev/reference/methods/chat.stopStream#errors: it has ended by itself, or somebody stopped it.
_ENDED = frozenset({"message_not_in_streaming_state", "stopped_by_user"})


async def change(web: AsyncWebClient, channel: str, ts: str, body: dict[str, Any]) -> None:
    """Give a message a new body. Raises `SlackFault`."""
    try:
        await ask(web.chat_update(channel=channel, ts=ts, **body))
    except SlackFault as fault:
        if fault.code != STILL_STREAMING:
            raise
        await _end_stream(web, channel, ts)
        await ask(web.chat_update(channel=channel, ts=ts, **body))


async def _end_stream(web: AsyncWebClient, channel: str, ts: str) -> None:
    log.info("slack_stream_ended", channel=channel, message=ts)
    try:
        await ask(web.chat_stopStream(channel=channel, ts=ts))
    except SlackFault as fault:
        if fault.code not in _ENDED:
            raise
