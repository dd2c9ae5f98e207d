"""Buttons on Slack: how a message with some looks, presses and reactions on their way in, and Slack's own stop."""

from __future__ import annotations

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.bodies import Body, body_of
from adapters.slack.sessions import BEGIN_SECONDS
from bot.errors import DeliveryRefused, MessageGone, StorageFailed
from bot.interactions import CommandAnswer
from bot.messages import Address, Button, ButtonPressed, PartKey, ReactionAdded, ReactionRemoved, Reply
from emulators.faults import Fault
from emulators.slack import Message, SlackWorkspace
from emulators.slack.blocks import markdown_length, problems
from tests.slack.stage import RecordingSink, calls, eventually, off_contract, running, thread_of

SESSION = "agents.sessions.setStatus"
ALL: tuple[Button, ...] = ("continue", "regenerate", "good", "bad")
CODE = "```python\n" + "x = 1  # and so on\n" * 180 + "```"


def shown(text: str, buttons: tuple[Button, ...] = ALL) -> Body:
    return body_of(Reply(text, {"Ada": "U1"}, buttons))


def ids(message: Message) -> list[str]:
    return [e["action_id"] for block in message.blocks if block["type"] == "actions" for e in block["elements"]]


def test_a_message_without_buttons_is_its_text_alone() -> None:
    assert [block["type"] for block in shown("hello", ())["blocks"]] == ["markdown"]


def test_buttons_stand_in_a_block_below_the_text() -> None:
    text, actions = shown("**hello** @Ada, see https://example.com")["blocks"]
    assert text["type"] == "markdown"
    assert [e["action_id"] for e in actions["elements"]] == [f"parley:{each}" for each in ALL]
    assert [e.get("accessibility_label") for e in actions["elements"]] == [None, None, "Good answer", "Bad answer"]


@pytest.mark.parametrize(
    "text", ["word " * 770, CODE, "- a list\n" * 400, "| a | b |\n|--|--|\n" + "| 1 | 2 |\n" * 800]
)
def test_a_message_as_long_as_can_be_is_within_slacks_lengths(text: str) -> None:
    made = shown(text)
    assert problems(made["blocks"]) == []
    assert markdown_length(made["blocks"]) <= 12_000
    assert 0 < len(made["text"]) <= 4_000


async def test_buttons_are_posted_changed_and_taken_off_with_the_text(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        where = thread_of(slack, asked)
        ts = await adapter.send(where, Reply("words", buttons=("stop",)), PartKey("t", 1))
        message = slack.store[general.id][ts]
        assert (ids(message), slack.visible_text(message)) == (["parley:stop"], "words")
        await adapter.edit(where, ts, Reply("more words", buttons=ALL))
        assert ids(message) == [f"parley:{each}" for each in ALL]
        await adapter.edit(where, ts, Reply("more words"))
        assert (ids(message), slack.visible_text(message)) == ([], "more words")
    assert off_contract(slack) == []
    assert slack.complaints == []


@pytest.mark.parametrize("text", ["*words*", CODE, "| a | b |\n|--|--|\n| 1 | 2 |"])
async def test_buttons_alone_are_changed_and_the_text_stays(
    slack: SlackWorkspace, sink: RecordingSink, text: str
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        for asked in (await slack.say(ada, general, "hi", mention=True), await slack.say(ada, slack.dm(ada), "hi")):
            where = (
                thread_of(slack, asked)
                if asked.channel == general.id
                else Address("slack", slack.team_id, asked.channel)
            )
            ts = await adapter.send(where, Reply(text, buttons=ALL), PartKey(asked.ts, 1))
            message = slack.store[asked.channel][ts]
            before = slack.visible_text(message)
            await adapter.set_buttons(where, ts, ("again", "good", "bad"))
            assert ids(message) == ["parley:again", "parley:good", "parley:bad"]
            assert slack.visible_text(message) == before
            await adapter.set_buttons(where, ts, ())
            assert (ids(message), slack.visible_text(message)) == ([], before)
    assert off_contract(slack) == []


async def test_a_message_that_is_gone_or_has_no_blocks_to_keep_takes_no_buttons(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        where = thread_of(slack, asked)
        short, long = [await adapter.send(where, Reply(t), PartKey(t[:9], 1)) for t in ("short", "long " * 770)]
        for ts in (short, long):
            await adapter.set_buttons(where, ts, ("again",))
            assert ids(slack.store[general.id][ts]) == ["parley:again"]
        # One of a time when answers were plain text: a section takes 3,000 characters of it.
        web = AsyncWebClient(slack.bot_token, slack.url)
        long = (await web.chat_postMessage(channel=general.id, thread_ts=asked.ts, text="long " * 770))["ts"]
        with pytest.raises(DeliveryRefused, match="too_long_for_buttons"):
            await adapter.set_buttons(where, long, ("again",))
        await slack.delete(slack.store[general.id][short])
        with pytest.raises(MessageGone):
            await adapter.set_buttons(where, short, ("again",))


async def test_a_press_is_acknowledged_once_it_is_done_and_told_to_who_pressed_alone(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada", admin=True), slack.add_channel("general")
    sink.press_answer = CommandAnswer("Only who asked may do **that**.")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        where = thread_of(slack, asked)
        ts = await adapter.send(where, Reply("words", buttons=ALL), PartKey("t", 1))
        sink.gate.clear()
        pressing = asyncio.create_task(slack.press(ada, slack.store[general.id][ts], "parley:regenerate"))
        await sink.wait_for(lambda: sink.presses)
        assert not pressing.done() and not [a for a in slack.acks if not a.known]
        assert slack.deliveries[-1].state == "pending"
        sink.gate.set()
        assert (await pressing).acked
        [press] = sink.presses
        assert isinstance(press, ButtonPressed)
        assert (press.address, press.message_id, press.action) == (where, ts, "regenerate")
        assert (press.author.id, press.author.name, press.author.is_admin) == (ada.id, "ada", True)
        [told] = await eventually(lambda: slack.whispers(ada, general, asked.ts))
        assert slack.visible_text(told) == "Only who asked may do **that**."
    assert off_contract(slack) == []


async def test_a_press_told_twice_is_handed_on_once_and_another_is_another(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        where = thread_of(slack, await slack.say(ada, general, "hi", mention=True))
        message = slack.store[general.id][await adapter.send(where, Reply("words", buttons=ALL), PartKey("t", 1))]
        delivery = await slack.press(ada, message, "parley:good")
        assert (await slack.redeliver_interaction(delivery)).acked
        assert len(sink.presses) == 1
        await slack.press(ada, message, "parley:good")
        first, second = sink.presses
        assert first.id != second.id and len(first.id) <= 64
    assert slack.ephemerals == []


async def test_who_pressed_hears_of_a_failure(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    sink.press_answer = StorageFailed("the disk is full")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        ts = await adapter.send(thread_of(slack, asked), Reply("words", buttons=ALL), PartKey("t", 1))
        assert (await slack.press(ada, slack.store[general.id][ts], "parley:good")).acked
        await eventually(lambda: slack.whispers(ada, general, asked.ts))


async def test_reactions_to_the_bots_messages_come_in_and_those_to_others_do_not(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        ts = await adapter.send(thread_of(slack, asked), Reply("words"), PartKey("t", 1))
        await slack.react(ada, asked, "+1")
        await slack.react(ada, slack.store[general.id][ts], "+1::skin-tone-2")
        await slack.unreact(ada, slack.store[general.id][ts], "+1::skin-tone-2")
        await sink.wait_for(lambda: any(isinstance(event, ReactionRemoved) for event in sink.events))
    [added] = [event for event in sink.events if isinstance(event, ReactionAdded)]
    [removed] = [event for event in sink.events if isinstance(event, ReactionRemoved)]
    assert sink.events.index(added) < sink.events.index(removed)
    assert (added.message_id, added.emoji, added.author.id) == (ts, "+1::skin-tone-2", ada.id)
    assert added.address == removed.address == Address("slack", slack.team_id, general.id)


async def test_a_reaction_that_is_not_stored_is_not_acknowledged(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        ts = await adapter.send(thread_of(slack, asked), Reply("words"), PartKey("t", 1))
        await sink.wait_for(lambda: sink.events)
        sink.failures = [StorageFailed("the disk is full")]
        await slack.react(ada, slack.store[general.id][ts], "+1")
        await sink.wait_for(lambda: sink.refused)
        assert not slack.deliveries[-1].acked


async def test_slacks_own_stop_button_stops_what_is_written_in_its_thread(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    sink.answer = "I've stopped what I was writing here."
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        adapter.begun(thread_of(slack, asked), again=False)
        await eventually(lambda: slack.sessions.get((general.id, asked.ts)) == "processing")
        await slack.stop_session(ada, general, asked.ts)
        await sink.wait_for(lambda: sink.commands)
        [command] = sink.commands
        assert (command.name, command.author.id, command.address) == ("stop", ada.id, thread_of(slack, asked))
        adapter.ended(thread_of(slack, asked))
        await eventually(lambda: slack.sessions[general.id, asked.ts] == "active")
        [told] = slack.whispers(ada, general, asked.ts)
        assert slack.visible_text(told) == sink.answer
        with pytest.raises(LookupError):
            await slack.stop_session(ada, general, asked.ts)
    assert calls(slack, SESSION) == 2
    assert off_contract(slack) == []


async def test_a_session_that_a_process_left_ends_with_the_press_of_its_button(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        adapter.begun(thread_of(slack, asked), again=False)
        await eventually(lambda: slack.sessions.get((general.id, asked.ts)) == "processing")
    async with running(slack, sink):
        await slack.stop_session(ada, general, asked.ts)
        await eventually(lambda: slack.sessions[general.id, asked.ts] == "active")


async def test_a_workspace_without_sessions_is_asked_for_one_once(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    slack.faults.add(SESSION, Fault(status=200, body={"ok": False, "error": "feature_not_enabled"}))
    async with running(slack, sink) as adapter:
        for _ in range(2):
            asked = await slack.say(ada, general, "hi", mention=True)
            adapter.begun(thread_of(slack, asked), again=False)
            await asyncio.sleep(BEGIN_SECONDS * 2)
            adapter.ended(thread_of(slack, asked))
    assert calls(slack, SESSION) == 1


async def test_an_end_that_fails_is_tried_again_and_an_answer_at_once_has_no_session(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hi", mention=True)
        adapter.begun(thread_of(slack, asked), again=False)
        adapter.ended(thread_of(slack, asked))
        await asyncio.sleep(BEGIN_SECONDS * 2)
        assert calls(slack, SESSION) == 0
        adapter.begun(thread_of(slack, asked), again=False)
        await eventually(lambda: slack.sessions.get((general.id, asked.ts)) == "processing")
        slack.faults.add(SESSION, Fault(status=503))
        adapter.ended(thread_of(slack, asked))
        await eventually(lambda: slack.sessions[general.id, asked.ts] == "active")
