"""`/parley`: what was typed taken apart, and the answer back to the one who gave it, seen by nobody else."""

from __future__ import annotations

import asyncio
import re
import shlex
from typing import Any

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.slack.mrkdwn import fits, render
from adapters.slack.web import webhook_client
from bot.splitting import split

log = structlog.get_logger(__name__)

# https://docs.slack.dev/interactivity/handling-user-interaction: a response_url takes 5 posts within 30 minutes.
MOST_ANSWERS = 5
_TRIES = 3
_PAUSE = 0.2
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|“([^“”]*)”)\s*""")


def split_command(text: str) -> tuple[str, tuple[str, ...]]:
    """The command's name and arguments. A value to set is one argument, verbatim, blanks and line breaks included.

    Double quotes around the whole of it go, as Slack's own keyboards curl them; those within it stay.
    """
    words = text.split(maxsplit=2)
    if not words:
        return "help", ()
    name = words[0].lower()
    if name == "set" and len(words) == 3:
        return name, (words[1], _unquoted(words[2]))
    rest = text.split(maxsplit=1)[1:]
    try:
        return name, tuple(shlex.split(rest[0])) if rest else ()
    except ValueError:  # a quote that is never closed
        return name, tuple(rest[0].split())


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[quoted.lastindex or 0] if quoted else value


async def answer(session: aiohttp.ClientSession, url: object, markdown: str) -> None:
    """Show `markdown` to the one who gave the command. Never raises: who gave it can give it again."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        log.warning("slack_command_without_response_url")
        return
    try:
        client = webhook_client(url, session)
    except ValueError:  # no address that could be read
        log.warning("slack_command_without_response_url")
        return
    for part in split(markdown, fits)[:MOST_ANSWERS]:
        shown = render(part)
        body: dict[str, Any] = {"response_type": "ephemeral", "unfurl_links": False, "unfurl_media": False}
        if shown.markdown_text is not None:  # a response_url takes the block, not the argument of chat.postMessage
            body["blocks"] = [{"type": "markdown", "text": shown.markdown_text}]
        else:
            body["text"] = shown.text
        if not await _post(client, body):
            return


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
