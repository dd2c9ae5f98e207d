"""The Web API's refusals: tokens, scopes, bodies, arguments, content, rate tiers; and faults ordered ahead."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from emulators.faults import Fault
from emulators.slack import Channel, SlackWorkspace, Timing, User
from tests.emulators.test_slack_contract import client_of, error_of


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorkspace]:
    async with SlackWorkspace(limits="none") as workspace:
        yield workspace


@pytest.fixture
def alice(slack: SlackWorkspace) -> User:
    return slack.add_user("alice")


@pytest.fixture
def general(slack: SlackWorkspace, alice: User) -> Channel:
    return slack.add_channel("general")


@pytest.fixture
def client(slack: SlackWorkspace) -> AsyncWebClient:
    return client_of(slack)


async def raw_call(
    slack: SlackWorkspace, method: str, data: Any, content_type: str, token: str | None = None
) -> tuple[int, dict[str, Any]]:
    """A call with a body the SDK would not send."""
    headers = {"Content-Type": content_type, "Authorization": f"Bearer {token or slack.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.url + method, data=data, headers=headers) as response,
    ):
        body: dict[str, Any] = await response.json()
        return response.status, body


async def test_who_am_i_and_where(slack: SlackWorkspace, client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == (slack.bot.id, slack.bot.bot_id, slack.team_id)
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


async def test_tokens_are_judged(slack: SlackWorkspace, client: AsyncWebClient) -> None:
    assert await error_of(client_of(slack, "").auth_test()) == "not_authed"
    assert await error_of(client_of(slack, "xoxb-wrong").auth_test()) == "invalid_auth"
    assert await error_of(client.apps_connections_open(app_token="xapp-wrong")) == "invalid_auth"
    assert await error_of(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    assert await error_of(client_of(slack, slack.app_token).team_info()) == "not_allowed_token_type"
    slack.auth_error = "token_revoked"
    assert await error_of(client.auth_test()) == "token_revoked"


async def test_a_token_may_be_an_argument_but_is_complained_of_in_a_query(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(slack.url + "auth.test", data={"token": slack.bot_token}) as response:
            assert (await response.json())["ok"]
        assert slack.complaints == []
        async with session.get(slack.url + "auth.test", params={"token": slack.bot_token}) as response:
            assert (await response.json())["ok"]
    assert slack.complaints == ["auth.test: a token in the query string"]


async def test_a_missing_scope_is_named(slack: SlackWorkspace, client: AsyncWebClient, general: Channel) -> None:
    slack.scopes -= {"chat:write", "channels:history"}
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=general.id, text="hi")
    answer = refusal.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")
    assert "users:read" in answer["provided"]
    assert answer.headers["x-accepted-oauth-scopes"] == "chat:write"
    assert await error_of(client.conversations_history(channel=general.id)) == "missing_scope"
    assert await error_of(client.chat_postMessage(channel=general.id, text="hi", username="X")) == "missing_scope"


async def test_an_unknown_method_is_refused_and_complained_of(slack: SlackWorkspace, client: AsyncWebClient) -> None:
    assert await error_of(client.api_call("chat.shout")) == "unknown_method"
    assert slack.complaints == ["chat.shout: a method this workspace does not know"]


async def test_an_unknown_argument_is_complained_of(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    await client.chat_postMessage(channel=general.id, text="hi", nonce="1")
    assert slack.complaints == ["chat.postMessage: unknown argument nonce"]


async def test_arguments_of_the_wrong_type_or_missing_are_invalid(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    with pytest.raises(SlackApiError) as refusal:
        await client.api_call("chat.postMessage", json={"text": 5, "unfurl_links": "maybe"})
    answer = refusal.value.response
    assert answer["error"] == "invalid_arguments"
    messages = " ".join(answer["response_metadata"]["messages"])
    assert "missing required field: channel" in messages
    assert "/text" in messages
    assert "/unfurl_links" in messages
    wrong = client.api_call("chat.postMessage", json={"channel": general.id, "text": "x", "thread_ts": 1602251441.0017})
    assert await error_of(wrong) == "invalid_arguments"
    assert await error_of(client.api_call("users.info", params={})) == "invalid_arguments"


async def test_bodies_are_read_as_slack_reads_them(slack: SlackWorkspace, general: Channel) -> None:
    fields = {"channel": general.id, "text": "a form", "unfurl_links": "false"}
    form = aiohttp.FormData(fields)
    as_json = json.dumps(fields | {"text": "json"})
    multipart = aiohttp.FormData(fields | {"text": "multipart"}, default_to_multipart=True)()
    for data, kind in [
        (form, "application/x-www-form-urlencoded"),
        (as_json, "application/json; charset=utf-8"),
        (multipart, multipart.headers["Content-Type"]),
    ]:
        assert (await raw_call(slack, "chat.postMessage", data, kind))[1]["ok"]
    assert [message.text for message in slack.bot_messages(general)] == ["a form", "json", "multipart"]
    assert slack.bot_messages(general)[0].unfurl_links is False


async def test_bodies_nobody_can_read_are_refused(slack: SlackWorkspace, general: Channel) -> None:
    cases = [
        ("chat.postMessage", "{", "application/json", "invalid_json"),
        ("chat.postMessage", "[1]", "application/json", "json_not_object"),
        ("chat.postMessage", "hello", "text/plain", "invalid_post_type"),
        ("users.info", '{"user": "U1"}', "application/json", "invalid_arguments"),
    ]
    for method, data, kind, error in cases:
        status, body = await raw_call(slack, method, data, kind)
        assert (status, body["ok"], body["error"]) == (200, False, error)
    _, body = await raw_call(slack, "chat.postMessage", f'{{"channel":"{general.id}","text":"x"}}', "application/json")
    assert body["warning"] == "missing_charset"


async def test_where_one_may_not_post(slack: SlackWorkspace, client: AsyncWebClient, general: Channel) -> None:
    outside, hidden = slack.add_channel("outside", bot=False), slack.add_channel("hidden", private=True, bot=False)
    for channel, error in [
        ("C404", "channel_not_found"),
        (outside.id, "not_in_channel"),
        (hidden.id, "channel_not_found"),
    ]:
        assert await error_of(client.chat_postMessage(channel=channel, text="hi")) == error
    slack.scopes.add("chat:write.public")
    await client.chat_postMessage(channel="#outside", text="let in")
    general.archived = True
    assert await error_of(client.chat_postMessage(channel=general.id, text="hi")) == "is_archived"


async def test_a_message_to_a_person_goes_to_their_direct_conversation(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User
) -> None:
    answer = await client.chat_postMessage(channel=alice.id, text="psst")
    assert answer["channel"] == slack.open_dm(alice).id


async def test_a_reply_goes_to_a_standing_parent_only(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    parent = await slack.say(alice, general, "question")
    reply = await client.chat_postMessage(channel=general.id, thread_ts=parent.ts, text="answer")
    assert reply["message"]["thread_ts"] == parent.ts
    assert reply["message"]["parent_user_id"] == alice.id
    assert [message.text for message in slack.messages(general, parent.ts)] == ["question", "answer"]
    for thread_ts, error in [
        ("1600000000.000001", "thread_not_found"),
        ("yesterday", "invalid_thread_ts"),
        (reply["ts"], "cannot_reply_to_message"),
    ]:
        assert await error_of(client.chat_postMessage(channel=general.id, thread_ts=thread_ts, text="hi")) == error
    assert "not its parent's" in slack.complaints[0]
    lonely = await slack.say(alice, general, "never mind")
    await slack.delete(lonely)
    gone = client.chat_postMessage(channel=general.id, thread_ts=lonely.ts, text="hi")
    assert await error_of(gone) == "thread_not_found"


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({}, "no_text"),
        ({"text": "  "}, "no_text"),
        ({"text": "x" * 4001}, "msg_too_long"),
        ({"markdown_text": "x" * 12001}, "msg_too_long"),
        ({"markdown_text": "x", "text": "x"}, "markdown_text_conflict"),
        ({"markdown_text": "x", "blocks": [SECTION]}, "markdown_text_conflict"),
        ({"text": "x", "blocks": "not json"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": {"type": "section"}}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "shout"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{**SECTION, "colour": "red"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{**SECTION, "block_id": "a"}] * 2}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "y" * 3001}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "y" * 151}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "y" * 6001}] * 2}, "msg_blocks_too_long"),
        ({"text": "x", "attachments": [{"text": "y"}] * 101}, "too_many_attachments"),
        ({"text": "x", "attachments": "no"}, "invalid_attachments"),
        ({"text": "x", "metadata": "no"}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_schema"),
        ({"text": "x", "metadata": {"event_type": "t", "event_payload": {"a": "y" * 16000}}}, "metadata_too_large"),
        ({"text": "x", "as_user": True}, "as_user_not_supported"),
    ],
)
async def test_content_slack_refuses(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel, content: dict[str, Any], error: str
) -> None:
    assert await error_of(client.api_call("chat.postMessage", json={"channel": general.id, **content})) == error
    assert slack.messages(general) == []


async def test_a_button_longer_than_slack_shows_is_refused(client: AsyncWebClient, general: Channel) -> None:
    def button(text: str, value: str) -> dict[str, Any]:
        label = {"type": "plain_text", "text": text}
        return {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": label, "value": value}]}

    for block in (button("x" * 76, "1"), button("x", "1" * 2001)):
        assert await error_of(client.chat_postMessage(channel=general.id, text="x", blocks=[block])) == "invalid_blocks"
    await client.chat_postMessage(channel=general.id, text="x", blocks=[button("x" * 75, "1" * 2000)])


async def test_an_update_changes_only_the_apps_own_standing_message(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    said = await slack.say(alice, general, "mine")
    ts = (await client.chat_postMessage(channel=general.id, text="one"))["ts"]
    await client.chat_update(channel=general.id, ts=ts, text="two")
    (message,) = slack.bot_messages(general)
    assert [state.text for state in message.states] == ["one", "two"]
    assert (message.edits, message.edited is not None) == (1, True)
    assert await error_of(client.chat_update(channel=general.id, ts=said.ts, text="x")) == "cant_update_message"
    assert await error_of(client.chat_update(channel=general.id, ts="1.000001", text="x")) == "message_not_found"
    assert await error_of(client.chat_update(channel=general.id, ts=ts, text="x" * 4001)) == "msg_too_long"
    assert await error_of(client.api_call("chat.update", json={"channel": general.id, "ts": ts})) == "no_text"
    assert await error_of(client.chat_delete(channel=general.id, ts=said.ts)) == "cant_delete_message"
    await client.chat_delete(channel=general.id, ts=ts)
    assert await error_of(client.chat_update(channel=general.id, ts=ts, text="x")) == "message_not_found"
    assert slack.bot_messages() == []


async def test_an_update_keeps_what_it_does_not_name(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    metadata = {"event_type": "part", "event_payload": {"turn": "1"}}
    posted = await client.chat_postMessage(
        channel=general.id, text="x", blocks=[SECTION], attachments=[{"text": "y", "fallback": "y"}], metadata=metadata
    )
    (message,) = slack.bot_messages(general)
    await client.api_call("chat.update", json={"channel": general.id, "ts": posted["ts"], "attachments": []})
    assert (bool(message.blocks), message.attachments, message.metadata) == (True, [], metadata)
    await client.chat_update(channel=general.id, ts=posted["ts"], text="only text")
    assert (message.blocks, message.metadata) == ([], metadata)
    await client.chat_update(channel=general.id, ts=posted["ts"], text="bare", metadata={})
    assert message.metadata is None


async def test_the_apps_own_posts_edits_and_deletions_come_back_as_events(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    ts = (await client.chat_postMessage(channel=general.id, text="one"))["ts"]
    await client.chat_update(channel=general.id, ts=ts, text="two")
    await client.chat_delete(channel=general.id, ts=ts)
    posted, changed, deleted = [delivery.event for delivery in slack.deliveries]
    assert (posted["bot_id"], posted["user"], "subtype" in posted) == (slack.bot.bot_id, slack.bot.id, False)
    assert (changed["subtype"], changed["message"]["bot_id"]) == ("message_changed", slack.bot.bot_id)
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_an_ephemeral_message_needs_both_in_the_channel(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    stranger = slack.add_user("stranger")
    await client.chat_postEphemeral(channel=general.id, user=alice.id, text="only you <!channel>")
    assert [(m.ephemeral_to, m.text) for m in slack.ephemerals] == [(alice.id, "only you <!channel>")]
    assert (slack.messages(general), slack.pings) == ([], [])
    refused = client.chat_postEphemeral(channel=general.id, user=stranger.id, text="x")
    assert await error_of(refused) == "user_not_in_channel"
    outside = slack.add_channel("outside", bot=False)
    refused = client.chat_postEphemeral(channel=outside.id, user=alice.id, text="x")
    assert await error_of(refused) == "not_in_channel"


async def test_reactions_once_each_and_with_names_that_exist(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    said = await slack.say(alice, general, "hi")
    await client.reactions_add(channel=general.id, timestamp=said.ts, name="eyes")
    assert said.reactions == {"eyes": [slack.bot.id]}
    for arguments, error in [
        ({"timestamp": said.ts, "name": "eyes"}, "already_reacted"),
        ({"timestamp": said.ts, "name": "no such!"}, "invalid_name"),
        ({"timestamp": "soon", "name": "eyes"}, "bad_timestamp"),
        ({"timestamp": "1600000000.000001", "name": "eyes"}, "message_not_found"),
    ]:
        assert await error_of(client.reactions_add(channel=general.id, **arguments)) == error
    await client.reactions_remove(channel=general.id, timestamp=said.ts, name="eyes")
    gone = client.reactions_remove(channel=general.id, timestamp=said.ts, name="eyes")
    assert await error_of(gone) == "no_reaction"
    assert said.reactions == {}


async def test_people_bots_and_the_team_can_be_looked_up(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    root = slack.add_user("root", admin=True, real_name="Ada Root")
    user = (await client.users_info(user=root.id))["user"]
    assert (user["is_admin"], user["profile"]["real_name"], "email" in user["profile"]) == (True, "Ada Root", False)
    bot = (await client.bots_info(bot=str(slack.bot.bot_id)))["bot"]
    assert (bot["user_id"], bot["app_id"]) == (slack.bot.id, slack.app_id)
    assert (await client.team_info())["team"]["id"] == slack.team_id
    assert await error_of(client.users_info(user="U404")) == "user_not_found"
    assert await error_of(client.bots_info(bot="B404")) == "bot_not_found"


async def test_a_home_tab_is_published_against_its_hash(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User
) -> None:
    view = {"type": "home", "blocks": [SECTION]}
    first = (await client.views_publish(user_id=alice.id, view=view))["view"]
    await client.views_publish(user_id=alice.id, view=view, hash=first["hash"])
    assert await error_of(client.views_publish(user_id=alice.id, view=view, hash=first["hash"])) == "hash_conflict"
    modal = {"type": "modal", "blocks": []}
    assert await error_of(client.views_publish(user_id=alice.id, view=modal)) == "invalid_arguments"
    assert slack.homes[alice.id]["hash"] != first["hash"]


# ---- limits


@pytest.fixture
async def busy() -> AsyncIterator[SlackWorkspace]:
    async with SlackWorkspace() as workspace:
        workspace.add_user("alice")
        workspace.add_channel("general")
        yield workspace


async def calls_until_limited(call: Any) -> tuple[int, SlackApiError]:
    """How many calls went through before the first 429."""
    for count in range(1000):
        try:
            await call()
        except SlackApiError as refusal:
            return count, refusal
    raise AssertionError("never limited")


@pytest.mark.parametrize(
    ("method", "arguments", "tier"),
    [
        ("conversations.info", {}, 50),
        ("chat.update", {"ts": "", "text": "x"}, 50),
        ("users.info", {"user": "U0PARLEY01"}, 100),
        ("reactions.remove", {"timestamp": "", "name": "x"}, 20),
    ],
)
async def test_a_tier_is_its_number_of_calls_a_minute(
    busy: SlackWorkspace, method: str, arguments: dict[str, str], tier: int
) -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=busy.bot_token, base_url=busy.url, session=session, retry_handlers=[])
        (channel,) = busy.channels.values()
        posted = await client.chat_postMessage(channel=channel.id, text="x")
        filled = {key: value or posted["ts"] for key, value in arguments.items()}
        count = 0
        while True:
            response = await _quiet(client, method, {"channel": channel.id, **filled})
            if response.status_code == 429:
                break
            count += 1
    assert count == tier
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert response["error"] == "ratelimited"


async def _quiet(client: AsyncWebClient, method: str, arguments: dict[str, str]) -> Any:
    """The answer, refusals included."""
    try:
        return await client.api_call(method, params=arguments)
    except SlackApiError as refusal:
        return refusal.response


async def test_one_message_a_second_may_be_posted_to_a_channel(busy: SlackWorkspace) -> None:
    client = client_of(busy)
    (channel,) = busy.channels.values()
    other = busy.add_channel("other")
    count, refusal = await calls_until_limited(lambda: client.chat_postMessage(channel=channel.id, text="x"))
    assert count == 1
    assert (refusal.response.status_code, refusal.response["error"]) == (429, "ratelimited")
    assert refusal.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel=other.id, text="x")
    await asyncio.sleep(1.0)
    await client.chat_postMessage(channel=channel.id, text="x")
    assert len(busy.bot_messages(channel)) == 2


async def test_what_was_refused_is_admitted_after_the_wait() -> None:
    async with SlackWorkspace(timing=Timing(rate_window=5.0)) as slack:
        client = client_of(slack)
        channel = slack.add_channel("general")
        _, refusal = await calls_until_limited(lambda: client.conversations_info(channel=channel.id))
        wait = int(refusal.response.headers["Retry-After"])
        assert 1 <= wait <= 5
        await asyncio.sleep(wait)
        await client.conversations_info(channel=channel.id)


# ---- faults


async def test_ordered_faults_happen_once_each(slack: SlackWorkspace, client: AsyncWebClient, general: Channel) -> None:
    limited = Fault(status=429, headers={"Retry-After": "2"}, body={"ok": False, "error": "ratelimited"})
    slack.faults.add("chat.postMessage", Fault(status=503, body="<html>down</html>"), limited, Fault(kind="reset"))
    slack.faults.add("chat.postMessage", Fault(kind="lost_reply"), Fault(kind="delay", seconds=0.1))
    with pytest.raises(SlackApiError) as down:
        await client.chat_postMessage(channel=general.id, text="1")
    assert down.value.response.status_code == 503
    with pytest.raises(SlackApiError) as full:
        await client.chat_postMessage(channel=general.id, text="2")
    assert full.value.response.headers["Retry-After"] == "2"
    for text in ("3", "4"):
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=general.id, text=text)
    before = time.monotonic()
    await client.chat_postMessage(channel=general.id, text="5")
    assert time.monotonic() - before >= 0.1
    assert [message.text for message in slack.bot_messages(general)] == ["4", "5"]
    assert [request.status for request in slack.requests] == [503, 429, 0, 0, 200]


async def test_a_failed_wait_tells_the_state(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    await slack.say(alice, general, "is anybody there?")
    with pytest.raises(AssertionError, match="is anybody there"):
        await slack.wait_for(lambda: slack.bot_messages(general), timeout=0.05)
