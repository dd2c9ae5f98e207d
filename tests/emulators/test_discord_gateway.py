"""The emulated gateway against the real discord.py: ready, resume, reconnects, silence, shards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest

from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.core import DEFAULT_TOKEN
from emulators.faults import Fault
from tests.emulators.discord_clients import RecordingShards, connected, options, redirect

TOKEN = DEFAULT_TOKEN
QUICK = DiscordTiming(identify_spacing=0)


@contextlib.asynccontextmanager
async def handshake(server: DiscordServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A bare gateway connection that has said nothing yet and has heard Hello."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url + "?v=10") as ws:
        assert (await ws.receive_json())["op"] == 10
        yield ws


def identify(server: DiscordServer, intents: int = 1 | 1 << 9) -> dict[str, Any]:
    """An identify frame."""
    names = {"os": "linux", "browser": "tests", "device": "tests"}
    return {"op": 2, "d": {"token": server.token, "intents": intents, "properties": names}}


async def test_a_client_becomes_ready_and_knows_the_guild() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general", "all and sundry")
        async with connected(server) as client:
            assert client.user is not None
            assert client.user.name == "Parley"
            assert [g.name for g in client.guilds] == ["Emulated Guild"]
            found = client.get_channel(channel.id)
            assert isinstance(found, discord.TextChannel)
            assert found.topic == "all and sundry"
            assert found.permissions_for(found.guild.me).send_messages
    assert server.complaints == []


async def test_a_message_reaches_the_client_and_its_answer_comes_back() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice", nick="Al")
        async with connected(server) as client:
            await server.say(alice, channel, "hello", mention=True)
            message = await client.next_message()
            assert message.author.display_name == "Al"
            assert message.content == f"<@{server.bot.id}> hello"
            assert client.user in message.mentions
            await message.channel.send("hi there")
            (answer,) = server.bot_messages(channel)
            assert answer.content == "hi there"
            own = await client.next_message()
            assert own.id == answer.id
    assert server.complaints == []


@pytest.mark.parametrize("code", [None, 1000, 4000, 4008])
async def test_a_dropped_client_resumes_and_gets_what_it_missed_once_and_in_order(code: int | None) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await server.say(alice, channel, "0")
            await client.next_message()
            await server.drop_gateway(code)
            for n in range(1, 4):
                await server.say(alice, channel, str(n))
            assert [(await client.next_message()).content for _ in range(3)] == ["1", "2", "3"]
            (session,) = server.sessions
            assert session.resumes == 1
            assert session.connection is not None
            assert session.connection.path == "/resume/"
            await server.say(alice, channel, "4")
            assert (await client.next_message()).content == "4"
            assert client.inbox.empty()
    assert server.identifies == 1
    assert server.complaints == []


async def test_op_7_makes_a_client_resume() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await server.reconnect_clients()
            await server.wait_for(lambda: server.sessions and server.sessions[0].resumes == 1)
            await server.say(alice, channel, "still there?")
            assert (await client.next_message()).content == "still there?"
    assert server.identifies == 1


async def test_op_9_makes_a_client_identify_anew_and_the_old_events_are_gone() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            (old,) = server.sessions
            await server.invalidate_sessions(resumable=False)
            await server.say(alice, channel, "nobody hears this")
            await server.wait_for(lambda: server.connected and server.sessions[0] is not old)
            await server.say(alice, channel, "heard")
            assert (await client.next_message()).content == "heard"
    assert server.identifies == 2
    assert server.complaints == []


async def test_a_resumable_op_9_is_resumed() -> None:
    async with DiscordServer(timing=QUICK) as server, connected(server):
        await server.invalidate_sessions(resumable=True)
        await server.wait_for(lambda: server.sessions[0].resumes == 1)
    assert server.identifies == 1


async def test_a_session_lost_for_longer_than_the_window_is_not_resumed() -> None:
    timing = DiscordTiming(identify_spacing=0, resume_window=0)
    async with DiscordServer(timing=timing) as server, connected(server):
        (old,) = server.sessions
        await server.drop_gateway()
        await server.wait_for(lambda: server.connected and server.sessions[0] is not old)
        assert old.resumes == 0
    assert server.identifies == 2


async def test_a_silent_socket_is_noticed_by_its_missing_acknowledgements_and_resumed() -> None:
    timing = DiscordTiming(heartbeat_interval=0.1, identify_spacing=0)
    async with DiscordServer(timing=timing) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, heartbeat_timeout=0.3) as client:
            server.go_silent()
            assert not server.connected
            await server.say(alice, channel, "into the void")
            assert (await client.next_message()).content == "into the void"
            await server.wait_for(lambda: server.connected)
    assert server.identifies == 1


async def test_refused_handshakes_are_retried_until_the_gateway_is_back() -> None:
    async with DiscordServer(timing=QUICK) as server, connected(server) as client:
        server.refuse_gateway(times=1)
        await server.drop_gateway(4000)
        await server.wait_for(lambda: not server.connected)
        await server.wait_for(lambda: server.connected)
        assert "disconnect" in client.events


async def test_a_wrong_token_is_refused_at_login() -> None:
    async with DiscordServer() as server:
        redirect(server)
        async with discord.Client(**options()) as client:
            with pytest.raises(discord.LoginFailure):
                await client.start("wrong")
    assert "401: Unauthorized" in server.complaints[0]


async def test_the_message_content_intent_must_be_allowed_to_the_application() -> None:
    async with DiscordServer(message_content=False) as server:
        redirect(server)
        async with discord.Client(**options()) as client:
            with pytest.raises(discord.PrivilegedIntentsRequired):
                await client.start(server.token)
    assert server.complaints == ["gateway: closed with 4014 Disallowed intent(s). intents 53608189"]


async def test_a_second_identify_within_five_seconds_is_answered_with_op_9() -> None:
    async with DiscordServer(timing=DiscordTiming(identify_spacing=0.6)) as server:
        async with connected(server):
            pass
        async with connected(server) as client:
            assert client.is_ready()
    assert server.identifies == 2
    assert "gateway: identify faster than one per five seconds" in server.complaints


async def test_past_the_last_session_start_the_token_is_reset() -> None:
    async with DiscordServer(session_start_limit=1, timing=QUICK) as server:
        async with connected(server):
            pass
        redirect(server)
        async with discord.Client(**options()) as client:
            with pytest.raises(discord.ConnectionClosed) as caught:
                await client.start(server.token)
            assert caught.value.code == 4004
        async with discord.Client(**options()) as client:
            with pytest.raises(discord.LoginFailure):
                await client.login(server.token)


async def test_sharded_clients_get_each_guild_on_its_shard_and_direct_messages_on_shard_0() -> None:
    async with DiscordServer(shards=2, max_concurrency=2, timing=QUICK) as server:
        alice = server.add_user("alice")
        while len({(g.id >> 22) % 2 for g in server.world.guilds.values()}) < 2:
            await asyncio.sleep(0.001)
            server.add_guild("another")
        rooms = [server.add_channel(f"in-{g.name}", guild=g) for g in server.world.guilds.values()]
        async with connected(server, kind=RecordingShards) as client:
            assert sorted(s.shard for s in server.sessions) == [(0, 2), (1, 2)]
            for place in [*rooms, server.open_dm(alice)]:
                await server.say(alice, place, "hi")
                message = await client.next_message()
                shard = message.guild.shard_id if message.guild else 0
                (session,) = [s for s in server.sessions if s.shard[0] == shard]
                assert "MESSAGE_CREATE" in session.log[-1][1]
    assert server.complaints == []


async def test_a_failing_gateway_address_is_what_sharded_clients_meet_first() -> None:
    async with DiscordServer() as server:
        server.faults.add("GET /gateway/bot", Fault(status=503))
        redirect(server)
        async with RecordingShards(**options()) as client:
            with pytest.raises(discord.GatewayNotFound):
                await client.start(server.token)


@pytest.mark.parametrize(("code", "left"), [(1000, 0), (1001, 0), (4000, 1)])
async def test_a_client_that_closes_with_1000_or_1001_ends_its_session(code: int, left: int) -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        await ws.send_json(identify(server))
        await ws.receive_json()
        await ws.close(code=code)
        await server.wait_for(lambda: not server.connections)
        assert len(server.sessions) == left


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{oops", 4002),
        ("[]", 4002),
        ({"op": 3, "d": {}}, 4003),
        ({"op": 99, "d": {}}, 4001),
        ({"op": 1, "d": "x" * 5000}, 4002),
        ({"op": 2, "d": {"token": "wrong", "intents": 0, "properties": {}}}, 4004),
        ({"op": 2, "d": {"token": TOKEN, "intents": 1 << 40, "properties": {}}}, 4013),
        ({"op": 2, "d": {"token": TOKEN, "intents": 1 << 1, "properties": {}}}, 4014),
        ({"op": 2, "d": {"token": TOKEN, "intents": 1, "properties": {}, "shard": [2, 2]}}, 4010),
    ],
)
async def test_what_breaks_the_gateways_rules_closes_with_discords_code(frame: Any, code: int) -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        await (ws.send_str(frame) if isinstance(frame, str) else ws.send_json(frame))
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, code)
        assert len(server.complaints) == 1


async def test_a_second_identify_and_a_sequence_never_sent_are_refused() -> None:
    async with DiscordServer() as server:
        async with handshake(server) as ws:
            await ws.send_json(identify(server))
            session_id = (await ws.receive_json())["d"]["session_id"]
            await ws.receive_json()
            await ws.send_json(identify(server))
            assert (await ws.receive(timeout=5)).data == 4005
        async with handshake(server) as ws:
            await ws.send_json({"op": 6, "d": {"token": server.token, "session_id": session_id, "seq": 99}})
            assert (await ws.receive(timeout=5)).data == 4007


async def test_over_120_frames_a_minute_close_the_connection() -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        for _ in range(121):
            await ws.send_json({"op": 1, "d": None})
        received = [await ws.receive(timeout=5) for _ in range(121)]
        assert [m.data for m in received if m.type is aiohttp.WSMsgType.CLOSE] == [4008]


async def test_a_client_without_heartbeats_is_hung_up_on() -> None:
    timing = DiscordTiming(heartbeat_interval=0.05, heartbeat_grace=0.05)
    async with DiscordServer(timing=timing) as server, handshake(server) as ws:
        assert (await ws.receive(timeout=5)).data == 4009


async def test_a_deaf_gateway_dispatches_and_acknowledges_nothing() -> None:
    async with DiscordServer(timing=QUICK) as server, handshake(server) as ws:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        await ws.send_json(identify(server))
        await server.wait_for(lambda: server.connected)
        server.go_deaf()
        await ws.send_json({"op": 1, "d": None})
        await server.say(alice, channel, "hello")
        heard = []
        while "MESSAGE_CREATE" not in heard:
            frame = await ws.receive_json(timeout=5)
            assert frame["op"] != 11
            heard.append(frame["t"])
        assert not server.connected


async def test_a_mute_gateway_acknowledges_and_dispatches_nothing() -> None:
    async with DiscordServer(timing=QUICK) as server:
        server.next_sockets("mute")
        async with handshake(server) as ws:
            await ws.send_json(identify(server))
            await ws.send_json({"op": 1, "d": None})
            assert (await ws.receive_json(timeout=5))["op"] == 11
            assert server.identifies == 1


async def test_an_unknown_session_is_told_to_identify_anew() -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        await ws.send_json({"op": 6, "d": {"token": server.token, "session_id": "gone", "seq": 1}})
        frame = await ws.receive_json(timeout=5)
        assert (frame["op"], frame["d"]) == (9, False)


async def test_waiting_in_vain_tells_the_state() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        await server.say(alice, channel, "anybody?")
        with pytest.raises(AssertionError, match=r"alice: 'anybody\?'"):
            await server.wait_for(lambda: server.connected, timeout=0.01)


async def test_sequence_numbers_count_every_dispatch_from_one() -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        await ws.send_json(identify(server))
        await server.wait_for(lambda: server.connected)
        for _ in range(3):
            await server.say(alice, channel, "hi")
        frames = [await ws.receive_json(timeout=5) for _ in range(5)]
        assert [(f["s"], f["t"]) for f in frames] == [
            (1, "READY"),
            (2, "GUILD_CREATE"),
            (3, "MESSAGE_CREATE"),
            (4, "MESSAGE_CREATE"),
            (5, "MESSAGE_CREATE"),
        ]


async def test_events_come_only_with_the_intents_that_were_asked_for() -> None:
    async with DiscordServer() as server, handshake(server) as ws:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        await ws.send_json(identify(server, intents=1 << 12))
        assert (await ws.receive_json(timeout=5))["t"] == "READY"
        await server.say(alice, channel, "unheard")
        await server.say(alice, server.open_dm(alice), "heard")
        frame = await ws.receive_json(timeout=5)
        assert frame["d"]["content"] == "heard"
        assert "guild_id" not in frame["d"]


async def test_members_can_be_asked_for() -> None:
    async with DiscordServer() as server:
        alice = server.add_user("alice")
        async with connected(server) as client:
            (found,) = await client.guilds[0].query_members(user_ids=[alice.id])
            assert found.name == "alice"
    assert server.complaints == []


async def test_with_the_members_intent_all_members_are_chunked_at_start() -> None:
    async with DiscordServer(members_intent=True) as server:
        server.add_user("alice")
        async with connected(server, intents=discord.Intents.all() ^ discord.Intents(presences=True)) as client:
            assert {m.name for m in client.guilds[0].members} == {"Parley", "owner", "alice"}


async def test_presence_changes_are_kept() -> None:
    async with DiscordServer() as server, connected(server) as client:
        await client.change_presence(activity=discord.CustomActivity("listening"))
        await server.wait_for(lambda: server.sessions[0].presence)
        assert server.sessions[0].presence["status"] == "online"
        assert server.complaints == []


async def test_a_malformed_dispatch_ends_the_client() -> None:
    async with DiscordServer() as server:
        redirect(server)
        client = discord.Client(**options())
        running = asyncio.create_task(client.start(server.token))
        await server.wait_for(lambda: server.connected)
        await server.dispatch_raw("MESSAGE_CREATE", {"nonsense": True})
        with pytest.raises(KeyError):
            await running
        await client.close()


async def test_text_that_is_no_json_ends_the_client() -> None:
    async with DiscordServer() as server:
        redirect(server)
        client = discord.Client(**options())
        running = asyncio.create_task(client.start(server.token))
        await server.wait_for(lambda: server.connected)
        await server.send_raw("{oops")
        with pytest.raises(ValueError, match=r"Expecting|unexpected|invalid"):
            await running
        await client.close()
