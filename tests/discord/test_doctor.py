"""What the doctor finds on Discord, and the invite link it hands out."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from adapters.discord.doctor import check
from adapters.discord.invite import invite_link
from bot.checks import Check
from emulators.discord import DiscordServer
from emulators.faults import Fault
from tests.discord.support import QUICK, off_contract


async def examine(server: DiscordServer, token: str | None = None) -> dict[str, Check]:
    """The checks by name; the token is in none of them."""
    token = server.token if token is None else token
    checks = await check(token, server.url)
    assert token not in repr(checks)
    problems = off_contract(server)
    assert not problems, problems
    return {found.name: found for found in checks}


async def test_a_healthy_setup_is_all_well() -> None:
    async with DiscordServer(timing=QUICK) as server:
        found = await examine(server)
        assert server.identifies == 0
    assert all(one.ok for one in found.values()), found
    assert "Parley" in found["Discord token"].detail
    assert str(server.application_id) in found["Discord application"].detail
    assert "intent on" in found["Discord message content"].detail
    assert server.gateway_url in found["Discord gateway"].detail
    assert found["Discord session starts"].detail == "1000 of 1000 left today"
    assert "in 1" in found["Discord servers"].detail
    assert server.complaints == []


async def test_a_wrong_token_comes_with_its_cure() -> None:
    async with DiscordServer(timing=QUICK) as server:
        found = await examine(server, "wrong.token.here")
    assert [(one.name, one.ok) for one in found.values()] == [("Discord token", False)]
    assert "discord.com/developers" in found["Discord token"].cure


async def test_an_intent_that_is_off_is_explained() -> None:
    async with DiscordServer(timing=QUICK, message_content=False) as server:
        found = await examine(server)
    one = found["Discord message content"]
    assert one.ok
    assert "mentions" in one.detail
    assert str(server.application_id) in one.cure


async def test_an_application_that_says_nothing_leaves_the_intent_open() -> None:
    async with DiscordServer(timing=QUICK) as server:
        for path in ("/applications/@me", "/oauth2/applications/@me"):
            server.faults.add(f"GET {path}", Fault("answer", status=404))
        found = await examine(server)
    assert "does not say" in found["Discord message content"].detail


async def test_a_bot_in_no_server_is_handed_its_invitation() -> None:
    async with DiscordServer(timing=QUICK) as server:
        server.faults.add("GET /users/@me/guilds", Fault("answer", status=200, body=[]))
        found = await examine(server)
    assert not found["Discord servers"].ok
    assert invite_link(str(server.application_id)) in found["Discord servers"].cure


async def test_what_does_not_answer_is_named() -> None:
    async with DiscordServer(timing=QUICK) as server:
        server.faults.add("GET /gateway/bot", Fault("answer", status=403))
        server.faults.add("GET /users/@me/guilds", Fault("answer", status=403))
        found = await examine(server)
        assert not found["Discord gateway"].ok
        assert not found["Discord servers"].ok
        server.faults.add("GET /users/@me", Fault("answer", status=503))
        assert "503" in (await examine(server))["Discord token"].detail
    assert "unreachable" in (await check("a.b.c", "http://127.0.0.1:9/api/v10"))[0].detail


@pytest.mark.parametrize(
    ("gateway", "detail"),
    [("ws://127.0.0.1:9/", "cannot connect"), ("", "cannot connect"), ("not an address", "cannot connect")],
)
async def test_a_gateway_that_cannot_be_reached_is_named(gateway: str, detail: str) -> None:
    limit = {"total": 1000, "remaining": 3, "reset_after": 1, "max_concurrency": 1}
    async with DiscordServer(timing=QUICK) as server:
        body = {"url": gateway, "shards": 1, "session_start_limit": limit}
        server.faults.add("GET /gateway/bot", Fault("answer", status=200, body=body))
        found = await examine(server)
    assert detail in found["Discord gateway"].detail
    assert not found["Discord session starts"].ok
    assert "renewed" in found["Discord session starts"].cure


async def test_a_gateway_that_hangs_up_is_named() -> None:
    async def hang_up(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close()
        return socket

    app = web.Application()
    app.add_routes([web.get("/", hang_up)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with DiscordServer(timing=QUICK) as server:
            body = {"url": f"ws://127.0.0.1:{runner.addresses[0][1]}/"}
            server.faults.add("GET /gateway/bot", Fault("answer", status=200, body=body))
            found = await examine(server)
    finally:
        await runner.cleanup()
    assert "said nothing" in found["Discord gateway"].detail


def test_the_invitation_asks_for_no_more_than_the_code_can_use() -> None:
    link = urlsplit(invite_link("123"))
    query = parse_qs(link.query)
    assert (link.netloc, query["client_id"]) == ("discord.com", ["123"])
    assert set(query["scope"][0].split()) == {"bot", "applications.commands"}
    assert int(query["permissions"][0]) == 1 << 10 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38
