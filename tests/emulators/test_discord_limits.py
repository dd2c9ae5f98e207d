"""Rate limits and ordered faults of the emulated Discord, as the real discord.py meets them."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import discord
import pytest

from emulators.discord import DiscordServer
from emulators.discord.ratelimit import FIGURES
from emulators.faults import Fault
from tests.emulators.discord_clients import connected

SEND = "POST /channels/{channel_id}/messages"


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending is limited to 5 per half second, so that tests need not wait."""
    monkeypatch.setitem(FIGURES, SEND, (5, 0.5))


async def send(server: DiscordServer, session: aiohttp.ClientSession, channel_id: int) -> aiohttp.ClientResponse:
    """One message without discord.py's own care for limits."""
    headers = {"Authorization": f"Bot {server.token}", "User-Agent": "DiscordBot (https://example.org, 1)"}
    url = f"{server.url}/channels/{channel_id}/messages"
    async with session.post(url, json={"content": "x"}, headers=headers) as response:
        await response.read()
        return response


async def test_answers_carry_the_bucket_and_the_sixth_of_a_window_is_refused() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        first, second = server.add_channel("first"), server.add_channel("second")
        answers = [await send(server, session, first.id) for _ in range(6)]
        assert [a.status for a in answers] == [200] * 5 + [429]
        assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["4", "3", "2", "1", "0", "0"]
        refused = answers[-1]
        body = await refused.json()
        assert body["global"] is False
        assert 0 < body["retry_after"] <= 0.5
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["X-RateLimit-Scope"] == "user"
        assert refused.headers["X-RateLimit-Limit"] == "5"
        assert 0 < float(refused.headers["X-RateLimit-Reset-After"]) <= 0.5
        assert float(refused.headers["X-RateLimit-Reset"]) == pytest.approx(time.time(), abs=2)
        assert refused.headers["Via"] == "1.1 google"
        other = await send(server, session, second.id)
        assert other.status == 200
        assert other.headers["X-RateLimit-Bucket"] == refused.headers["X-RateLimit-Bucket"]
        await asyncio.sleep(body["retry_after"])
        assert (await send(server, session, first.id)).status == 200
        assert server.rate_limits.invalid == 1


async def test_discord_py_keeps_within_the_limits_by_itself() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            for n in range(8):
                await client.get_channel(channel.id).send(str(n))
        assert [m.content for m in server.bot_messages(channel)] == [str(n) for n in range(8)]
        at = [m.at for m in server.bot_messages(channel)]
        assert at[5] - at[0] >= 0.45
    assert server.complaints == []


async def test_more_than_fifty_requests_a_second_meet_the_global_limit() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        channels = [server.add_channel(str(n)) for n in range(60)]
        answers = await asyncio.gather(*(send(server, session, c.id) for c in channels))
        refused = [a for a in answers if a.status == 429]
        assert 1 <= len(refused) <= 10
        assert (await refused[0].json())["global"] is True
        assert refused[0].headers["X-RateLimit-Global"] == "true"
        assert refused[0].headers["X-RateLimit-Scope"] == "global"


async def test_limits_can_be_turned_off() -> None:
    async with DiscordServer(limits="none") as server, aiohttp.ClientSession() as session:
        channel = server.add_channel("general")
        answers = [await send(server, session, channel.id) for _ in range(60)]
        assert {a.status for a in answers} == {200}
        assert "X-RateLimit-Limit" not in answers[0].headers


async def test_a_429_fault_is_waited_out_by_discord_py_when_it_comes_via_google() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        server.faults.add(SEND, Fault(status=429, headers={"Retry-After": "0.05"}))
        async with connected(server) as client:
            await client.get_channel(channel.id).send("late")
        assert [m.content for m in server.bot_messages(channel)] == ["late"]


async def test_a_429_without_via_is_taken_for_a_ban() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        server.faults.add(SEND, Fault(status=429, headers={"Via": ""}))
        async with connected(server) as client:
            with pytest.raises(discord.HTTPException) as caught:
                await client.get_channel(channel.id).send("refused")
            assert caught.value.status == 429
            assert "Via" not in caught.value.response.headers


async def test_too_many_invalid_answers_ban_the_address() -> None:
    async with DiscordServer(invalid_limit=3) as server:
        channel = server.add_channel("general")
        async with connected(server) as client, aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(server.url + "/users/@me", headers={"User-Agent": "DiscordBot (x, 1)"}):
                    pass
            assert server.rate_limits.banned
            with pytest.raises(discord.HTTPException) as caught:
                await client.get_channel(channel.id).send("refused")
            assert caught.value.status == 429


async def test_a_lost_reply_has_sent_the_message_and_the_nonce_finds_it_again() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        server.faults.add(SEND, Fault("lost_reply"))
        async with connected(server) as client:
            place = client.get_channel(channel.id)
            with pytest.raises((aiohttp.ClientError, OSError)):
                await place.send("once", nonce="n")
            again = await place.send("once", nonce="n")
            (message,) = server.bot_messages(channel)
            assert message.id == again.id


async def test_a_reset_connection_has_sent_nothing() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        server.faults.add(SEND, Fault("reset"))
        async with connected(server) as client:
            with pytest.raises((aiohttp.ClientError, OSError)):
                await client.get_channel(channel.id).send("never")
            assert server.bot_messages(channel) == []


async def test_delays_and_server_errors_happen_once_each() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        server.faults.add(SEND, Fault("delay", seconds=0.05), Fault(status=503, body="unavailable"))
        async with connected(server) as client:
            place = client.get_channel(channel.id)
            before = time.monotonic()
            await place.send("slow")
            assert time.monotonic() - before >= 0.05
            with pytest.raises(discord.DiscordServerError):
                await place.send("unavailable")
            await place.send("fine")
        assert server.faults.pending == 0
