"""Files on their way to Discord, a message's body and a file as one multipart form; and those that came from there."""

from __future__ import annotations

import io
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
import structlog
from discord.http import HTTPClient, MultipartParameters

from adapters.discord import markdown, rest
from adapters.discord.outgoing import NOBODY, SUPPRESS_EMBEDS, nonce
from adapters.discord.parsing import attachments
from adapters.discord.values import identifier, is_object
from adapters.files import read_file
from bot.errors import DeliveryUncertain
from bot.interactions import OutgoingFile
from bot.messages import Attachment, PartKey

log = structlog.get_logger(__name__)

LONGEST_DESCRIPTION = 1_024
"""Characters of an attachment's description, which is its alt text."""

FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""https://docs.discord.com/developers/reference#signed-attachment-cdn-urls"""


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


async def upload(http: HTTPClient, channel: str, file: OutgoingFile, text: str, key: PartKey | None = None) -> str:
    """Post a file into a channel or thread, with a key once for some minutes, and return its message's id.

    Raises a `DeliveryFailure`.
    """
    # By its nonce it stays one message, however often it is sent: here, or by discord.py within one request.
    once = secrets.token_hex(12) if key is None else nonce(key)
    message: dict[str, Any] = {"allowed_mentions": NOBODY, "nonce": once, "enforce_nonce": True}
    if content := markdown.render(text):
        message |= {"content": content, "flags": SUPPRESS_EMBEDS}
    try:
        return await _post(http, channel, message, file)
    except DeliveryUncertain as failure:
        log.info("upload_repeated", code=failure.code)
        return await _post(http, channel, message, file)


async def _post(http: HTTPClient, channel: str, message: dict[str, Any], file: OutgoingFile) -> str:
    with with_file(message, file) as params:
        sent = await rest.call(http, http.send_message(channel, params=params))
    message_id = identifier(sent.get("id")) if is_object(sent) else ""
    if not message_id:
        raise DeliveryUncertain("no_id")
    return message_id


async def download(file: Attachment, api_url: str, most_bytes: int) -> bytes:
    """The bytes of a file that came with a message; raises a `DeliveryFailure`. Its address is signed, and expires.

    discord.py's own way reads a file whole, whatever its size.
    """
    # Where the API is elsewhere, an emulated one for instance, its files are too.
    hosts = {*FILE_HOSTS, urlsplit(api_url).hostname or ""}
    async with aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await read_file(session, file.url, hosts=hosts, most_bytes=most_bytes)


async def attached(http: HTTPClient, channel: str, message_id: str) -> tuple[Attachment, ...]:
    """What is attached to a message, read anew: that signs the addresses anew. Raises a `DeliveryFailure`.

    https://docs.discord.com/developers/reference#signed-attachment-cdn-urls
    """
    payload = await rest.call(http, http.get_message(channel, message_id))
    return attachments(payload) if is_object(payload) else ()
