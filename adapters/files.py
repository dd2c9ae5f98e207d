"""Reading a file that came with a message: from the platform's own hosts alone, and never more of it than is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import aiohttp

from bot.errors import DeliveryRefused, DeliveryUncertain

DEADLINE_SECONDS = 30.0
_CHUNK_BYTES = 64 * 1024


async def read_file(
    session: aiohttp.ClientSession,
    url: str,
    *,
    hosts: Collection[str],
    most_bytes: int,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
) -> bytes:
    """The file's bytes. `hosts`: names of hosts, a leading dot standing for all below.

    Raises `DeliveryRefused` (`foreign_host`, `too_large`, `http_404` and the like, or `html` for a page in the file's
    place, which is how Slack says that a scope is missing) and `DeliveryUncertain`. No redirect is followed: a token
    that is sent along would go with it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    ours = any(host == each.lstrip(".") or (each.startswith(".") and host.endswith(each)) for each in hosts)
    if parts.scheme not in ("https", "http") or not ours:
        raise DeliveryRefused("foreign_host")
    try:
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            session.get(url, headers=headers, proxy=proxy, allow_redirects=False) as response,
        ):
            if response.status >= 500 or response.status == 429:
                raise DeliveryUncertain(f"http_{response.status}")
            if response.status != 200:
                raise DeliveryRefused(f"http_{response.status}")
            if response.content_type == "text/html":
                raise DeliveryRefused("html")
            return await _bounded(response, most_bytes)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise DeliveryUncertain(type(error).__name__) from None


async def _bounded(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    if (response.content_length or 0) > most_bytes:
        raise DeliveryRefused("too_large")
    read = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        read += chunk
        if len(read) > most_bytes:
            raise DeliveryRefused("too_large")
    return bytes(read)
