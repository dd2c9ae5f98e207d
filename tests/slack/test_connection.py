"""Staying connected: refreshes, cuts, silent and refused sockets, a Web API that fails, tokens that are refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.slack.adapter import SlackAdapter
from adapters.slack.connection import Timing
from bot.errors import TokenRefused
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from tests.slack.stage import FAST, RecordingSink, calls, eventually, running, storage_failure

IMPATIENT = replace(FAST, ping=0.2, steady=10.0)


async def test_a_refresh_brings_a_successor_before_the_old_socket_goes(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        await slack.disconnect("refresh_requested", close=False)
        await eventually(lambda: len(sink.descriptions) == 2)
        await slack.wait_for(lambda: [c.number for c in slack.connections] == [2])
        await slack.say(ada, dm, "hello")
        await sink.wait_for(lambda: sink.events)
        assert calls(slack, "apps.connections.open") == 2


async def test_no_event_falls_between_two_sockets(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        for number in range(30):
            if number % 10 == 5:
                await slack.disconnect("warning")
            await slack.say(ada, dm, str(number))
            await asyncio.sleep(0.01)
        await sink.wait_for(lambda: {m.text for m in sink.messages} == {str(n) for n in range(30)})
        assert all(attempt.fate != "no_connection" for d in slack.deliveries for attempt in d.attempts)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_after_any_announced_end_there_is_a_new_socket(
    slack: SlackWorkspace, sink: RecordingSink, reason: Any
) -> None:
    async with running(slack, sink):
        await slack.disconnect(reason)
        await eventually(lambda: len(sink.descriptions) == 2)
        await slack.wait_for(lambda: slack.connections and slack.connections[-1].number == 2)


async def test_after_a_cut_the_bot_is_back(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        for round_number in range(3):
            assert slack.drop_connections() == 1
            await slack.wait_connected()
            await eventually(lambda: len(sink.descriptions) == 2 + round_number)  # noqa: B023 - awaited at once
        await slack.say(ada, dm, "hello")
        await sink.wait_for(lambda: sink.events)


async def test_a_socket_that_went_silent_is_noticed_and_replaced(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink, IMPATIENT):
        slack.go_silent()
        await slack.say(ada, dm, "hello")
        await eventually(lambda: len(sink.descriptions) == 2)
        await sink.wait_for(lambda: sink.events)


async def test_a_url_is_used_once_and_a_refused_socket_asks_for_another(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    slack.faults.add("link", Fault("answer", 500), Fault("answer", 403))
    async with running(slack, sink):
        assert calls(slack, "apps.connections.open") == 3


async def test_a_socket_without_a_hello_is_given_up(slack: SlackWorkspace, sink: RecordingSink) -> None:
    slack.faults.add("link", Fault("delay", seconds=0.4))
    async with running(slack, sink, replace(FAST, hello=0.2)):
        assert calls(slack, "apps.connections.open") == 2


async def test_an_eleventh_socket_is_tried_again_until_there_is_room(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    others = [RecordingSink() for _ in range(10)]
    adapters = [SlackAdapter(slack.bot_token, slack.app_token, slack.url, timing=FAST) for _ in others]
    tasks = [asyncio.create_task(a.start(s)) for a, s in zip(adapters, others, strict=True)]
    await eventually(lambda: all(other.descriptions for other in others))
    late = SlackAdapter(slack.bot_token, slack.app_token, slack.url, timing=FAST)
    tasks.append(asyncio.create_task(late.start(sink)))
    await asyncio.sleep(0.1)
    assert sink.descriptions == []
    await adapters[0].stop()
    await eventually(lambda: sink.descriptions)
    for adapter in (*adapters, late):
        await adapter.stop()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_at_the_start_troubles_of_slack_and_the_network_are_waited_out(
    slack: SlackWorkspace, sink: RecordingSink, method: str
) -> None:
    slack.faults.add(
        method,
        Fault("answer", 500, {}, {"ok": False, "error": "internal_error"}),
        Fault("answer", 503, {}, "<html>"),
        Fault("answer", 200, {}, {"ok": False, "error": "fatal_error"}),
        Fault("answer", 429, {"Retry-After": "0"}, {"ok": False, "error": "ratelimited"}),
        Fault("answer", 200, {}, {"ok": True}),
        Fault("answer", 200, {}, "<html>"),
        Fault("reset"),
    )
    with capture_logs() as logs:
        async with running(slack, sink):
            assert len([entry for entry in logs if entry["event"] == "slack_unreachable"]) == 7


async def test_a_slack_that_is_not_there_is_waited_for_and_stopping_needs_no_answer(sink: RecordingSink) -> None:
    adapter = SlackAdapter("xoxb-1", "xapp-1", "http://127.0.0.1:9/api", timing=FAST)
    serving = asyncio.create_task(adapter.start(sink))
    await asyncio.sleep(0.2)
    assert not serving.done()
    await adapter.stop()
    await serving


@pytest.mark.parametrize(
    "code",
    ["invalid_auth", "account_inactive", "token_revoked", "not_authed", "token_expired", "not_allowed_token_type"],
)
async def test_a_refused_bot_token_ends_the_start_and_says_which_and_how_to_cure_it(
    slack: SlackWorkspace, sink: RecordingSink, code: str
) -> None:
    slack.faults.add("auth.test", Fault("answer", 200, {}, {"ok": False, "error": code}))
    with pytest.raises(TokenRefused) as refused, capture_logs() as logs:
        async with running(slack, sink):
            pass
    (problem,) = refused.value.problems
    assert problem.variable == "SLACK_BOT_TOKEN"
    assert code in problem.wrong
    assert "xoxb-" in problem.cure
    assert slack.bot_token not in str(logs) + str(refused.value) + problem.cure


async def test_a_wrong_bot_token_is_told_from_a_wrong_app_token(slack: SlackWorkspace, sink: RecordingSink) -> None:
    with pytest.raises(TokenRefused) as refused:
        async with running(slack, sink, bot_token="xoxb-wrong"):
            pass
    assert refused.value.problems[0].variable == "SLACK_BOT_TOKEN"
    with pytest.raises(TokenRefused) as refused:
        async with running(slack, sink, app_token="xapp-wrong"):
            pass
    assert refused.value.problems[0].variable == "SLACK_APP_TOKEN"
    assert "connections:write" in refused.value.problems[0].cure
    with pytest.raises(TokenRefused) as refused:
        async with running(slack, sink, app_token=slack.bot_token):
            pass
    assert refused.value.problems[0].variable == "SLACK_APP_TOKEN"


async def test_a_missing_scope_of_the_app_token_is_named(slack: SlackWorkspace, sink: RecordingSink) -> None:
    answer = {"ok": False, "error": "missing_scope", "needed": "connections:write"}
    slack.faults.add("apps.connections.open", Fault("answer", 200, {}, answer))
    with pytest.raises(TokenRefused) as refused:
        async with running(slack, sink):
            pass
    assert "(connections:write)" in refused.value.problems[0].wrong


@pytest.mark.parametrize(("variable", "token"), [("bot_token", " "), ("app_token", "xapp\n1"), ("bot_token", "xoxb-é")])
async def test_a_token_that_no_header_can_carry_is_refused_without_asking(
    slack: SlackWorkspace, sink: RecordingSink, variable: str, token: str
) -> None:
    with pytest.raises(TokenRefused) as refused:
        async with running(slack, sink, FAST, **{variable: token}):
            pass
    assert refused.value.problems[0].variable == f"SLACK_{variable.upper()}"
    assert slack.requests == []


async def test_a_passing_refusal_while_running_is_borne(slack: SlackWorkspace, sink: RecordingSink) -> None:
    async with running(slack, sink):
        slack.faults.add(
            "apps.connections.open", *[Fault("answer", 200, {}, {"ok": False, "error": "invalid_auth"})] * 4
        )
        slack.drop_connections()
        await eventually(lambda: len(sink.descriptions) == 2)


async def test_a_lasting_refusal_while_running_ends_it(slack: SlackWorkspace, sink: RecordingSink) -> None:
    adapter = SlackAdapter(slack.bot_token, slack.app_token, slack.url, timing=FAST)
    serving = asyncio.create_task(adapter.start(sink))
    await eventually(lambda: sink.descriptions)
    slack.auth_error = "token_revoked"
    slack.drop_connections()
    with pytest.raises(TokenRefused):
        await asyncio.wait_for(serving, 5.0)
    await adapter.stop()
    slack.auth_error = None


async def test_stopping_twice_or_before_the_start_is_no_error(slack: SlackWorkspace, sink: RecordingSink) -> None:
    async with running(slack, sink) as adapter:
        await adapter.stop()
        await adapter.stop()
    unused = SlackAdapter(slack.bot_token, slack.app_token, slack.url)
    await unused.stop()
    await unused.start(sink)
    assert len(sink.descriptions) == 1


async def test_cancelling_the_start_leaves_nothing_behind(slack: SlackWorkspace, sink: RecordingSink) -> None:
    adapter = SlackAdapter(slack.bot_token, slack.app_token, slack.url, timing=FAST)
    serving = asyncio.create_task(adapter.start(sink))
    await eventually(lambda: sink.descriptions)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await slack.wait_for(lambda: not slack.connections)
    await adapter.stop()
    assert len(asyncio.all_tasks()) <= 2 + len(slack.socket._tasks)


async def test_an_ack_that_cannot_be_sent_any_more_hurts_nothing(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        sink.gate.clear()
        await slack.say(ada, dm, "hello")
        await asyncio.sleep(0.05)
        slack.drop_connections()
        await eventually(lambda: len(sink.descriptions) == 2)
        sink.gate.set()
        await slack.wait_for(lambda: not slack.undelivered)
        assert {message.text for message in sink.messages} == {"hello"}


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_the_base_url_may_end_in_a_slash_or_not(slack: SlackWorkspace, sink: RecordingSink, suffix: str) -> None:
    adapter = SlackAdapter(slack.bot_token, slack.app_token, slack.url.rstrip("/") + suffix, timing=FAST)
    serving = asyncio.create_task(adapter.start(sink))
    await eventually(lambda: sink.descriptions)
    await adapter.stop()
    await serving


async def test_a_proxy_of_the_environment_is_left_out_where_no_proxy_says_so(
    slack: SlackWorkspace, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "localhost,127.0.0.1")
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "help")
        await slack.wait_for(lambda: slack.ephemerals)


async def test_a_proxy_of_the_environment_is_used_where_nothing_speaks_against_it(
    slack: SlackWorkspace, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    adapter = SlackAdapter(slack.bot_token, slack.app_token, slack.url, timing=FAST)
    serving = asyncio.create_task(adapter.start(sink))
    await asyncio.sleep(0.2)
    await adapter.stop()
    await serving
    assert slack.requests == []


async def test_no_token_and_no_text_is_ever_logged(
    slack: SlackWorkspace, sink: RecordingSink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    caplog.set_level(0)
    sink.failures = [storage_failure()]
    slack.faults.add("chat.postMessage", Fault("answer", 200, {}, {"ok": False, "error": "is_archived"}))
    with capture_logs() as logs:
        async with running(slack, sink):
            await slack.say(ada, dm, "xyzzy-secret")
            await sink.wait_for(lambda: sink.refused)
            await slack.send_raw({"event": {"type": "xyzzy-secret"}, "authorizations": [None]})
            await slack.send_raw({"command": 5, "text": "xyzzy-secret"})
            await slack.slash(ada, dm, "/parley", "xyzzy-secret")
            await slack.disconnect("refresh_requested", close=False)
            await eventually(lambda: len(sink.descriptions) == 2)
    output = "".join(capfd.readouterr()) + str(logs)
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp")]
    for secret in ("xyzzy", slack.bot_token, slack.app_token, "ticket="):
        assert secret not in output
        assert secret not in "".join(own)


def test_pauses_double_up_to_the_most_and_respect_what_was_asked_for() -> None:
    timing = Timing(pause_first=1.0, pause_most=8.0)
    for attempt, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (50, 8.0)):
        assert longest / 2 <= timing.pause(attempt) <= longest
    assert timing.pause(1, at_least=60.0) == 60.0
