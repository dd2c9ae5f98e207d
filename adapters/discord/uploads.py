"""Files on their way to Discord: a message's body and a file as one multipart form."""

from __future__ import annotations

import io
import json
import secrets
from typing import Any

import discord
import structlog
from discord.http import HTTPClient, MultipartParameters

from adapters.discord import markdown, rest
from adapters.discord.outgoing import NOBODY, SUPPRESS_EMBEDS
from bot.errors import DeliveryUncertain
from bot.interactions import OutgoingFile

log = structlog.get_logger(__name__)

LONGEST_DESCRIPTION = 1_024
"""Characters of an attachment's description, which is its alt text."""


def with_file(message: dict[str, Any], file: OutgoingFile) -> MultipartParameters:
    """A message's body with a file, as discord.py's requests take it. Use it as a context manager."""
    sent = discord.File(
        io.BytesIO(file.data), file.name, spoiler=False, description=file.description[:LONGEST_DESCRIPTION] or None
    )
    body = {**message, "attachments": [sent.to_dict(0)]}
    form: list[dict[str, Any]] = [
        {"name": "payload_json", "value": json.dumps(body), "content_type": "application/json"},
        {"name": "files[0]", "value": sent.fp, "filename": sent.filename, "content_type": file.media_type},
    ]
    return MultipartParameters(payload=None, multipart=form, files=[sent])


async def upload(http: HTTPClient, channel: str, file: OutgoingFile, text: str) -> None:
    """Post a file into a channel or thread; pings nobody. Raises a `DeliveryFailure`."""
    # By its nonce it stays one message, however often it is sent: here, or by discord.py within one request.
    nonce = secrets.token_hex(12)
    message: dict[str, Any] = {"allowed_mentions": NOBODY, "nonce": nonce, "enforce_nonce": True}
    if content := markdown.render(text):
        message |= {"content": content, "flags": SUPPRESS_EMBEDS}
    try:
        await _post(http, channel, message, file)
    except DeliveryUncertain as failure:
        log.info("upload_repeated", code=failure.code)
        await _post(http, channel, message, file)


async def _post(http: HTTPClient, channel: str, message: dict[str, Any], file: OutgoingFile) -> None:
    with with_file(message, file) as params:
        await rest.call(http, http.send_message(channel, params=params))
