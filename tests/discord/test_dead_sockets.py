"""Gateway connections that lie: open, but dead in one way or another. Each is noticed, resumed and counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.timing import Timing
from bot.capabilities import ReportsVitals
from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.sessions import Manner
from tests.discord.support import FAST, Desk, running
from tests.discord.test_gateway import hears, populated
from tests.wire import Tunnel

BEATING = DiscordTiming(identify_spacing=0, heartbeat_interval=0.1)
HURRIED = replace(FAST, silence=0.5, acknowledgement=0.15)
# So patient with all but one thing that this one alone can end the connection.
ONLY_ACKS = replace(FAST, silence=60.0, acknowledgement=0.15)


def told(logs: list[Any]) -> list[tuple[str, str, int]]:
    return [(e["reason"], e["detail"], e["count"]) for e in logs if e["event"] == "gateway_reconnecting"]


@pytest.mark.parametrize(
    ("manner", "timing", "detail"),
    [
        ("silent", replace(HURRIED, acknowledgement=60.0), "nothing_heard"),
        ("silent", ONLY_ACKS, "heartbeat_not_acknowledged"),
        ("deaf", ONLY_ACKS, "heartbeat_not_acknowledged"),
    ],
)
async def test_a_zombie_is_closed_and_its_session_resumed_with_what_came_meanwhile(
    manner: Manner, timing: Timing, detail: str
) -> None:
    with capture_logs() as logs:
        async with populated(timing=BEATING) as server, running(server, timing=timing) as (adapter, desk):
            [zombie] = server.connections
            if manner == "silent":
                server.go_silent()
            else:
                server.go_deaf()
            await hears(server, desk, "into the void")
            await desk.until(lambda: len(desk.descriptions) == 2)
            assert adapter.vitals().reconnections == {"silent": 1}
            assert adapter.vitals().up
            await hears(server, desk, "after")
            assert sorted(desk.texts) == ["after", "into the void"]
            assert server.identifies == 1
            assert server.sessions[0].resumes == 1
            assert zombie.client_code not in {1000, 1001}, "these would end the session"
    assert told(logs) == [("silent", detail, 1)]


async def test_events_alone_do_not_save_a_connection_that_hears_nothing() -> None:
    async with populated(timing=BEATING) as server, running(server, timing=ONLY_ACKS) as (adapter, desk):
        server.go_deaf()
        number = 0
        async with asyncio.timeout(10):
            while not adapter.vitals().reconnections:
                await hears(server, desk, str(number := number + 1))
                await asyncio.sleep(0.02)
        await hears(server, desk, "after")
        assert server.identifies == 1


async def test_a_half_open_connection_is_noticed_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with populated(timing=BEATING) as server:
        async with Tunnel(server.port) as tunnel:
            address = f"ws://127.0.0.1:{tunnel.port}"
            monkeypatch.setattr(DiscordServer, "gateway_url", f"{address}/gateway")
            monkeypatch.setattr(DiscordServer, "resume_gateway_url", f"{address}/resume/")
            async with running(server, timing=HURRIED) as (adapter, desk):
                tunnel.go_dark()
                await hears(server, desk, "into the void")
                assert adapter.vitals().reconnections == {"silent": 1}
                assert server.identifies == 1
        await server.wait_for(lambda: not server.connections)


async def test_a_gateway_that_never_says_hello_is_given_up_and_counted() -> None:
    with capture_logs() as logs:
        async with populated() as server:
            server.next_sockets("silent", "silent")
            async with running(server, timing=replace(FAST, hello=0.2)) as (adapter, desk):
                await hears(server, desk, "hello")
                assert adapter.vitals().reconnections == {"silent": 2}
                assert server.identifies == 1
    assert told(logs) == [("silent", "no_hello", 1), ("silent", "no_hello", 2)]


async def test_a_gateway_that_acknowledges_and_never_gets_ready_is_given_up() -> None:
    with capture_logs() as logs:
        async with populated(timing=BEATING) as server:
            server.next_sockets("mute")
            async with running(server, timing=replace(FAST, ready=0.4)) as (adapter, desk):
                await hears(server, desk, "hello")
                assert adapter.vitals().reconnections == {"silent": 1}
                assert server.identifies == 2
    assert told(logs) == [("silent", "not_ready", 1)]


async def test_a_resumption_that_is_never_confirmed_is_tried_again() -> None:
    async with populated(timing=BEATING) as server, running(server, timing=replace(FAST, ready=0.4)) as (adapter, desk):
        server.next_sockets("mute")
        await server.drop_gateway()
        await hears(server, desk, "meanwhile")
        assert adapter.vitals().reconnections == {"closed": 1, "silent": 1}
        assert server.identifies == 1


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda server: server.reconnect_clients(), "asked_to"),
        (lambda server: server.invalidate_sessions(), "asked_to"),
        (lambda server: server.drop_gateway(), "closed"),
        (lambda server: server.drop_gateway(4000), "closed"),
    ],
)
async def test_other_ends_are_counted_by_their_reasons(end: Any, reason: str) -> None:
    async with populated() as server, running(server) as (adapter, desk):
        await end(server)
        await desk.until(lambda: len(desk.descriptions) == 2)
        assert adapter.vitals().reconnections == {reason: 1}


async def test_connections_that_are_not_to_be_had_count_as_refused() -> None:
    async with populated() as server:
        server.refuse_gateway(times=2)
        async with running(server) as (adapter, _):
            assert adapter.vitals().reconnections == {"refused": 2}


async def test_the_vitals_are_true_before_while_and_after_it_serves() -> None:
    async with populated() as server:
        unused = DiscordAdapter(server.token, server.url, timing=FAST)
        assert isinstance(unused, ReportsVitals)
        assert not unused.vitals().up
        assert unused.vitals().heard is None
        async with running(server, desk=Desk()) as (adapter, desk):
            assert adapter.vitals().up
            heard = adapter.vitals().heard
            assert heard is not None and heard < adapter.vitals().overdue
            server.refuse_gateway(seconds=60)
            await server.drop_gateway()
            async with asyncio.timeout(5):
                while adapter.vitals().up:
                    await asyncio.sleep(0.01)
            server.refuse_gateway()
            await desk.until(lambda: len(desk.descriptions) == 2)
            assert adapter.vitals().up
        assert not adapter.vitals().up
