"""Threads of the emulated Discord, made and followed by the real discord.py."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from emulators.discord import Channel, DiscordServer, Permission
from tests.emulators.discord_clients import connected


def where(client: discord.Client, channel: Channel) -> discord.TextChannel:
    """The channel as the client knows it."""
    found = client.get_channel(channel.id)
    assert isinstance(found, discord.TextChannel)
    return found


async def test_a_thread_on_a_message_has_its_id_and_is_followed_without_mentions() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            question = await server.say(alice, channel, "how?", mention=True)
            asked = await client.next_message()
            thread = await asked.create_thread(name="how?", auto_archive_duration=1440)
            assert thread.id == question.id
            await thread.send("like this")
            made = server.world.channels[thread.id]
            assert (made.parent, made.auto_archive_duration, made.owner) == (channel, 1440, server.bot)
            assert [m.content for m in server.bot_messages(made)] == ["like this"]
            await client.heard_of("thread_create")
            await server.say(alice, channel, "and then?", thread=made)
            heard = [await client.next_message() for _ in range(3)]
            assert [m.type for m in heard] == [
                discord.MessageType.thread_starter_message,
                discord.MessageType.default,
                discord.MessageType.default,
            ]
            assert isinstance(heard[2].channel, discord.Thread)
            assert heard[2].channel.parent == asked.channel
            assert made.members.keys() == {server.bot.id, alice.id}
    assert server.complaints == []


async def test_a_message_has_only_one_thread() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            question = await server.say(alice, channel, "how?")
            await server.start_thread(alice, channel, "by alice", question)
            asked = await client.next_message()
            with pytest.raises(discord.HTTPException) as caught:
                await asked.create_thread(name="too late")
            assert (caught.value.status, caught.value.code) == (400, 160004)
            again = await where(client, channel).fetch_message(question.id)
            assert again.thread is not None
            assert again.thread.name == "by alice"
    assert server.complaints == []


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ({"name": "x" * 101}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "auto_archive_duration": 61}, "auto_archive"),
    ],
)
async def test_names_and_durations_are_checked(what: dict[str, Any], path: str) -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            with pytest.raises(discord.HTTPException) as caught:
                await where(client, channel).create_thread(type=discord.ChannelType.public_thread, **what)
            assert caught.value.code == 50035
            assert f"In {path}" in caught.value.text


async def test_threads_without_a_message_are_announced_in_the_channel_unless_private() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            await where(client, channel).create_thread(name="open", type=discord.ChannelType.public_thread)
            await where(client, channel).create_thread(name="closed")
            assert [c.type for c in server.world.channels.values() if c.is_thread] == [11, 12]
            assert [(m.type, m.content) for m in server.messages(channel)] == [(18, "open")]


async def test_a_user_thread_reaches_the_client_at_start_and_later() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        early = await server.start_thread(alice, channel, "early")
        async with connected(server) as client:
            assert [t.name for t in where(client, channel).threads] == ["early"]
            late = await server.start_thread(alice, channel, "late")
            await client.heard_of("thread_create")
            await server.say(alice, late, "unmentioned")
            while (message := await client.next_message()).type is not discord.MessageType.default:
                pass
            assert message.channel.name == "late"
            thread = client.get_channel(early.id)
            await thread.join()
            assert server.bot.id in early.members
            await client.heard_of("thread_join")
            await thread.leave()
            assert server.bot.id not in early.members
            active = await client.guilds[0].active_threads()
            assert {t.name for t in active} == {"early", "late"}


async def test_a_sleeping_thread_wakes_for_a_message_but_not_when_locked() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        thread = await server.start_thread(alice, channel, "t")
        async with connected(server) as client:
            place = client.get_channel(thread.id)
            await server.archive_thread(thread)
            await client.heard_of("thread_update")
            await place.send("wake up")
            assert not thread.archived
            await server.archive_thread(thread, locked=True)
            with pytest.raises(discord.HTTPException) as caught:
                await place.send("wake up")
            assert caught.value.code == 50083
            found = [t async for t in where(client, channel).archived_threads()]
            assert [t.id for t in found] == [thread.id]


async def test_threads_are_deleted_by_those_who_manage_them() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        question = await server.say(alice, channel, "how?")
        thread = await server.start_thread(alice, channel, "t", question)
        server.bot.roles[0].permissions |= Permission.MANAGE_THREADS
        async with connected(server) as client:
            await client.get_channel(thread.id).delete()
            await client.heard_of("thread_delete")
            assert thread.id not in server.world.channels
            assert question.thread is None
            with pytest.raises(discord.NotFound):
                await client.fetch_channel(thread.id)


async def test_members_of_a_thread_are_listed_and_sent_away() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        thread = await server.start_thread(alice, channel, "t")
        server.bot.roles[0].permissions |= Permission.MANAGE_THREADS
        async with connected(server) as client:
            place = client.get_channel(thread.id)
            assert [m.id for m in await place.fetch_members()] == [alice.id]
            await place.remove_user(discord.Object(alice.id))
            assert thread.members == {}
            with pytest.raises(discord.HTTPException) as caught:
                await client.get_channel(channel.id).create_thread(name="x", message=discord.Object(1))
            assert caught.value.code == 10008


async def test_the_bot_renames_its_own_threads_only() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        hers = await server.start_thread(alice, channel, "hers")
        async with connected(server) as client:
            own = await where(client, channel).create_thread(name="a", type=discord.ChannelType.public_thread)
            await own.edit(name="b", archived=True)
            assert (server.world.channels[own.id].name, server.world.channels[own.id].archived) == ("b", True)
            with pytest.raises(discord.Forbidden):
                await client.get_channel(hers.id).edit(name="mine")
            with pytest.raises(discord.Forbidden):
                await client.get_channel(hers.id).delete()
