"""A file is read from the platform's own hosts alone, in bounds, and no token goes anywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from adapters.files import MOST_REDIRECTS, read_file
from bot.errors import DeliveryRefused, DeliveryUncertain

TOKEN = {"Authorization": "Bearer xoxb-secret"}


class Host:
    """A web server on loopback that gives files in odd ways."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str | None]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What a path stands for."""
        self.asked.append((request.path, request.headers.get("Authorization")))
        match request.path.strip("/").split("/"):
            case ["plain"]:
                return web.Response(body=b"hello")
            case ["moved"]:
                return web.Response(status=302, headers={"Location": "/plain"})
            case ["round"]:
                return web.Response(status=302, headers={"Location": "/round"})
            case ["away"]:
                return web.Response(status=302, headers={"Location": "https://elsewhere.example/login"})
            case ["page"]:
                return web.Response(text="<html>sign in</html>", content_type="text/html")
            case ["status", code]:
                return web.Response(status=int(code), text="<html></html>", content_type="text/html")
            case _:
                return await self._endless(request)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """A stream that says nothing of its length and never ends by itself."""
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(64 * 1024))
        except ConnectionError:
            return response


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    made = Host()
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def read(url: str, most: int = 1_000, page_of_size: int | None = None) -> bytes:
    async with aiohttp.ClientSession() as session:
        return await read_file(
            session, url, hosts={"127.0.0.1", ".slack.com"}, most_bytes=most, headers=TOKEN, page_of_size=page_of_size
        )


async def refused(url: str, most: int = 1_000, page_of_size: int | None = None) -> str:
    with pytest.raises(DeliveryRefused) as refusal:
        await read(url, most, page_of_size)
    return refusal.value.code


async def test_a_redirect_is_followed_on_the_platforms_own_hosts(host: Host) -> None:
    assert await read(f"{host.url}/moved") == b"hello"
    assert host.asked == [("/moved", TOKEN["Authorization"]), ("/plain", TOKEN["Authorization"])]


async def test_a_redirect_to_elsewhere_is_not_followed(host: Host) -> None:
    assert await refused(f"{host.url}/away") == "redirected"
    assert len(host.asked) == 1


async def test_redirects_in_a_circle_come_to_an_end(host: Host) -> None:
    assert await refused(f"{host.url}/round") == "redirected"
    assert len(host.asked) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/x",
        "https://slack.com.evil.example/x",
        "https://notslack.com/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://[broken",
        "",
    ],
)
async def test_no_other_host_is_ever_asked(url: str) -> None:
    assert await refused(url) == "foreign_host"


async def test_a_stream_without_an_end_is_left_at_the_limit(host: Host) -> None:
    assert await refused(f"{host.url}/endless", most=300_000) == "too_large"
    assert await refused(f"{host.url}/plain", most=4) == "too_large"
    assert await read(f"{host.url}/plain", most=5) == b"hello"


async def test_a_page_in_a_files_place_is_a_request_to_sign_in_where_the_platform_does_that(host: Host) -> None:
    size = len("<html>sign in</html>")
    assert await refused(f"{host.url}/page", page_of_size=-1) == "html"
    assert await refused(f"{host.url}/page", page_of_size=size + 1) == "html"
    assert await read(f"{host.url}/page", page_of_size=size) == b"<html>sign in</html>"
    assert await read(f"{host.url}/page") == b"<html>sign in</html>"


async def test_what_may_pass_is_told_apart_from_what_stays(host: Host) -> None:
    assert await refused(f"{host.url}/status/404") == "http_404"
    assert await refused(f"{host.url}/status/403") == "http_403"
    for code in ("429", "503"):
        with pytest.raises(DeliveryUncertain):
            await read(f"{host.url}/status/{code}")
