"""Text while it is written: streams with their states, the status line, and what is posted to a response_url."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from emulators.slack import Channel, Message, SlackWorkspace, Timing, User
from emulators.slack.state import ResponseUrl
from tests.emulators.test_slack_contract import client_of, error_of

SHORT = Timing(stream_life=0.6, status_life=0.2, response_url_life=0.2)
short_lived = pytest.mark.parametrize("slack", [SHORT], indirect=True)


@pytest.fixture
async def slack(request: pytest.FixtureRequest) -> AsyncIterator[SlackWorkspace]:
    async with SlackWorkspace(limits="none", timing=getattr(request, "param", Timing())) as workspace:
        yield workspace


@pytest.fixture
def alice(slack: SlackWorkspace) -> User:
    return slack.add_user("alice")


@pytest.fixture
def general(slack: SlackWorkspace, alice: User) -> Channel:
    return slack.add_channel("general")


@pytest.fixture
async def question(slack: SlackWorkspace, alice: User, general: Channel) -> Message:
    return await slack.say(alice, general, "tell me a tale", mention=True)


@pytest.fixture
def client(slack: SlackWorkspace) -> AsyncWebClient:
    return client_of(slack)


async def begin(
    client: AsyncWebClient, slack: SlackWorkspace, question: Message, text: str = "Once "
) -> dict[str, Any]:
    """Start a stream in the question's thread; its channel and ts."""
    answer = await client.chat_startStream(
        channel=question.channel,
        thread_ts=question.ts,
        markdown_text=text,
        recipient_user_id=question.user,
        recipient_team_id=slack.team_id,
    )
    return {"channel": question.channel, "ts": answer["ts"]}


async def test_a_stream_grows_and_ends_as_one_message(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    at = await begin(client, slack, question)
    (message,) = slack.bot_messages(general, question.ts)
    assert message.streaming
    await client.chat_appendStream(**at, markdown_text="upon a ")
    await client.chat_appendStream(**at, chunks=[{"type": "markdown_text", "text": "time"}])
    assert (await client.conversations_replies(channel=general.id, ts=question.ts))["messages"][1]["text"] == (
        "Once upon a time"
    )
    button = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
    metadata = {"event_type": "part", "event_payload": {"turn": "1"}}
    await client.chat_stopStream(
        **at, markdown_text=".", blocks=[{"type": "actions", "elements": [button]}], metadata=metadata
    )
    assert (message.streaming, message.metadata, slack.visible_text(message)) == (False, metadata, "Once upon a time.")
    assert [block["type"] for block in message.blocks] == ["markdown", "actions"]
    assert [state.text for state in message.states] == [
        "Once ",
        "Once upon a ",
        "Once upon a time",
        "Once upon a time.",
    ]
    assert [d.event.get("subtype") for d in slack.deliveries if d.event.get("bot_id")] == [None]
    assert slack.deliveries[-1].event["subtype"] == "message_changed"


async def test_the_sdks_own_stream_is_understood(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    stream = await client.chat_stream(
        channel=general.id,
        thread_ts=question.ts,
        recipient_user_id=question.user,
        recipient_team_id=slack.team_id,
        buffer_size=4,
    )
    for word in ("Once ", "upon ", "a ", "time"):
        await stream.append(markdown_text=word)
    await stream.stop()
    (message,) = slack.bot_messages(general, question.ts)
    assert (slack.visible_text(message), slack.complaints) == ("Once upon a time", [])


async def test_while_it_streams_a_message_cannot_be_updated(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message
) -> None:
    at = await begin(client, slack, question)
    assert await error_of(client.chat_update(**at, text="changed")) == "streaming_state_conflict"
    await client.chat_stopStream(**at)
    await client.chat_update(**at, text="changed")


async def test_a_finished_stream_takes_no_more(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message
) -> None:
    at = await begin(client, slack, question)
    await client.chat_stopStream(**at)
    assert await error_of(client.chat_appendStream(**at, markdown_text="x")) == "message_not_in_streaming_state"
    assert await error_of(client.chat_stopStream(**at)) == "message_not_in_streaming_state"
    posted = await client.chat_postMessage(channel=question.channel, text="no stream")
    never = client.chat_appendStream(channel=question.channel, ts=posted["ts"], markdown_text="x")
    assert await error_of(never) == "message_not_in_streaming_state"
    foreign = client.chat_appendStream(channel=question.channel, ts=question.ts, markdown_text="x")
    assert await error_of(foreign) == "message_not_owned_by_app"


@short_lived
async def test_a_stream_dies_of_age_though_it_is_appended_to_and_can_then_be_updated(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message
) -> None:
    at = await begin(client, slack, question)
    for _ in range(2):
        await asyncio.sleep(0.1)
        await client.chat_appendStream(**at, markdown_text="and ")
    await asyncio.sleep(0.45)
    assert await error_of(client.chat_appendStream(**at, markdown_text="x")) == "message_not_in_streaming_state"
    assert await error_of(client.chat_stopStream(**at)) == "message_not_in_streaming_state"
    await client.chat_update(**at, text="the whole tale")


async def test_a_stream_the_user_stopped_says_so(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    at = await begin(client, slack, question)
    await slack.stop_stream(slack.bot_messages(general, question.ts)[0])
    assert await error_of(client.chat_appendStream(**at, markdown_text="x")) == "stopped_by_user"


async def test_a_stream_holds_twelve_thousand_characters_in_all(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    at = await begin(client, slack, question, "x" * 11_000)
    assert await error_of(client.chat_appendStream(**at, markdown_text="x" * 1_001)) == "msg_too_long"
    await client.chat_appendStream(**at, markdown_text="x" * 1_000)
    assert await error_of(client.chat_stopStream(**at, markdown_text="x")) == "msg_too_long"
    assert slack.bot_messages(general)[0].streaming


async def test_recipients_are_needed_in_channels_and_not_in_direct_messages(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, question: Message
) -> None:
    at: dict[str, Any] = {"channel": question.channel, "thread_ts": question.ts}
    assert await error_of(client.chat_startStream(**at)) == "missing_recipient_user_id"
    assert await error_of(client.chat_startStream(**at, recipient_user_id=alice.id)) == "missing_recipient_team_id"
    wrong = client.chat_startStream(**at, recipient_user_id="U404", recipient_team_id=slack.team_id)
    assert await error_of(wrong) == "user_not_found"
    dm = slack.open_dm(alice)
    asked = await slack.say(alice, dm, "psst")
    await client.chat_startStream(channel=dm.id, thread_ts=asked.ts)


@pytest.mark.parametrize(
    "chunk",
    [
        "text",
        {"type": "song", "text": "la"},
        {"type": "markdown_text"},
        {"type": "markdown_text", "text": ""},
        {"type": "task_update", "id": "1", "title": "t", "status": "lost"},
        {"type": "plan_update", "title": "t", "colour": "red"},
    ],
)
async def test_chunks_are_judged(slack: SlackWorkspace, client: AsyncWebClient, question: Message, chunk: Any) -> None:
    at = await begin(client, slack, question)
    assert await error_of(client.chat_appendStream(**at, chunks=[chunk])) == "invalid_chunks"


async def test_an_append_needs_text(slack: SlackWorkspace, client: AsyncWebClient, question: Message) -> None:
    at = await begin(client, slack, question)
    assert await error_of(client.chat_appendStream(**at, markdown_text="")) == "no_text"
    await client.chat_appendStream(
        **at, chunks=[{"type": "task_update", "id": "1", "title": "Looking", "status": "in_progress"}]
    )


async def test_a_ping_in_a_stream_is_noticed(slack: SlackWorkspace, client: AsyncWebClient, question: Message) -> None:
    at = await begin(client, slack, question)
    await client.chat_appendStream(**at, markdown_text="<!he")
    assert slack.pings == []
    await client.chat_appendStream(**at, markdown_text="re> look")
    assert [ping.kind for ping in slack.crowd_pings] == ["here"]


# ---- status


async def test_a_status_shows_until_it_is_cleared_or_something_is_posted(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    async def think(status: str) -> None:
        await client.assistant_threads_setStatus(channel_id=general.id, thread_ts=question.ts, status=status)

    await think("is thinking…")
    assert slack.status(general, question.ts) == "is thinking…"
    await think("")
    assert slack.status(general, question.ts) == ""
    await think("is writing…")
    await client.chat_postMessage(channel=general.id, thread_ts=question.ts, text="done")
    assert (slack.status(general, question.ts), slack.statuses[-1].cleared_by) == ("", "post")


@short_lived
async def test_a_status_fades(
    slack: SlackWorkspace, client: AsyncWebClient, question: Message, general: Channel
) -> None:
    await client.assistant_threads_setStatus(channel_id=general.id, thread_ts=question.ts, status="is sleeping…")
    await asyncio.sleep(0.25)
    assert slack.status(general, question.ts) == ""


async def test_a_status_needs_a_thread_and_at_most_ten_lines(client: AsyncWebClient, question: Message) -> None:
    nowhere = client.assistant_threads_setStatus(channel_id=question.channel, thread_ts="1.000001", status="x")
    assert await error_of(nowhere) == "invalid_thread_ts"
    nobody = client.assistant_threads_setStatus(channel_id="C404", thread_ts=question.ts, status="x")
    assert await error_of(nobody) == "channel_not_found"
    chatty = client.assistant_threads_setStatus(
        channel_id=question.channel, thread_ts=question.ts, status="x", loading_messages=["…"] * 11
    )
    assert await error_of(chatty) == "invalid_arguments"


# ---- response_url


async def test_a_response_url_takes_five_posts(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    hook = AsyncWebhookClient(slack.new_response_url(ResponseUrl(alice.id, general.id, None, None)))
    assert (await hook.send(text="quietly")).body == "ok"
    assert (await hook.send(text="loudly", response_type="in_channel")).status_code == 200
    refused = await hook.send(text="x" * 4001)
    assert (refused.status_code, '"msg_too_long"' in refused.body) == (400, True)
    for number in range(3):
        assert (await hook.send(text=f"{number}")).status_code == 200
    sixth = await hook.send(text="once too often")
    assert (sixth.status_code, '"used_url"' in sixth.body) == (404, True)
    assert [message.text for message in slack.ephemerals] == ["quietly", "0", "1", "2"]
    assert [message.text for message in slack.bot_messages(general)] == ["loudly"]


@short_lived
async def test_a_response_url_expires(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    hook = AsyncWebhookClient(slack.new_response_url(ResponseUrl(alice.id, general.id, None, None)))
    await asyncio.sleep(0.25)
    late = await hook.send(text="late")
    assert (late.status_code, '"expired_url"' in late.body) == (404, True)


async def test_a_response_url_replaces_and_deletes_its_message(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    await client.chat_postMessage(channel=general.id, text="choose")
    (message,) = slack.bot_messages(general)
    hook = AsyncWebhookClient(slack.new_response_url(ResponseUrl(alice.id, general.id, message.ts, None)))
    await hook.send(text="chosen", replace_original=True)
    assert message.text == "chosen"
    await hook.send(delete_original=True)
    assert slack.bot_messages(general) == []
    assert (await hook.send(text="again", delete_original=True)).status_code == 200


async def test_nonsense_to_a_response_url_is_refused(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    url = slack.new_response_url(ResponseUrl(alice.id, general.id, None, None))
    async with aiohttp.ClientSession() as session:
        for target, data, status in [(url, b"{", 400), (url, b"[]", 400), (url + "0", b"{}", 404), (url, b"{}", 400)]:
            async with session.post(target, data=data) as response:
                assert response.status == status
        async with session.post(url, json={"text": "x", "volume": 11}) as response:
            assert response.status == 200
    assert slack.complaints == ["response_url: unknown argument volume"]
