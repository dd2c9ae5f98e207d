"""Threads that the bot begins at a message, and files that it posts: once, where they belong, refusals told apart."""

from __future__ import annotations

import asyncio

import pytest

from bot.capabilities import FindsFiles, OpensThreads, RenewsFiles, TakesFilesBack, Uploads
from bot.errors import DeliveryRefused, MessageGone
from bot.interactions import OutgoingFile
from bot.messages import Address, PartKey, Reply
from emulators.discord import DiscordServer, Message, Permission
from emulators.discord.state import Upload
from emulators.faults import Fault
from tests.discord.support import QUICK, address_of, bodies, running

BEGIN = "POST /channels/{channel_id}/messages/{message_id}/threads"
DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"
POST = "POST /channels/{channel_id}/messages"
CHART = OutgoingFile("usage.png", "image/png", b"\x89PNG" + bytes(5_000), "A chart of what was asked in March")


def in_thread_of(message: Message) -> Address:
    """The conversation in the thread at a message."""
    at = address_of(message.channel)
    return Address(at.platform, at.workspace, at.channel, str(message.id))


async def test_a_thread_is_begun_once_by_two_tries_and_the_conversation_goes_on_in_it() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, desk):
            assert isinstance(adapter, OpensThreads)
            question = await server.say(ada, channel, "what is a monad?", mention=True)
            here, number = address_of(channel), str(question.id)
            await asyncio.gather(*(adapter.open_thread(here, number, "what is a monad?") for _ in range(2)))
            await adapter.open_thread(here, number, "what is a monad?")
            there = in_thread_of(question)
            await adapter.send(there, Reply("A monoid."), PartKey("t1", 1), reply_to=number)
            thread = question.thread
            assert thread is not None
            assert [m.content for m in server.bot_messages(thread)] == ["A monoid."]
            await server.say(ada, channel, "and a functor?", thread=thread)
            await desk.until(lambda: len(desk.messages) == 2)
            history = await adapter.fetch_history(there)
    assert server.bot_messages(channel) == []
    assert thread.name == "what is a monad?"
    assert thread.auto_archive_duration == 1440
    assert desk.messages[1].address == there
    assert [message.text for message in history] == ["what is a monad?", "A monoid.", "and a functor?"]
    assert server.complaints == []


@pytest.mark.parametrize(
    ("name", "called"), [("x" * 300, "x" * 100), ("  two\n\nlines ", "two lines"), (" \n", "Conversation")]
)
async def test_a_threads_name_is_made_to_fit(name: str, called: str) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, _):
            question = await server.say(ada, channel, "hello", mention=True)
            await adapter.open_thread(address_of(channel), str(question.id), name)
    assert question.thread is not None
    assert question.thread.name == called


async def test_where_no_thread_can_be_begun_that_is_told() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        dm = server.open_dm(ada)
        async with running(server) as (adapter, _):
            for place in (dm, thread):
                said = await server.say(ada, place, "hello", mention=True)
                with pytest.raises(DeliveryRefused) as refused:
                    await adapter.open_thread(address_of(place), str(said.id), "x")
                assert refused.value.code == "50024"
            gone = await server.say(ada, channel, "hello", mention=True)
            await server.delete(gone)
            with pytest.raises(MessageGone):
                await adapter.open_thread(address_of(channel), str(gone.id), "x")
            said = await server.say(ada, channel, "hello", mention=True)
            server.deny(channel, Permission.CREATE_PUBLIC_THREADS)
            with pytest.raises(DeliveryRefused) as refused:
                await adapter.open_thread(address_of(channel), str(said.id), "x")
            assert refused.value.code == "50013"
    assert said.thread is None


async def test_a_file_is_posted_into_a_channel_and_a_thread_with_what_is_on_it() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        async with running(server) as (adapter, _):
            assert isinstance(adapter, Uploads)
            await adapter.upload(address_of(channel), CHART, "March, for @everyone and <@&1>:")
            await adapter.upload(address_of(thread), CHART)
    (here,), (there,) = server.bot_messages(channel), server.bot_messages(thread)
    assert here.content.startswith("March")
    assert there.content == ""
    for message in (here, there):
        (attachment,) = message.attachments
        assert (attachment.filename, attachment.data, attachment.content_type) == (CHART.name, CHART.data, "image/png")
        assert attachment.description == CHART.description
    assert server.bot_pings == []
    assert server.complaints == []


async def test_a_file_whose_posting_got_no_answer_is_not_posted_twice() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            server.faults.add(POST, Fault("answer", status=502))
            server.faults.add(POST, Fault("lost_reply"))
            await adapter.upload(address_of(channel), CHART)
        assert len(server.bot_messages(channel)) == 1


async def test_a_file_that_may_not_be_posted_is_refused() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel = server.add_channel("general")
        server.deny(channel, Permission.ATTACH_FILES)
        async with running(server) as (adapter, _):
            with pytest.raises(DeliveryRefused) as refused:
                await adapter.upload(address_of(channel), CHART)
        assert refused.value.code == "50013"
        assert server.bot_messages(channel) == []
        assert bodies(server, "GET", "/messages") == []


async def test_a_file_is_posted_once_for_its_key_and_found_by_its_name() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, _):
            assert isinstance(adapter, FindsFiles)
            question = await server.say(ada, channel, "draw", mention=True)
            here, before = address_of(channel), str(question.id)
            assert not await adapter.find_file(here, CHART.name, before)
            ids = {await adapter.upload(here, CHART, key=PartKey("t1/usage.png", 1)) for _ in range(2)}
            assert {await adapter.find_file(here, CHART.name, before)} == ids
            assert not await adapter.find_file(here, "other.png", before)
            [posted] = server.bot_messages(channel)
            assert not await adapter.find_file(here, CHART.name, str(posted.id))
    assert server.complaints == []


async def test_a_file_is_taken_back_with_its_message_and_one_that_is_gone_is_no_trouble() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            assert isinstance(adapter, TakesFilesBack)
            here = address_of(channel)
            file_id = await adapter.upload(here, CHART)
            server.faults.add(DELETE, Fault("answer", 403, body={"code": 50013, "message": "Missing Permissions"}))
            with pytest.raises(DeliveryRefused) as refused:
                await adapter.take_file_back(here, file_id, None)
            assert refused.value.code == "50013"
            for _ in range(2):
                await adapter.take_file_back(here, file_id, None)
        assert server.bot_messages(channel) == []
    assert server.complaints == []


async def test_a_file_whose_posting_is_answered_without_an_id_is_not_posted_twice() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            server.faults.add(POST, Fault("answer", 200, body={"content": ""}))
            file_id = await adapter.upload(address_of(channel), CHART)
        [posted] = server.bot_messages(channel)
        assert file_id == str(posted.id)


async def test_a_persons_file_of_the_same_name_is_not_taken_for_ours() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, _):
            await server.say(ada, channel, "look", attachments=[Upload(CHART.name, CHART.data)])
            assert isinstance(adapter, FindsFiles)
            assert not await adapter.find_file(address_of(channel), CHART.name, None)


async def test_a_files_address_that_has_expired_is_had_anew_also_at_the_head_of_a_thread() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, _):
            assert isinstance(adapter, RenewsFiles)
            said = await server.say(ada, channel, "look", attachments=[Upload("a.txt", b"words")])
            [file] = said.attachments
            old, file.expires = file.url, 0.0
            for place in (address_of(channel), in_thread_of(said)):
                [now] = await adapter.files_now(place, str(said.id))
                assert now.url == file.url != old
                assert await adapter.read_file(now, 10) == b"words"
