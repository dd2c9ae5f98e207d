"""Sockets that lie: open, but dead in one way or another. Each is noticed, replaced and counted; nothing stays lost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from adapters.slack.connection import Timing
from bot.capabilities import ReportsVitals
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from emulators.slack.socket_mode import Manner
from tests.slack.stage import FAST, RecordingSink, eventually, running
from tests.wire import Tunnel

# A dead socket is known by three, six or eight pings; as long as all are well, they come and go in a blink.
WATCHFUL = replace(FAST, ping=0.1, silent=3, deaf=6, mute=8)


async def _cut(slack: SlackWorkspace) -> None:
    slack.drop_connections()


@pytest.fixture
async def slack_of_pings(slack: SlackWorkspace, monkeypatch: pytest.MonkeyPatch) -> SlackWorkspace:
    """A Slack that pings its clients several times in the time after which its silence would count."""
    monkeypatch.setattr(slack.socket, "_timing", replace(slack.socket._timing, ping_interval=0.1))
    return slack


@pytest.mark.parametrize(
    ("manner", "detail"), [("silent", "nothing_heard"), ("deaf", "does_not_hear"), ("mute", "says_nothing")]
)
async def test_a_socket_that_lies_is_replaced_and_what_was_said_into_it_arrives(
    slack_of_pings: SlackWorkspace, sink: RecordingSink, manner: Manner, detail: str
) -> None:
    slack = slack_of_pings
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    with capture_logs() as logs:
        async with running(slack, sink, WATCHFUL) as adapter:
            await asyncio.sleep(0.4)  # Slack pings meanwhile
            slack.socket.behave(manner)
            await slack.say(ada, dm, "into the void")
            await eventually(lambda: len(sink.descriptions) == 2)
            await slack.say(ada, dm, "after it")
            await sink.wait_for(lambda: {m.text for m in sink.messages} == {"into the void", "after it"})
            assert adapter.vitals().reconnections == {"silent": 1}
            assert adapter.vitals().up
    told = [entry for entry in logs if entry["event"] == "slack_reconnecting"]
    assert [(entry["reason"], entry["detail"], entry["count"]) for entry in told] == [("silent", detail, 1)]


async def test_a_peer_that_never_pings_by_itself_is_not_taken_for_a_mute_one(
    slack: SlackWorkspace, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack.socket, "_timing", replace(slack.socket._timing, ping_interval=60.0))
    async with running(slack, sink, replace(WATCHFUL, silent=30, deaf=30, mute=3)) as adapter:
        await asyncio.sleep(1.0)
        assert adapter.vitals().reconnections == {}


async def test_a_half_open_connection_is_noticed_and_replaced(
    slack_of_pings: SlackWorkspace, sink: RecordingSink
) -> None:
    slack = slack_of_pings
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with Tunnel(urlsplit(slack.base_url).port or 0) as tunnel:
        slack.base_url = f"http://127.0.0.1:{tunnel.port}"
        async with running(slack, sink, WATCHFUL) as adapter:
            tunnel.go_dark()
            await slack.say(ada, dm, "into the void")
            await eventually(lambda: len(sink.descriptions) == 2)
            await sink.wait_for(lambda: [m.text for m in sink.messages] == ["into the void"])
            assert adapter.vitals().reconnections == {"silent": 1}
    await eventually(lambda: not slack.connections)
    assert set(slack.complaints) <= {"connection 1 did not answer four pings"}, "in the dark nobody can"
    slack.complaints.clear()


async def test_a_socket_that_never_says_hello_is_given_up_and_counted(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    slack.next_sockets("silent", "mute")
    with capture_logs() as logs:
        async with running(slack, sink, replace(FAST, hello=0.2)) as adapter:
            assert adapter.vitals().reconnections == {"silent": 2}
    told = [entry for entry in logs if entry["event"] == "slack_reconnecting"]
    assert [(entry["detail"], entry["count"]) for entry in told] == [("no_hello", 1), ("no_hello", 2)]


async def test_an_address_that_takes_connections_and_never_says_a_word_is_given_up(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    taken: list[asyncio.StreamWriter] = []
    wordless = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{wordless.sockets[0].getsockname()[1]}/link"
    slack.faults.add("apps.connections.open", Fault("answer", 200, {}, {"ok": True, "url": url}))
    async with running(slack, sink, replace(FAST, hello=0.2)) as adapter:
        assert adapter.vitals().reconnections == {"silent": 1}
    wordless.close()
    for writer in taken:
        writer.close()
    await wordless.wait_closed()


async def test_a_deaf_peer_that_takes_no_farewell_holds_nothing_up(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink, replace(WATCHFUL, settle=0.2)):
        slack.go_deaf()
        for number in range(50):
            await slack.say(ada, dm, str(number))
        await eventually(lambda: len(sink.descriptions) == 2)
        await slack.wait_for(lambda: not slack.undelivered)


async def test_a_quiet_socket_that_lives_is_left_alone(slack_of_pings: SlackWorkspace, sink: RecordingSink) -> None:
    slack = slack_of_pings
    patient = replace(WATCHFUL, silent=30, deaf=30, mute=30)
    async with running(slack, sink, patient) as adapter:
        [connection] = slack.connections
        await eventually(lambda: connection.pings >= 12 and connection.pongs >= 12)
        assert adapter.vitals().reconnections == {}
        assert slack.connections == [connection]
        heard = adapter.vitals().heard
        assert heard is not None and heard < adapter.vitals().overdue


async def test_a_process_that_stood_still_does_not_blame_its_socket(slack: SlackWorkspace, sink: RecordingSink) -> None:
    async with running(slack, sink, replace(WATCHFUL, ping=0.2, mute=100)) as adapter:
        await asyncio.sleep(0.25)
        time.sleep(1.2)  # noqa: ASYNC251 - the loop is to stand still, for twice the time that counts as silence
        await asyncio.sleep(0.3)
        assert adapter.vitals().reconnections == {}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda slack: slack.disconnect("refresh_requested"), "asked_to"),
        (_cut, "closed"),
    ],
)
async def test_other_ends_are_counted_by_their_reasons(
    slack: SlackWorkspace, sink: RecordingSink, end: Any, reason: str
) -> None:
    async with running(slack, sink) as adapter:
        await end(slack)
        await eventually(lambda: len(sink.descriptions) == 2)
        assert adapter.vitals().reconnections == {reason: 1}


async def test_sockets_that_are_not_to_be_had_count_as_refused(slack: SlackWorkspace, sink: RecordingSink) -> None:
    slack.faults.add("apps.connections.open", Fault("answer", 503, {}, "<html>"))
    slack.faults.add("link", Fault("answer", 500))
    async with running(slack, sink) as adapter:
        assert adapter.vitals().reconnections == {"refused": 2}


async def test_the_vitals_are_true_before_while_and_after_it_serves(slack: SlackWorkspace, sink: RecordingSink) -> None:
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, ReportsVitals)
        assert adapter.vitals().up
        slack.accept_connections(False)
        slack.drop_connections()
        await eventually(lambda: not adapter.vitals().up)
        slack.accept_connections(True)
        await eventually(lambda: adapter.vitals().up)
    assert not adapter.vitals().up


def test_by_default_a_dead_socket_is_known_in_bounded_time() -> None:
    timing = Timing()
    assert (timing.ping * timing.silent, timing.ping * timing.deaf, timing.ping * timing.mute) == (15, 30, 90)
