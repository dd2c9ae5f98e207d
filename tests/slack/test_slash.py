"""The `/parley` command: acknowledged before the core has answered, answered to its giver alone."""

from __future__ import annotations

import asyncio

import pytest

from adapters.slack import response_urls
from adapters.slack.web import open_session
from bot.errors import StorageFailed
from bot.messages import Address, Author
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from emulators.slack.state import ResponseUrl
from tests.slack.stage import RecordingSink, running


async def test_a_command_reaches_the_core_and_only_its_giver_sees_the_answer(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada", admin=True)
    general = slack.add_channel("general")
    sink.answer = "**Done**: temperature is 0.2 & so on."
    async with running(slack, sink):
        delivery = await slack.slash(ada, general, "/parley", "set temperature 0.2")
        assert delivery.acked
        await slack.wait_for(lambda: slack.ephemerals)
        (command,) = sink.commands
        assert command.address == Address("slack", slack.team_id, general.id)
        assert (command.name, command.arguments) == ("set", ("temperature", "0.2", ""))
        assert command.author.id == ada.id
        assert command.author.is_admin
        assert command.author.runs_workspace
        assert isinstance(command.author, Author)
        assert "*Done*: temperature is 0.2 &amp; so on." in str(slack.ephemerals)
        assert slack.bot_messages(general) == []


async def test_a_command_is_acknowledged_while_the_core_still_thinks(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        sink.gate.clear()
        delivery = await slack.slash(ada, general, "/parley", "usage")
        assert delivery.acked
        assert slack.ephemerals == []
        sink.gate.set()
        await slack.wait_for(lambda: slack.ephemerals)


@pytest.mark.parametrize("failure", [StorageFailed("disk"), KeyError("a bug")])
async def test_a_command_that_fails_is_answered_with_a_sentence(
    slack: SlackWorkspace, sink: RecordingSink, failure: Exception
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    sink.answer = failure
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "show")
        await slack.wait_for(lambda: slack.ephemerals)
        assert "Something went wrong on my side" in str(slack.ephemerals)


async def test_an_answer_with_a_table_is_shown_as_one(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    sink.answer = "| name | value |\n|---|---|\n| temperature | 0.2 |"
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "show")
        await slack.wait_for(lambda: slack.ephemerals)
        assert "temperature" in str(slack.ephemerals)


async def test_an_answer_that_does_not_get_through_is_tried_again_and_then_given_up(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        slack.faults.add("response_url", Fault("answer", 500), Fault("reset"))
        await slack.slash(ada, general, "/parley", "show")
        await slack.wait_for(lambda: slack.ephemerals)
        slack.faults.add("response_url", Fault("answer", 404))
        await slack.slash(ada, general, "/parley", "show")
        await slack.wait_for(lambda: slack.faults.pending == 0)
        slack.faults.add("response_url", *[Fault("answer", 503)] * 3)
        await slack.slash(ada, general, "/parley", "show")
        await slack.wait_for(lambda: slack.faults.pending == 0)
        assert len(slack.ephemerals) == 1


async def test_a_command_without_its_fields_is_acknowledged_and_dropped(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        for payload in (
            {"command": "/parley"},
            {"command": "/parley", "user_id": "U1", "channel_id": 5},
            {"command": "/parley", "user_id": None, "channel_id": "C1"},
            {"command": "/parley", "user_id": ada.id, "channel_id": general.id, "text": 5, "response_url": 5},
            {"command": "/parley", "user_id": ada.id, "channel_id": general.id, "response_url": "file:///etc/passwd"},
            {"command": "/parley", "user_id": ada.id, "channel_id": general.id, "response_url": "http://["},
        ):
            delivery = await slack.send_raw(payload)
            assert delivery is not None
            await slack.wait_for(lambda: delivery.acked)  # noqa: B023 - awaited at once
        await sink.wait_for(lambda: len(sink.commands) == 3)
        assert {command.name for command in sink.commands} == {""}


async def test_stopping_does_not_wait_for_ever_for_a_command(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        sink.gate.clear()
        await slack.slash(ada, general, "/parley", "show")
        async with asyncio.timeout(3.0):
            await adapter.stop()
        assert slack.ephemerals == []


async def test_an_answer_in_no_charset_for_texts_hurts_nothing(slack: SlackWorkspace) -> None:
    odd = Fault("answer", 404, {"Content-Type": "text/html; charset=zlib"}, b"x")
    slack.faults.add("response_url", odd)
    async with open_session(5) as session:
        await response_urls.answer(session, f"{slack.base_url}/commands/T1/key", "hello")
    assert slack.faults.pending == 0


async def test_commands_are_told_apart_by_more_than_their_trigger(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        first = await slack.slash(ada, general, "/parley", "help")
        await slack.wait_for(lambda: sink.commands)
        again = {**first.payload, "text": "show"}
        for payload in (again, again, dict(first.payload)):
            response = ResponseUrl(ada.id, general.id, None, None)
            await slack.interact("slash_commands", payload, response, accepts=True)
        await slack.wait_for(lambda: len(sink.commands) == 2)
        await asyncio.sleep(0.1)
    assert [command.name for command in sink.commands] == ["help", "show"], "what is told again is done once"
