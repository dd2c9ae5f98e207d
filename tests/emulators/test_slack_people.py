"""What people do in the emulated workspace beyond writing a line; and a conversation held to the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from emulators.slack import SUBSCRIPTIONS, Channel, SlackWorkspace, User
from emulators.slack.blocks import problems
from emulators.slack.state import ResponseUrl
from tests.emulators.test_slack_contract import client_of, error_of, needs_contract, off_contract


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorkspace]:
    subscriptions = SUBSCRIPTIONS | {"reaction_added", "reaction_removed", "app_home_opened"}
    async with SlackWorkspace(limits="none", subscriptions=subscriptions) as workspace:
        yield workspace


@pytest.fixture
def alice(slack: SlackWorkspace) -> User:
    return slack.add_user("alice")


@pytest.fixture
def general(slack: SlackWorkspace, alice: User) -> Channel:
    return slack.add_channel("general")


def sent(slack: SlackWorkspace) -> list[str]:
    """The types of all events sent so far."""
    return [delivery.event["type"] for delivery in slack.deliveries]


async def test_reactions_and_the_home_tab_are_told(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    said = await slack.say(alice, general, "hi")
    await slack.react(alice, said, "wave")
    await slack.unreact(alice, said, "wave")
    await slack.open_home(alice)
    assert sent(slack) == ["message", "reaction_added", "reaction_removed", "app_home_opened"]
    assert slack.deliveries[1].event["item_user"] == alice.id


async def test_what_was_said_while_the_event_was_lost_can_be_told_later(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    said = await slack.say(alice, general, "are you there?", mention=True, send=False)
    assert slack.deliveries == []
    slack.tell(said, order="mention_first")
    assert sent(slack) == ["app_mention", "message"]
    with pytest.raises(LookupError):
        await slack.redeliver(await slack.say(alice, general, "unheard", send=False))


async def test_another_bot_speaks_as_a_bot(slack: SlackWorkspace, general: Channel) -> None:
    other = slack.add_user("deploys", bot=True)
    await slack.say(other, general, "<!date^1^{date}|today> & done", raw=True, subtype="bot_message")
    event = slack.deliveries[0].event
    assert (event["bot_id"], event["subtype"], event["text"]) == (
        other.bot_id,
        "bot_message",
        "<!date^1^{date}|today> & done",
    )
    assert "client_msg_id" not in event


async def test_text_may_live_in_blocks_or_attachments_alone(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"<@{slack.bot.id}> in a block"}}]
    said = await slack.say(alice, general, "", blocks=blocks, attachments=[{"text": "and a card"}])
    assert slack.visible_text(said) == f"<@{slack.bot.id}> in a block\nand a card"
    assert sent(slack) == ["message", "app_mention"]
    assert slack.deliveries[0].event["text"] == ""


async def test_a_reply_to_nothing_is_the_tests_own_mistake(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    with pytest.raises(AssertionError, match="no message"):
        await slack.say(alice, general, "reply", thread_ts="1600000000.000001")


async def test_an_ephemeral_answer_is_replaced_and_deleted_by_its_response_url(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    await client_of(slack).chat_postEphemeral(channel=general.id, user=alice.id, text="sure?")
    (asked,) = slack.ephemerals
    hook = AsyncWebhookClient(slack.new_response_url(ResponseUrl(alice.id, general.id, asked.ts, None)))
    await hook.send(text="yes", replace_original=True)
    await hook.send(delete_original=True)
    assert [state.text for state in asked.states] == ["sure?", "yes", "yes"]
    assert asked.deleted
    command = AsyncWebhookClient(slack.new_response_url(ResponseUrl(alice.id, general.id, None, None)))
    assert (await command.send(delete_original=True)).status_code == 400
    assert (await command.send(text="x", response_type="everywhere")).status_code == 400


def plain(text: str) -> dict[str, str]:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


@pytest.mark.parametrize(
    "block",
    [
        "text",
        {"type": "header"},
        {"type": "markdown", "text": ""},
        {"type": "context", "elements": []},
        {"type": "section", "text": {"type": "mrkdwn", "text": 5}},
        {
            "type": "actions",
            "elements": [{"type": "button", "action_id": "a", "text": {"type": "mrkdwn", "text": "b"}}],
        },
    ],
)
def test_blocks_slack_does_not_know(block: Any) -> None:
    assert problems([block]) != []
    assert problems({"type": "section"}) != []
    assert problems([{"type": "divider"}]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"type": "home"},
        {"title": None},
        {"title": plain("x" * 25)},
        {"private_metadata": "x" * 3001},
        {"colour": "red"},
        {"blocks": [{"type": "divider"}] * 101},
        {"submit": None},
    ],
)
async def test_modals_slack_refuses(slack: SlackWorkspace, alice: User, change: dict[str, Any]) -> None:
    element = {"type": "plain_text_input", "action_id": "a"}
    asking = {"type": "input", "label": plain("Model"), "element": element}
    view = {"type": "modal", "title": plain("Settings"), "submit": plain("Save"), "blocks": [asking]}
    client = client_of(slack)
    refused = client.views_open(trigger_id=slack.new_trigger(alice.id), view=view | change)
    assert await error_of(refused) == "invalid_arguments"
    await client.views_open(trigger_id=slack.new_trigger(alice.id), view=view)


@needs_contract
async def test_a_whole_conversation_through_the_sdk_is_on_contract(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    client = client_of(slack)
    asked = await slack.say(alice, general, "tell me", mention=True)
    place: dict[str, Any] = {"channel": general.id, "thread_ts": asked.ts}
    await client.auth_test()
    await client.assistant_threads_setStatus(channel_id=general.id, thread_ts=asked.ts, status="is thinking…")
    answer = await client.chat_postMessage(**place, text="well", unfurl_links=False, unfurl_media=False)
    await client.chat_update(channel=general.id, ts=answer["ts"], markdown_text="**well**")
    started = await client.chat_startStream(**place, recipient_user_id=alice.id, recipient_team_id=slack.team_id)
    await client.chat_appendStream(channel=general.id, ts=started["ts"], markdown_text="and so on")
    await client.chat_stopStream(channel=general.id, ts=started["ts"])
    await client.chat_postEphemeral(channel=general.id, user=alice.id, text="psst")
    await client.conversations_replies(channel=general.id, ts=asked.ts, include_all_metadata=True, limit=15)
    await client.conversations_history(channel=general.id, oldest=asked.ts, inclusive=True)
    await client.users_conversations(types="public_channel,im")
    await client.conversations_info(channel=general.id)
    await client.conversations_open(users=alice.id)
    await client.users_info(user=alice.id)
    await client.reactions_add(channel=general.id, timestamp=asked.ts, name="eyes")
    await client.reactions_remove(channel=general.id, timestamp=asked.ts, name="eyes")
    await client.files_upload_v2(channel=general.id, content="x", filename="x.txt")
    await client.chat_delete(channel=general.id, ts=answer["ts"])
    assert (slack.complaints, off_contract(slack)) == ([], [])
