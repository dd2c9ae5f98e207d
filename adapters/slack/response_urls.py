"""The answer to a command or a press, back to the one who gave it and seen by nobody else: by its `response_url`."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.slack.blockkit import settings_button
from adapters.slack.rendering import blocks_of, fits, text_of
from adapters.slack.web import webhook_client
from bot.splitting import split

log = structlog.get_logger(__name__)

# https://docs.slack.dev/interactivity/handling-user-interaction: a response_url takes 5 posts within 30 minutes.
MOST_ANSWERS = 5
OPEN = "Open the settings"
_TRIES = 3
_PAUSE = 0.2


async def answer(session: aiohttp.ClientSession, url: object, markdown: str, settings_of: str = "") -> None:
    """Show `markdown` to the one who gave the command. Never raises: who gave it can give it again.

    `settings_of`: a channel whose settings a button below the text opens.
    """
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        log.warning("slack_command_without_response_url")
        return
    try:
        client = webhook_client(url, session)
    except ValueError:  # no address that could be read
        log.warning("slack_command_without_response_url")
        return
    parts = split(markdown, fits)[:MOST_ANSWERS]
    for number, part in enumerate(parts, 1):
        body = {"response_type": "ephemeral", "replace_original": False, "unfurl_links": False, "unfurl_media": False}
        if not await _post(client, body | _content(part, settings_of if number == len(parts) else "")):
            return


def _content(markdown: str, settings_of: str) -> dict[str, Any]:
    """One message; a response_url takes Slack's own Markdown as a block, not as the argument of chat.postMessage."""
    button = [{"type": "actions", "elements": [settings_button(OPEN, settings_of)]}] if settings_of else []
    return {"text": text_of(markdown), "blocks": [*blocks_of(markdown), *button]}


async def _post(client: AsyncWebhookClient, body: dict[str, Any]) -> bool:
    for attempt in range(_TRIES):
        await asyncio.sleep(_PAUSE * attempt)
        try:
            status = (await client.send_dict(body)).status_code
        except (aiohttp.ClientError, OSError, ValueError, LookupError, RuntimeError):
            status = 0
        if status == 200:
            return True
        log.warning("slack_command_answer_failed", attempt=attempt + 1, status=status)
        if 400 <= status < 500 and status != 429:
            break
    return False
