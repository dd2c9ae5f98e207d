"""Modals, buttons and the Home tab, as strict as Slack: what it refuses, and what an answer does to the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emulators.slack import Channel, SlackWorkspace, Timing, User
from emulators.slack.blocks import IN_VIEWS, problems
from tests.emulators.test_slack_contract import bolt, client_of, error_of


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorkspace]:
    async with SlackWorkspace(timing=Timing(ack_deadline=1.0), limits="none") as workspace:
        yield workspace


@pytest.fixture
def alice(slack: SlackWorkspace) -> User:
    return slack.add_user("alice")


@pytest.fixture
def general(slack: SlackWorkspace, alice: User) -> Channel:
    return slack.add_channel("general")


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def line(name: str, **element: Any) -> dict[str, Any]:
    made = {"type": "plain_text_input", "action_id": name} | element
    return {"type": "input", "block_id": f"b-{name}", "label": plain(name), "element": made, "optional": True}


def menu(name: str, *values: str, **element: Any) -> dict[str, Any]:
    options = [{"text": plain(value or "x"), "value": value} for value in values]
    made = {"type": "static_select", "action_id": name, "options": options} | element
    return {"type": "input", "block_id": f"b-{name}", "label": plain(name), "element": made, "optional": True}


def modal(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain("Form"),
        "submit": plain("Send"),
        "blocks": list(blocks),
    }


async def opened(slack: SlackWorkspace, user: User, view: dict[str, Any]) -> Any:
    await client_of(slack).views_open(trigger_id=slack.new_trigger(user.id), view=view)
    return slack.modal(user)


@asynccontextmanager
async def answering(slack: SlackWorkspace, *answers: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
    """An app that acknowledges each submission with the next answer; yields the values that were sent."""
    sent: list[dict[str, Any]] = []
    waiting = list(answers)

    async def submit(ack: Any, view: dict[str, Any]) -> None:
        sent.append(view["state"]["values"])
        await ack(**waiting.pop(0))

    async with bolt(slack) as bot:
        bot.app.view("form")(submit)
        yield sent


async def test_an_error_keeps_a_modal_open_and_an_empty_answer_closes_it(slack: SlackWorkspace, alice: User) -> None:
    shown = await opened(slack, alice, modal(line("a", initial_value="old"), menu("m", "x", "y")))
    errors = {"response_action": "errors", "errors": {"b-a": "No."}}
    async with answering(slack, errors, {}) as sent:
        await slack.submit(alice, {"m": "y"})
        assert (shown.is_open, shown.errors) == (True, {"b-a": "No."})
        await slack.submit(alice, {"a": "new"})
        assert (shown.is_open, shown.errors, slack.modal(alice)) == (False, {}, None)
    assert sent[0]["b-a"]["a"]["value"] == "old" and sent[0]["b-m"]["m"]["selected_option"]["value"] == "y"
    assert sent[1]["b-a"]["a"]["value"] == "new" and sent[1]["b-m"]["m"]["selected_option"] is None
    assert slack.complaints == []


async def test_an_update_replaces_the_view_and_keeps_its_id(slack: SlackWorkspace, alice: User) -> None:
    shown = await opened(slack, alice, modal(line("a")))
    done = {"type": "modal", "title": plain("Done"), "blocks": [{"type": "section", "text": plain("done")}]}
    before = shown.view["id"]
    async with answering(slack, {"response_action": "update", "view": done}):
        await slack.submit(alice, {})
    assert (shown.view["id"], shown.view["title"]["text"]) == (before, "Done")
    with pytest.raises(LookupError):
        await slack.submit(alice, {})


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"nowhere": "No."}},
        {"response_action": "update", "view": {"type": "modal", "title": plain("x" * 25), "blocks": []}},
        {"response_action": "shrug"},
    ],
)
async def test_an_answer_that_slack_would_not_understand_is_complained_of(
    slack: SlackWorkspace, alice: User, answer: dict[str, Any]
) -> None:
    await opened(slack, alice, modal(line("a")))
    async with answering(slack, answer):
        await slack.submit(alice, {})
    assert len(slack.complaints) == 1


async def test_a_submission_nobody_answers_leaves_the_modal_open_with_slacks_own_words() -> None:
    async with SlackWorkspace(timing=Timing(ack_deadline=0.1), limits="none") as slack:
        alice = slack.add_user("alice")
        shown = await opened(slack, alice, modal(line("a")))
        delivery = await slack.submit(alice, {})
        assert (delivery.acked, shown.is_open) == (False, True)
        assert "trouble connecting" in str(shown.errors)


async def test_people_can_send_only_what_the_inputs_take(slack: SlackWorkspace, alice: User) -> None:
    with pytest.raises(LookupError):
        await slack.submit(alice, {})
    must = line("must") | {"optional": False}
    await opened(slack, alice, modal(line("a", max_length=3), menu("m", "x"), must))
    for values in ({"a": "1234"}, {"a": "1\n2"}, {"m": "z"}, {"a": "1"}):
        with pytest.raises(ValueError, match=r"takes|does not take|one line|no option|filled in"):
            await slack.submit(alice, values)
    with pytest.raises(LookupError):
        await slack.submit(alice, {"nothing": "x"})


async def test_an_open_view_can_be_updated_against_its_hash_and_a_closed_one_not(
    slack: SlackWorkspace, alice: User
) -> None:
    client = client_of(slack)
    shown = await opened(slack, alice, modal(line("a")))
    identity, old = shown.view["id"], shown.view["hash"]
    await client.views_update(view_id=identity, view=modal(line("b")), hash=old)
    assert shown.view["blocks"][0]["block_id"] == "b-b"
    refused = client.views_update(view_id=identity, view=modal(line("c")), hash=old)
    assert await error_of(refused) == "hash_conflict"
    refused = client.views_update(view_id=identity, view={"type": "modal", "blocks": []})
    assert await error_of(refused) == "invalid_arguments"
    slack.close_modal(alice)
    assert await error_of(client.views_update(view_id=identity, view=modal(line("b")))) == "not_found"
    assert await error_of(client.views_update(external_id="x", view=modal(line("b")))) == "not_found"


async def test_a_press_in_a_view_has_no_channel_and_a_fresh_trigger(slack: SlackWorkspace, alice: User) -> None:
    def button(value: str) -> dict[str, Any]:
        return {"type": "button", "action_id": "go", "value": value, "text": plain("Go")}

    page = {
        "type": "home",
        "blocks": [{"type": "section", "text": plain(v), "accessory": button(v)} for v in ("1", "2")],
    }
    await client_of(slack).views_publish(user_id=alice.id, view=page)
    pressed: list[dict[str, Any]] = []

    async def go(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal(line("a")))
        pressed.append(body)

    async with bolt(slack) as bot:
        bot.app.action("go")(go)
        assert (await slack.press(alice, slack.homes[alice.id], "go", "2")).acked
        await slack.wait_for(lambda: slack.modal(alice))
        with pytest.raises(LookupError):
            await slack.press(alice, slack.homes[alice.id], "go", "3")
    assert pressed[0]["actions"][0]["value"] == "2"
    assert {"channel", "response_url", "message"} & set(pressed[0]) == set()
    assert pressed[0]["container"] == {"type": "view", "view_id": slack.homes[alice.id]["id"]}


async def test_an_ephemeral_message_is_seen_and_pressed_by_its_person_alone(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    bob = slack.add_user("bob")
    general.members.add(bob.id)
    button = {"type": "actions", "elements": [{"type": "button", "action_id": "go", "text": plain("Go")}]}
    await client_of(slack).chat_postEphemeral(channel=general.id, user=alice.id, text="psst", blocks=[button])
    (seen,) = slack.whispers(alice, general)
    assert slack.whispers(bob, general) == []
    with pytest.raises(LookupError):
        await slack.press(bob, seen, "go")


async def test_an_opened_home_tab_tells_of_the_view_that_is_there() -> None:
    async with SlackWorkspace(limits="none") as slack:
        alice = slack.add_user("alice")
        await slack.open_home(alice)
        await client_of(slack).views_publish(user_id=alice.id, view={"type": "home", "blocks": []})
        await slack.open_home(alice)
        await slack.open_home(alice, tab="messages")
        first, second, messages = (delivery.event for delivery in slack.deliveries)
        assert ("view" in first, second["view"]["type"], messages["tab"]) == (False, "home", "messages")


async def test_without_a_home_tab_nothing_is_published_and_nothing_told() -> None:
    async with SlackWorkspace(limits="none", home_tab=False) as slack:
        alice = slack.add_user("alice")
        await slack.open_home(alice)
        refused = client_of(slack).views_publish(user_id=alice.id, view={"type": "home", "blocks": []})
        assert await error_of(refused) == "not_enabled"
        assert slack.deliveries == []


@pytest.mark.parametrize(
    "block",
    [
        {"type": "markdown", "text": "x"},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]]},
        line("a", max_length=3_001),
        line("a", max_length=0),
        line("a", max_length=2, initial_value="abc"),
        line("a" * 256),
        line("a", placeholder=plain("x" * 151)),
        line("a") | {"hint": plain("x" * 2_001)},
        line("a") | {"hint": {"type": "mrkdwn", "text": "x"}},
        line("a") | {"label": plain("x" * 2_001)},
        line("a") | {"element": {"type": "plain_text_input"}},
        line("a") | {"block_id": "b" * 256},
        menu("m"),
        menu("m", ""),
        menu("m", "x" * 151),
        menu("m", "x", "x"),
        menu("m", *map(str, range(101))),
        menu("m", "x", initial_option={"text": plain("y"), "value": "y"}),
        {
            "type": "actions",
            "elements": [{"type": "button", "action_id": "a", "text": plain("x")}] * 2,
        },
    ],
)
def test_inputs_and_blocks_that_a_view_does_not_take(block: dict[str, Any]) -> None:
    assert problems([block], most=100, allowed=IN_VIEWS) != []


def test_inputs_at_their_limits_are_taken() -> None:
    longest = line("a", max_length=3_000, initial_value="x" * 3_000) | {"hint": plain("x" * 2_000)}
    assert problems([longest, menu("m", *map(str, range(100)))], most=100, allowed=IN_VIEWS) == []


async def test_a_description_of_a_picture_has_its_limit(slack: SlackWorkspace) -> None:
    client = client_of(slack)
    refused = client.files_getUploadURLExternal(filename="a.png", length=1, alt_txt="x" * 1_001)
    assert await error_of(refused) == "alt_txt_too_large"
    ticket = await client.files_getUploadURLExternal(filename="a.png", length=1, alt_txt="x" * 1_000)
    assert len(slack.files[ticket["file_id"]].alt_text) == 1_000


async def test_a_trigger_is_good_for_one_view_and_a_moment() -> None:
    async with SlackWorkspace(timing=Timing(trigger_life=0.1), limits="none") as slack:
        alice = slack.add_user("alice")
        client, trigger = client_of(slack), slack.new_trigger(alice.id)
        await asyncio.sleep(0.2)
        assert await error_of(client.views_open(trigger_id=trigger, view=modal(line("a")))) == "expired_trigger_id"


async def test_a_session_that_is_processing_has_a_stop_button_and_goes_on_until_the_app_says_otherwise(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    asked = await slack.say(alice, general, "hi", mention=True)
    with pytest.raises(LookupError):
        await slack.stop_session(alice, general, asked.ts)
    web = client_of(slack)
    refused: dict[str, dict[str, Any]] = {
        "invalid_status": {"status": "idle", "thread_ts": asked.ts},
        "thread_ts_required": {"status": "active"},
        "user_not_found": {"status": "active", "thread_ts": asked.ts, "initiator_user_id": "U0NOBODY"},
    }
    for code, arguments in refused.items():
        assert await error_of(web.agents_sessions_setStatus(channel_id=general.id, **arguments)) == code
    at_work = {"channel_id": general.id, "thread_ts": asked.ts, "status": "processing"}
    answer = await web.agents_sessions_setStatus(**at_work)
    assert answer["agent_status"] == "processing" and answer.get("warning") is None
    await slack.stop_session(alice, general, asked.ts)
    event = slack.deliveries[-1].event
    assert (event["type"], event["thread_ts"], event["user"]) == ("agent_session_stopped", asked.ts, alice.id)
    assert slack.sessions[general.id, asked.ts] == "processing"
    slack.subscriptions.discard("agent_session_stopped")
    warned = await web.agents_sessions_setStatus(**at_work)
    assert warned["warning"] == "missing_agent_session_stopped_event_subscription"
    with pytest.raises(LookupError):
        await slack.stop_session(alice, general, asked.ts)
