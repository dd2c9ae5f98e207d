"""The connection survives what Discord and the network do to it, and gives up only where Discord says so."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from adapters.discord.adapter import MENTIONS_ONLY, READS_ALL, DiscordAdapter
from adapters.discord.client import Client, redirect
from adapters.discord.gateway import GatewaySocket, heartbeat_ms
from adapters.discord.supervisor import REFUSALS_BORNE
from bot.adapter import Description, Missed
from bot.errors import DeliveryDelayed, TokenRefused
from bot.messages import Address, PartKey, Reply
from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.guild_payloads import role_payload
from emulators.faults import Fault
from tests.discord.support import FAST, QUICK, Desk, address_of, running

MESSAGE_CONTENT = 1 << 15
BANNED = Fault("answer", status=429, headers={"Via": ""}, body="error code: 1015")
EMPTY = Fault("answer", status=200, body={})


async def hears(server: DiscordServer, desk: Desk, text: str) -> None:
    """A mention said now arrives."""
    channel = next(c for c in server.world.channels.values() if c.name == "general")
    ada = next(u for u in server.world.users.values() if u.name == "ada")
    await server.say(ada, channel, text, mention=True)
    await desk.until(lambda: text in desk.texts)


def populated(**options: Any) -> DiscordServer:
    """A server with a channel and somebody in it."""
    server = DiscordServer(**{"timing": QUICK, **options})
    server.add_channel("general")
    server.add_user("ada")
    return server


async def test_it_describes_itself_once_connected() -> None:
    async with populated() as server, running(server) as (adapter, desk):
        described = adapter.describe()
        assert desk.descriptions == [described]
        assert described.platform == "discord"
        assert described.bot_id == str(server.bot.id)
        assert described.bot_name == "Parley"
        assert described.mode == READS_ALL
        assert described.fits(Reply("short"))
        assert not described.fits(Reply("x" * 2001))
        assert all(limit.amount <= 5 and limit.seconds > 5 for limit in described.limits)
        assert server.sessions[0].intents & MESSAGE_CONTENT
        assert server.complaints == []


async def test_without_the_privileged_intent_it_runs_on_mentions() -> None:
    async with populated(message_content=False) as server, running(server) as (adapter, desk):
        assert adapter.describe().mode == MENTIONS_ONLY
        assert not server.sessions[0].intents & MESSAGE_CONTENT
        assert server.identifies == 1
        await hears(server, desk, "hello")


async def test_an_intent_that_turns_out_to_be_refused_is_given_up() -> None:
    async with populated(message_content=False) as server:
        for path in ("/applications/@me", "/oauth2/applications/@me"):
            server.faults.add(f"GET {path}", Fault("answer", status=404))
        async with running(server) as (adapter, desk):
            assert adapter.describe().mode == MENTIONS_ONLY
            asked = [frame["d"]["intents"] & MESSAGE_CONTENT for frame in server.frames if frame["op"] == 2]
            assert asked == [MESSAGE_CONTENT, 0]
            await hears(server, desk, "hello")


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_an_application_that_nobody_describes_is_no_hindrance(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.client.APPLICATION_DEADLINE", 0.3)
    async with populated() as server:
        server.faults.add("GET /oauth2/applications/@me", *[Fault("answer", status=404)] * 5)
        server.faults.add("GET /applications/@me", *[Fault("answer", status=status)] * 5)
        desk = Desk()
        async with running(server, desk=desk, ready=False) as (adapter, _):
            await desk.until(lambda: desk.descriptions, timeout=15)
            assert adapter.describe().mode == READS_ALL


@pytest.mark.parametrize("token", ["", "two words", "wrong.token.here", "naïve"])
async def test_a_refused_token_ends_the_start(token: str) -> None:
    async with populated() as server:
        adapter = DiscordAdapter(token, server.url, timing=FAST)
        with pytest.raises(TokenRefused) as refusal:
            await adapter.start(Desk())
    (problem,) = refusal.value.problems
    assert problem.variable == "DISCORD_BOT_TOKEN"
    assert "discord.com/developers" in problem.cure
    assert not token or token not in str(refusal.value)
    await adapter.stop()


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/html"])
async def test_a_refused_token_is_told_in_words_whatever_the_answers_type(content_type: str) -> None:
    async with populated() as server:
        body = {"message": "401: Unauthorized", "code": 0}
        refused = Fault("answer", status=401, headers={"Content-Type": content_type}, body=body)
        server.faults.add("GET /users/@me", refused)
        with pytest.raises(TokenRefused) as refusal:
            await DiscordAdapter(server.token, server.url, timing=FAST).start(Desk())
    (problem,) = refusal.value.problems
    assert problem.wrong == "Discord does not accept the token (401 Unauthorized)"


async def test_a_token_that_is_reset_while_it_runs_ends_the_start() -> None:
    async with populated() as server:
        adapter, desk = DiscordAdapter(server.token, server.url, timing=FAST), Desk()
        task = asyncio.create_task(adapter.start(desk))
        await desk.until(lambda: desk.descriptions)
        server.reset_token()
        with pytest.raises(TokenRefused, match="4004"):
            await task


@pytest.mark.parametrize("times", [REFUSALS_BORNE, REFUSALS_BORNE + 1])
async def test_a_token_that_was_good_has_to_be_refused_several_times_in_a_row(times: int) -> None:
    async with populated() as server:
        adapter, desk = DiscordAdapter(server.token, server.url, timing=FAST), Desk()
        task = asyncio.create_task(adapter.start(desk))
        await desk.until(lambda: desk.descriptions)
        refused = Fault("answer", status=401, body={"message": "401: Unauthorized", "code": 0})
        # The first is met by the client that served, who asks where to connect; the others as they log in.
        server.faults.add("GET /gateway/bot", refused)
        server.faults.add("GET /users/@me", *[refused] * (times - 1))
        await server.invalidate_sessions()
        if times > REFUSALS_BORNE:
            with pytest.raises(TokenRefused, match="401"):
                await task
        else:
            await desk.until(lambda: len(desk.descriptions) == 2)
            await adapter.stop()
            await task
    assert server.faults.pending == 0


@pytest.mark.parametrize("code", [4010, 4011, 4012, 4013, 4014])
async def test_a_close_for_good_is_not_answered_by_reconnecting(code: int) -> None:
    async with populated(message_content=False) as server:
        adapter, desk = DiscordAdapter(server.token, server.url, timing=FAST), Desk()
        task = asyncio.create_task(adapter.start(desk))
        await desk.until(lambda: desk.descriptions)
        await server.drop_gateway(code)
        with pytest.raises(TokenRefused, match=str(code)):
            await task
        assert server.identifies == 1


async def test_a_first_connection_that_fails_is_tried_again() -> None:
    async with populated() as server:
        server.refuse_gateway(times=3)
        async with running(server) as (_, desk):
            await hears(server, desk, "hello")
        assert server.identifies == 1


async def test_an_api_that_is_down_at_the_start_is_waited_for() -> None:
    async with populated() as server:
        server.faults.add("GET /users/@me", Fault("reset"), Fault("answer", status=503), BANNED)
        server.faults.add("GET /gateway/bot", Fault("reset"), Fault("answer", status=503), EMPTY)
        async with running(server) as (_, desk):
            await hears(server, desk, "hello")


async def test_an_address_where_nothing_listens_is_tried_until_stopped() -> None:
    adapter = DiscordAdapter("a.b.c", "http://127.0.0.1:9/api/v10", timing=FAST)
    task = asyncio.create_task(adapter.start(Desk()))
    await asyncio.sleep(0.2)
    assert not task.done()
    with pytest.raises(RuntimeError, match="not connected"):
        adapter.describe()
    with pytest.raises(DeliveryDelayed):
        await adapter.send(Address("discord", "1", "2"), Reply("x"), PartKey("t", 1))
    assert (await adapter.place(Address("discord", "1", "2"))).channel_name == ""
    await adapter.show_status(Address("discord", "1", "2"), "thinking")
    assert await adapter.fetch_chain(Address("discord", "1", "2"), "3", 5) == []
    await adapter.stop()
    await adapter.stop()
    await task


async def test_stopped_before_its_start_it_ends_at_once() -> None:
    adapter = DiscordAdapter("a.b.c", "http://127.0.0.1:9/api/v10", timing=FAST)
    await adapter.stop()
    async with asyncio.timeout(2):
        await adapter.start(Desk())


async def test_a_start_that_is_cancelled_lets_go_of_everything() -> None:
    async with populated() as server:
        adapter, desk = DiscordAdapter(server.token, server.url, timing=FAST), Desk()
        task = asyncio.create_task(adapter.start(desk))
        await desk.until(lambda: desk.descriptions)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await adapter.stop()
        await server.wait_for(lambda: not server.connections)


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000, 4001, 4002, 4005, 4008])
async def test_a_dropped_connection_is_resumed_and_nothing_missed(code: int | None) -> None:
    async with populated() as server, running(server) as (_, desk):
        await hears(server, desk, "before")
        await server.drop_gateway(code)
        await hears(server, desk, "after")
        await desk.until(lambda: len(desk.descriptions) == 2)
        assert desk.texts == ["before", "after"]
        assert server.identifies == 1


@pytest.mark.parametrize("code", [4003, 4007, 4009])
async def test_a_session_that_discord_ended_is_opened_anew(code: int) -> None:
    async with populated() as server, running(server) as (_, desk):
        await server.drop_gateway(code)
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == 2


async def test_a_request_to_reconnect_is_followed() -> None:
    async with populated() as server, running(server) as (_, desk):
        await server.reconnect_clients()
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == 1
        assert server.sessions[0].resumes == 1


@pytest.mark.parametrize("resumable", [True, False])
async def test_an_invalidated_session_is_resumed_or_opened_anew(resumable: bool) -> None:
    async with populated() as server, running(server) as (_, desk):
        await server.invalidate_sessions(resumable=resumable)
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == (1 if resumable else 2)


async def test_a_session_that_expired_while_away_is_opened_anew() -> None:
    timing = DiscordTiming(identify_spacing=0, resume_window=0.0)
    async with populated(timing=timing) as server, running(server) as (_, desk):
        await server.drop_gateway()
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == 2


async def test_a_session_that_cannot_be_resumed_time_and_again_is_given_up() -> None:
    async with populated() as server, running(server) as (_, desk):
        server.refuse_gateway(times=6)  # thrice, at the session's own address and at the main one
        await server.drop_gateway()
        await desk.until(lambda: len(desk.descriptions) == 2)
        assert server.identifies == 2
        await hears(server, desk, "after")


@asynccontextmanager
async def resuming_at(monkeypatch: pytest.MonkeyPatch, *, listens: bool) -> AsyncIterator[None]:
    """READY names an address to resume at where nobody listens, or somebody who never says a word."""
    accepted: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    address = f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    monkeypatch.setattr(DiscordServer, "resume_gateway_url", address)
    if not listens:
        silent.close()
    try:
        yield
    finally:
        silent.close()
        for writer in accepted:
            writer.close()
        await silent.wait_closed()


@pytest.mark.parametrize("listens", [False, True])
async def test_where_the_resume_address_is_dead_the_session_is_resumed_at_the_main_one(
    monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    # A pause between tries would outlast the test's patience.
    timing = replace(FAST, resume_hello=0.2, hello=30.0, backoff_base=1000.0, backoff_cap=1000.0)
    async with (
        resuming_at(monkeypatch, listens=listens),
        populated() as server,
        running(server, timing=timing) as (_, desk),
    ):
        await server.drop_gateway()
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == 1
        assert server.sessions[0].resumes == 1


async def test_a_refused_handshake_is_no_identify() -> None:
    async with populated() as server:
        server.refuse_gateway(times=2)
        async with running(server, timing=replace(FAST, identify_gap=30.0)) as (_, desk):
            await hears(server, desk, "hello")


async def test_two_identifies_keep_their_distance() -> None:
    timing = DiscordTiming(identify_spacing=0.1)
    async with populated(timing=timing) as server, running(server, timing=replace(FAST, identify_gap=0.5)) as (_, desk):
        await server.invalidate_sessions()
        await desk.until(lambda: len(desk.descriptions) == 2)
        assert server.identifies == 2
        assert server.complaints == []


async def test_flapping_is_met_with_patience() -> None:
    async with populated() as server, running(server) as (_, desk):
        for n in range(2, 6):
            await server.drop_gateway()
            await desk.until(lambda n=n: len(desk.descriptions) == n)  # type: ignore[misc]
        await hears(server, desk, "after")
        assert server.identifies == 1


async def test_the_last_known_gateway_serves_while_the_api_does_not() -> None:
    async with populated() as server, running(server) as (_, desk):
        server.faults.add("GET /gateway/bot", Fault("answer", status=503))
        await server.invalidate_sessions()
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")


async def test_a_token_refused_when_asking_for_the_gateway_ends_the_start() -> None:
    async with populated() as server:
        server.faults.add("GET /gateway/bot", Fault("answer", status=401, body={"message": "401: Unauthorized"}))
        with pytest.raises(TokenRefused, match="401"):
            await DiscordAdapter(server.token, server.url, timing=FAST).start(Desk())


async def test_with_no_session_starts_left_it_waits_for_new_ones() -> None:
    async with populated() as server:
        limit = {"total": 1000, "remaining": 0, "reset_after": 300, "max_concurrency": 1}
        body = {"url": server.gateway_url, "shards": 1, "session_start_limit": limit}
        server.faults.add("GET /gateway/bot", Fault("answer", status=200, body=body))
        began = asyncio.get_running_loop().time()
        async with running(server):
            assert asyncio.get_running_loop().time() - began >= 0.3


MALFORMED: list[Any] = [
    None,
    [],
    "text",
    7,
    {},
    {"id": None, "channel_id": [], "author": 5, "content": {}},
    {"id": "1", "channel_id": "2", "guild_id": "x", "author": {"id": "3"}, "timestamp": "soon"},
    {"id": "9" * 30, "channel_id": "2", "author": {"id": "3"}, "mentions": [None, 3, {"id": []}], "attachments": "no"},
    {"id": "1", "channel_id": "2", "ids": [None, {}, "x"], "guild_id": {}},
]


@pytest.mark.parametrize(
    "event",
    [
        *("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE"),
        *("GUILD_CREATE", "GUILD_UPDATE", "CHANNEL_CREATE", "THREAD_CREATE", "THREAD_LIST_SYNC", "GUILD_ROLE_CREATE"),
        *("GUILD_DELETE", "CHANNEL_DELETE", "USER_UPDATE", "TYPING_START", "NO_SUCH_EVENT"),
    ],
)
async def test_a_malformed_event_neither_kills_nor_deafens(event: str) -> None:
    async with populated() as server, running(server) as (_, desk):
        for payload in MALFORMED:
            await server.dispatch_raw(event, payload)
        await hears(server, desk, "still here")
        assert server.identifies == 1
        assert server.sessions[0].resumes == 0


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "",
        "[]",
        "null",
        "7",
        "{}",
        '{"op": 0}',
        '{"op": 0, "t": 5, "d": []}',
        '{"op": 0, "t": "RESUMED", "s": null, "d": null}',
        '{"op": 99, "d": {}}',
        '{"op": "0"}',
        '{"op": 10, "d": null}',
        '{"op": 11}',
        '{"op": 1}',
        '{"op": 10, "d": {"heartbeat_interval": 0}}',
        '{"op": 10, "d": {"heartbeat_interval": 45000}}',
        '{"op": 0, "t": "NEW", "s": "5", "d": {}}',
        '{"op": 0, "t": "NEW", "s": 0, "d": {}}',
        '{"op": 11, "s": -1}',
        '{"op": 11, "s": true}',
        '{"op": 11, "s": 1180591620717411303424}',
    ],
)
async def test_a_frame_that_makes_no_sense_is_passed_over(frame: str) -> None:
    async with populated() as server, running(server) as (_, desk):
        await server.send_raw(frame)
        await hears(server, desk, "still here")
        assert server.identifies == 1
        assert server.sessions[0].resumes == 0


async def test_no_frame_spoils_the_heartbeat_or_its_sequence() -> None:
    timing = DiscordTiming(identify_spacing=0, heartbeat_interval=0.1)
    async with populated(timing=timing) as server, running(server) as (_, desk):
        await hears(server, desk, "before")
        for frame in (
            {"op": 10, "d": {"heartbeat_interval": 1}},
            {"op": 11, "s": "x"},
            {"op": 0, "t": "NEW", "s": 2**70},
        ):
            await server.send_raw({"t": None, "d": None, **frame})
        beats = len(server.frames)
        await server.wait_for(lambda: len(server.frames) >= beats + 5)
        assert sum(thread.name.startswith("keep-alive-handler") for thread in threading.enumerate()) == 1
        assert [beat["d"] for beat in server.frames[beats:] if beat["op"] == 1][-1] == server.sessions[0].seq
        assert server.complaints == []


@pytest.mark.parametrize(("said", "milliseconds"), [
    (41_250, 41_250), (100, 100), (1, 50), (0, 41_250), (-5, 41_250), (2**31, 41_250),
    (None, 41_250), (True, 41_250), ("45000", 41_250), (float("nan"), 41_250), (float("inf"), 41_250),
])  # fmt: skip
def test_a_heartbeat_keeps_a_sound_pace(said: object, milliseconds: float) -> None:
    assert heartbeat_ms(said) == milliseconds


@pytest.mark.parametrize("change", [{"position": None}, {"position": "1"}, {"name": None}, {"name": 5}, {"name": []}])
async def test_an_odd_role_keeps_nobody_from_being_heard(change: dict[str, Any]) -> None:
    async with populated() as server, running(server) as (_, desk):
        role = server.add_role("helpers")
        odd = {**role_payload(role, 1), **change}
        await server.dispatch_raw("GUILD_ROLE_UPDATE", {"guild_id": str(server.guild.id), "role": odd})
        await hears(server, desk, "still here")
        channel = next(c for c in server.world.channels.values() if c.name == "general")
        ada = next(u for u in server.world.users.values() if u.name == "ada")
        await server.say(ada, channel, f"you, <@&{role.id}>", mention=True)
        await desk.until(lambda: any(text.startswith("you, @") for text in desk.texts))


class Sparse:
    """A Discord that says only what it must: no guilds, no application, a bare READY, text for JSON.

    Its `rude` first connections end before a word.
    """

    def __init__(self, ready: dict[str, Any], rude: int = 0) -> None:
        self.ready = ready
        self.rude = rude
        self.posted: list[dict[str, Any]] = []
        self.said = asyncio.Event()

    async def me(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": "42", "username": "Parley"})  # content type with a charset

    async def gateway_bot(self, request: web.Request) -> web.Response:
        return web.json_response({"url": f"ws://{request.host}/"})

    async def post(self, request: web.Request) -> web.Response:
        self.posted.append(await request.json())
        return web.json_response({"id": "900", "content": self.posted[-1]["content"]})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if self.rude:
            self.rude -= 1
            await ws.close(code=4000)
            return ws
        await ws.send_bytes(b"neither text nor anything compressed\x00\x00\xff\xff")
        await ws.send_json({"op": 10, "d": {"heartbeat_interval": 45000}})
        async for message in ws:
            if message.type is WSMsgType.TEXT and json.loads(message.data)["op"] == 2:
                await ws.send_json({"op": 0, "t": "READY", "s": 1, "d": self.ready})
                said = {"id": "7", "channel_id": "5", "guild_id": "6", "author": {"id": "8"}, "content": "<@42> hi"}
                await ws.send_json({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": said})
        return ws


@pytest.mark.parametrize(
    "ready",
    [
        {},
        {"session_id": "s", "user": None, "guilds": None},
        {"session_id": "s", "resume_gateway_url": "", "user": {"id": "42"}, "guilds": [{}, {"id": "6"}]},
    ],
)
async def test_a_sparse_discord_is_enough_to_answer(ready: dict[str, Any]) -> None:
    desk = Desk()
    async with serving(Sparse(ready, rude=2)) as (sparse, url):
        adapter = DiscordAdapter("a.b.c", url, timing=FAST)
        task = asyncio.create_task(adapter.start(desk))
        message = (await desk.until(lambda: desk.messages))[0]
        assert (message.text, message.mentions_bot, message.author.name) == ("hi", True, "")
        assert await adapter.send(message.address, Reply("hello"), PartKey("t", 1), reply_to=message.id) == "900"
        await adapter.show_status(message.address, "thinking")
        assert (await adapter.place(message.address)).channel_name == ""
        await adapter.stop()
        await task
    assert sparse.posted[0]["content"] == "hello"


@asynccontextmanager
async def serving(sparse: Sparse) -> AsyncIterator[tuple[Sparse, str]]:
    """A sparse Discord and the address of its API."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/api/users/@me", sparse.me),
            web.get("/api/gateway/bot", sparse.gateway_bot),
            web.post("/api/channels/5/messages", sparse.post),
            web.get("/", sparse.socket),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield sparse, f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


async def test_a_silent_connection_is_given_up_and_resumed() -> None:
    timing = DiscordTiming(identify_spacing=0, heartbeat_interval=0.1)
    async with populated(timing=timing) as server, running(server, timing=replace(FAST, silence=0.4)) as (_, desk):
        server.go_silent()
        await desk.until(lambda: len(desk.descriptions) == 2)
        await hears(server, desk, "after")
        assert server.identifies == 1


async def test_after_a_stable_while_the_backoff_of_a_client_starts_over() -> None:
    async with populated() as server:
        server.faults.add("GET /users/@me", Fault("answer", status=503), Fault("answer", status=200, body=[]))
        async with running(server, timing=replace(FAST, stable=0.0)) as (_, desk):
            await desk.until(lambda: len(desk.descriptions) == 1)


@pytest.mark.parametrize("lasted", [True, False], ids=["one that lasted", "a short one"])
async def test_a_session_is_taken_up_again_soon_however_often_that_was_needed(lasted: bool) -> None:
    timing = replace(FAST, backoff_base=1000.0, backoff_cap=1000.0)
    timing = replace(timing, served=0.0, again=1000.0) if lasted else replace(timing, served=1000.0, again=0.1)
    async with populated() as server, running(server, timing=timing) as (_, desk):
        for n in range(1, 6):
            await desk.until(lambda n=n: len(desk.descriptions) == n)  # type: ignore[misc]
            match n:
                case 1 | 2:
                    await server.drop_gateway()
                case 3:
                    await server.reconnect_clients()
                case 4 if lasted:
                    await server.invalidate_sessions()
                case 4:
                    await server.drop_gateway()
        assert server.identifies == (2 if lasted else 1)


async def test_a_session_that_discord_has_forgotten_is_begun_anew_after_the_wait_it_asks_for_alone() -> None:
    timing = replace(FAST, backoff_base=1000.0, backoff_cap=1000.0)
    async with populated() as server, running(server, timing=timing) as (_, desk):
        await desk.until(lambda: len(desk.descriptions) == 1)
        for session in list(server.sessions):
            server.sessions_store.end(session)
        await server.drop_gateway()
        await desk.until(lambda: len(desk.descriptions) == 2)
        assert server.identifies == 2


class Grumpy(Desk):
    """A sink that fails the first time it hears of a connection."""

    def connected(self, description: Description, missed: Missed) -> None:
        super().connected(description, missed)
        if len(self.descriptions) == 1:
            raise ValueError("not now")


async def test_a_core_that_trips_over_the_connection_still_gets_the_events() -> None:
    async with populated() as server, running(server, desk=Grumpy()) as (_, desk):
        await hears(server, desk, "hello")


async def test_a_connection_that_dies_while_it_is_opened_is_closed() -> None:
    async with populated() as server:
        redirect(server.url)
        async with Client(lambda _event, _data: None, FAST) as client:
            await client.authenticate(server.token)
            inner = await client.http.ws_connect(server.gateway_url)
            socket = GatewaySocket(inner, loop=asyncio.get_running_loop())
            socket.token, socket.session_id = server.token, "gone"
            await inner.close()
            with pytest.raises(ConnectionError):
                await socket.resume()
            assert not socket.open


async def test_places_are_named_from_what_the_gateway_told_and_looked_up_otherwise() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general", "all and sundry"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "plans")
        async with running(server) as (adapter, desk):
            await server.say(ada, channel, "hi")
            await desk.until(lambda: desk.messages)
            place = await adapter.place(address_of(channel))
            assert (place.channel_name, place.workspace_name, place.topic) == (
                "general",
                "Emulated Guild",
                "all and sundry",
            )
            assert (await adapter.place(address_of(thread))).channel_name == "general › plans"
            unknown = Address("discord", str(server.guild.id), "77")
            assert (await adapter.place(unknown)).channel_name == ""
            await adapter.place(unknown)
            assert sum(r.path.endswith("/channels/77") for r in server.requests) == 1
            server.faults.add("GET /channels/{channel_id}", Fault("answer", status=200, body=[]))
            odd = Address("discord", str(server.guild.id), "78")
            assert (await adapter.place(odd)).channel_name == ""


async def test_a_topic_names_whom_and_what_it_mentions() -> None:
    async with DiscordServer(timing=QUICK) as server:
        help_desk, staff, ada = server.add_channel("help"), server.add_role("staff"), server.add_user("ada")
        bot, moment = f"<@{server.bot.id}>", "<t:1795694820:F>"
        topic = (
            f"Ask {bot} or {ada.mention} of <@&{staff.id}> in <#{help_desk.id}>, not in <#123456789012345678>, {moment}"
        )
        channel = server.add_channel("general", topic)
        async with running(server) as (adapter, _):
            place = await adapter.place(address_of(channel))
    known = f"Ask @{server.bot.name} or @someone of @staff in #help, not in #channel"
    assert place.topic == f"{known}, 2026-11-26 12:07 UTC"


async def test_only_so_many_looked_up_channels_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.discord.places.REMEMBERED", 1)
    async with populated() as server, running(server) as (adapter, _):
        for channel in ("77", "78", "77"):
            await adapter.place(Address("discord", str(server.guild.id), channel))
        assert sum(r.path.endswith("/channels/77") for r in server.requests) == 2
