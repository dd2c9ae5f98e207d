"""Reading a file that came with a message: from the platform's own hosts alone, and never more of it than is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

from bot.errors import DeliveryRefused, DeliveryUncertain

DEADLINE_SECONDS = 30.0
MOST_REDIRECTS = 3
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)


async def read_file(
    session: aiohttp.ClientSession,
    url: str,
    *,
    hosts: Collection[str],
    most_bytes: int,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
    page_of_size: int | None = None,
) -> bytes:
    """The file's bytes. `hosts`: names of hosts, a leading dot standing for all below.

    `page_of_size`: an HTML page in the file's place is a request to sign in, unless it is of so many bytes; None where
    the platform never does that. A redirect is followed on these hosts alone: a token that is sent along goes with it.

    Raises `DeliveryRefused` (`foreign_host`, `too_large`, `redirected`, `html`, `http_404` and the like) and
    `DeliveryUncertain`.
    """
    if not _is_ours(url, hosts):
        raise DeliveryRefused("foreign_host")
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for _ in range(MOST_REDIRECTS + 1):
                async with session.get(url, headers=headers, proxy=proxy, allow_redirects=False) as response:
                    if response.status not in _REDIRECTS:
                        return await _read(response, most_bytes, page_of_size)
                    url = urljoin(url, response.headers.get("Location", ""))
                if not _is_ours(url, hosts):
                    break
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise DeliveryUncertain(type(error).__name__) from None
    raise DeliveryRefused("redirected")


def _is_ours(url: str, hosts: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    ours = any(host == each.lstrip(".") or (each.startswith(".") and host.endswith(each)) for each in hosts)
    return ours and parts.scheme in ("https", "http")


async def _read(response: aiohttp.ClientResponse, most_bytes: int, page_of_size: int | None) -> bytes:
    if response.status >= 500 or response.status == 429:
        raise DeliveryUncertain(f"http_{response.status}")
    if response.status != 200:
        raise DeliveryRefused(f"http_{response.status}")
    data = await _bounded(response, most_bytes)
    if response.content_type == "text/html" and page_of_size not in (None, len(data)):
        raise DeliveryRefused("html")
    return data


async def _bounded(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    if (response.content_length or 0) > most_bytes:
        raise DeliveryRefused("too_large")
    read = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        read += chunk
        if len(read) > most_bytes:
            raise DeliveryRefused("too_large")
    return bytes(read)
