"""What the app reads: history and threads by pages and bounds, metadata, conversations, files up and down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import Channel, Message, SlackWorkspace, Upload, User
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
    return slack.add_channel("general", topic="All and sundry")


@pytest.fixture
def client(slack: SlackWorkspace) -> AsyncWebClient:
    return client_of(slack)


async def thread_of(slack: SlackWorkspace, alice: User, channel: Channel, replies: int) -> list[Message]:
    """A parent and its replies."""
    parent = await slack.say(alice, channel, "parent")
    return [parent] + [await slack.say(alice, channel, f"reply {n}", thread_ts=parent.ts) for n in range(replies)]


def texts(answer: Any) -> list[str]:
    """The texts of the messages of an answer."""
    return [message["text"] for message in answer["messages"]]


async def test_history_is_newest_first_and_comes_in_pages(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    for number in range(7):
        await slack.say(alice, general, f"line {number}")
    pages, cursor = [], ""
    while True:
        page = await client.conversations_history(channel=general.id, limit=3, cursor=cursor)
        pages.append(texts(page))
        if not page["has_more"]:
            break
        cursor = page["response_metadata"]["next_cursor"]
    assert pages == [["line 6", "line 5", "line 4"], ["line 3", "line 2", "line 1"], ["line 0"]]


async def test_history_is_bounded_by_oldest_and_latest(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    lines = [await slack.say(alice, general, f"line {number}") for number in range(5)]
    bounds: dict[str, Any] = {"channel": general.id, "oldest": lines[1].ts, "latest": lines[3].ts}
    assert texts(await client.conversations_history(**bounds)) == ["line 2"]
    assert texts(await client.conversations_history(**bounds, inclusive=True)) == ["line 3", "line 2", "line 1"]
    assert await error_of(client.conversations_history(channel=general.id, oldest="noon")) == "invalid_ts_oldest"
    assert await error_of(client.conversations_history(channel=general.id, latest="noon")) == "invalid_ts_latest"
    assert await error_of(client.conversations_history(channel=general.id, cursor="noon")) == "invalid_cursor"
    assert await error_of(client.conversations_history(channel=general.id, limit=1000)) == "invalid_arguments"


async def test_history_shows_threads_by_their_parents_and_broadcasts(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    thread = await thread_of(slack, alice, general, 2)
    await client.chat_postMessage(channel=general.id, text="for all", thread_ts=thread[0].ts, reply_broadcast=True)
    history = await client.conversations_history(channel=general.id)
    assert texts(history) == ["for all", "parent"]
    broadcast, parent = history["messages"]
    assert broadcast["subtype"] == "thread_broadcast"
    assert (parent["reply_count"], parent["thread_ts"], parent["latest_reply"]) == (3, thread[0].ts, broadcast["ts"])


async def test_replies_are_oldest_first_with_the_parent_on_each_page(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    thread = await thread_of(slack, alice, general, 5)
    first = await client.conversations_replies(channel=general.id, ts=thread[0].ts, limit=3)
    assert texts(first) == ["parent", "reply 0", "reply 1"]
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_replies(channel=general.id, ts=thread[0].ts, limit=3, cursor=cursor)
    assert texts(second) == ["parent", "reply 2", "reply 3"]
    slack.parent_on_every_page = False
    second = await client.conversations_replies(channel=general.id, ts=thread[0].ts, limit=3, cursor=cursor)
    assert (texts(second), second["has_more"]) == (["reply 2", "reply 3", "reply 4"], False)


async def test_replies_after_a_moment_still_start_with_the_parent(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    thread = await thread_of(slack, alice, general, 3)
    answer = await client.conversations_replies(channel=general.id, ts=thread[0].ts, oldest=thread[2].ts)
    assert texts(answer) == ["parent", "reply 2"]
    assert answer["messages"][1]["parent_user_id"] == alice.id


async def test_replies_of_a_reply_or_of_nothing(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    thread = await thread_of(slack, alice, general, 2)
    assert texts(await client.conversations_replies(channel=general.id, ts=thread[1].ts)) == ["reply 0"]
    assert (
        await error_of(client.conversations_replies(channel=general.id, ts="1600000000.000001")) == "thread_not_found"
    )
    await slack.delete(thread[2])
    assert texts(await client.conversations_replies(channel=general.id, ts=thread[0].ts)) == ["parent", "reply 0"]


async def test_metadata_is_read_back_only_when_asked_for(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    metadata = {"event_type": "reply_part", "event_payload": {"turn": "t1", "part": "0"}}
    ts = (await client.chat_postMessage(channel=general.id, text="x", metadata=metadata))["ts"]
    places: list[tuple[str, dict[str, str]]] = [("conversations.history", {}), ("conversations.replies", {"ts": ts})]
    for method, place in places:
        arguments = {"channel": general.id, **place}
        plain = await client.api_call(method, http_verb="GET", params=arguments)
        full = await client.api_call(method, http_verb="GET", params=arguments | {"include_all_metadata": "true"})
        assert "metadata" not in plain["messages"][0]
        assert full["messages"][0]["metadata"] == metadata


async def test_a_channel_the_app_is_not_in_cannot_be_read(slack: SlackWorkspace, client: AsyncWebClient) -> None:
    outside = slack.add_channel("outside", bot=False)
    assert await error_of(client.conversations_history(channel=outside.id)) == "not_in_channel"
    assert await error_of(client.conversations_replies(channel="C404", ts="1.000001")) == "channel_not_found"
    assert (await client.conversations_info(channel=outside.id))["channel"]["is_member"] is False


async def test_the_apps_conversations_are_listed_by_kind_and_page(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    secret, dm = slack.add_channel("secret", private=True), slack.open_dm(alice)
    slack.add_channel("outside", bot=False)
    assert [c["id"] for c in (await client.users_conversations())["channels"]] == [general.id]
    kinds = "public_channel,private_channel,im,mpim"
    found, cursor = [], ""
    while True:
        page = await client.users_conversations(types=kinds, limit=2, cursor=cursor)
        found += [channel["id"] for channel in page["channels"]]
        if not (cursor := page["response_metadata"]["next_cursor"]):
            break
    assert found == [general.id, secret.id, dm.id]
    assert await error_of(client.users_conversations(types="town_square")) == "invalid_types"
    assert await error_of(client.users_conversations(limit=0)) == "invalid_limit"
    slack.scopes.discard("groups:read")
    assert await error_of(client.users_conversations(types=kinds)) == "missing_scope"


async def test_a_conversation_is_described(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    described = (await client.conversations_info(channel=general.id, include_num_members=True))["channel"]
    assert (described["name"], described["topic"]["value"], described["num_members"]) == (
        "general",
        "All and sundry",
        2,
    )
    dm = (await client.conversations_info(channel=slack.open_dm(alice).id))["channel"]
    assert (dm["is_im"], dm["user"]) == (True, alice.id)


async def test_a_direct_conversation_is_opened_once(slack: SlackWorkspace, client: AsyncWebClient, alice: User) -> None:
    bob = slack.add_user("bob")
    first = await client.conversations_open(users=alice.id)
    again = await client.conversations_open(users=[alice.id], return_im=True)
    assert first["channel"]["id"] == again["channel"]["id"]
    assert again["already_open"]
    assert again["channel"]["user"] == alice.id
    assert await error_of(client.conversations_open(users="U404")) == "user_not_found"
    slack.scopes.add("mpim:write")
    group = await client.conversations_open(users=[alice.id, bob.id])
    assert slack.channels[group["channel"]["id"]].kind == "mpim"


async def test_a_file_a_person_attached_is_downloaded_with_the_token_only(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    await slack.say(alice, general, "read this", files=[Upload("notes.md", b"# Notes", "text/markdown")])
    (shared,) = (await client.conversations_history(channel=general.id))["messages"]
    (file,) = shared["files"]
    assert (shared["subtype"], file["name"], file["mimetype"], file["size"]) == (
        "file_share",
        "notes.md",
        "text/markdown",
        7,
    )
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with aiohttp.ClientSession() as session:
        for url in (file["url_private"], file["url_private_download"]):
            async with session.get(url, headers=headers) as response:
                assert (response.content_type, await response.read()) == ("text/markdown", b"# Notes")
            async with session.get(url) as response:
                assert (response.status, response.content_type) == (200, "text/html")
                assert b"Sign in" in await response.read()
        slack.scopes.discard("files:read")
        async with session.get(file["url_private"], headers=headers) as response:
            assert response.content_type == "text/html"


async def test_a_file_is_uploaded_in_three_steps_and_shared_in_the_thread(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    asked = await slack.say(alice, general, "send me the log")
    await client.files_upload_v2(
        channel=general.id, thread_ts=asked.ts, content="a log", filename="run.log", title="Run", initial_comment="Here"
    )
    (message,) = slack.bot_messages(general, asked.ts)
    assert (message.text, message.subtype) == ("Here", "file_share")
    assert (message.files[0].name, message.files[0].title, message.files[0].data) == ("run.log", "Run", b"a log")
    assert slack.complaints == []


async def test_an_upload_must_be_as_long_as_announced_and_done_before_it_is_completed(
    slack: SlackWorkspace, client: AsyncWebClient, general: Channel
) -> None:
    announced = await client.files_getUploadURLExternal(filename="a.txt", length=5)
    files: Any = [{"id": announced["file_id"], "title": "a"}]
    early = client.files_completeUploadExternal(files=files, channel_id=general.id)
    assert await error_of(early) == "file_not_found"
    async with aiohttp.ClientSession() as session:
        async with session.post(announced["upload_url"], data=b"too long by far") as response:
            assert response.status == 400
        form = aiohttp.FormData()
        form.add_field("file", b"12345", filename="a.txt")
        async with session.post(announced["upload_url"], data=form) as response:
            assert await response.text() == "OK - 5"
    outside = slack.add_channel("outside", bot=False)
    refused = client.files_completeUploadExternal(files=files, channel_id=outside.id)
    assert await error_of(refused) == "not_in_channel"
    done = await client.files_completeUploadExternal(files=files, channel_id=general.id)
    assert done["files"][0]["id"] == announced["file_id"]
    twice = client.files_completeUploadExternal(files=files, channel_id=general.id)
    assert await error_of(twice) == "file_not_found"


async def test_a_deleted_file_leaves_its_id_alone_where_it_was_shared(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    asked = await slack.say(alice, general, "send me the log")
    await client.files_upload_v2(channel=general.id, thread_ts=asked.ts, content="a log", filename="run.log")
    [message] = slack.bot_messages(general)
    [file] = message.files
    assert (await client.files_delete(file=file.id))["ok"]
    page = await client.conversations_replies(channel=general.id, ts=asked.ts)
    assert page["messages"][1]["files"] == [{"id": file.id, "mode": "tombstone"}]
    assert await error_of(client.files_delete(file=file.id)) == "file_deleted"
    await client.chat_delete(channel=general.id, ts=message.ts)
    assert slack.bot_messages(general) == []


async def test_only_ones_own_files_are_deleted_and_only_those_in_sight_are_known(
    slack: SlackWorkspace, client: AsyncWebClient, alice: User, general: Channel
) -> None:
    outside = slack.add_channel("outside", bot=False)
    mine = await slack.say(alice, general, "mine", files=[Upload("a.txt", b"a")])
    hidden = await slack.say(alice, outside, "hidden", files=[Upload("b.txt", b"b")])
    announced = await client.files_getUploadURLExternal(filename="c.txt", length=1)
    for file, error in (
        (mine.files[0].id, "cant_delete_file"),
        (hidden.files[0].id, "file_not_found"),
        (announced["file_id"], "file_not_found"),
        ("F0NEVER", "file_not_found"),
    ):
        assert await error_of(client.files_delete(file=file)) == error
    slack.scopes.discard("files:write")
    assert await error_of(client.files_delete(file=mine.files[0].id)) == "missing_scope"
