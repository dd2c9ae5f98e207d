"""What people do on Discord arrives as events of the common model, in order, once, whoever they address."""

from __future__ import annotations

import asyncio
import logging

import pytest
from structlog.testing import capture_logs

from bot.errors import DeliveryRefused
from bot.messages import Author, IncomingMessage, MessageDeleted, MessageEdited, PartKey, Reply
from emulators.discord import DiscordServer, Upload
from emulators.faults import Fault
from tests.discord.support import QUICK, SPECS, Desk, Event, address_of, running


async def test_a_mention_arrives_without_the_bots_name_and_with_the_askers() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada", global_name="Ada L.", nick="Ada")
        async with running(server) as (_, desk):
            said = await server.say(ada, channel, "what is a monad?", mention=True)
            message = (await desk.until(lambda: desk.messages))[0]
    assert message.address == address_of(channel)
    assert message.id == str(said.id)
    assert message.author == Author(str(ada.id), "Ada", roles=frozenset())
    assert message.text == "what is a monad?"
    assert message.mentions_bot
    assert not message.direct
    assert not message.mentions_others
    assert message.quoted is None
    assert abs((message.sent_at - said.timestamp).total_seconds()) < 0.01
    assert server.complaints == []


async def test_a_direct_message_has_no_workspace() -> None:
    async with DiscordServer(timing=QUICK) as server:
        ada = server.add_user("ada")
        channel = server.open_dm(ada)
        async with running(server) as (_, desk):
            await server.say(ada, channel, "hello")
            message = (await desk.until(lambda: desk.messages))[0]
    assert message.address == address_of(channel)
    assert message.address.workspace == ""
    assert message.direct
    assert not message.mentions_bot


async def test_a_reply_to_the_bot_says_so_with_and_without_a_ping() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (adapter, desk):
            sent = await adapter.send(address_of(channel), reply("I am the bot"), key("t1"))
            own = next(m for m in channel.messages if str(m.id) == sent)
            await server.say(ada, channel, "really?", reply_to=own)
            await server.say(ada, channel, "truly?", reply_to=own, ping_reply=False)
            await desk.until(lambda: len(desk.messages) == 2)
    for message in desk.messages:
        assert message.quoted is not None
        assert message.quoted.by_us
        assert message.quoted.text == "I am the bot"
        assert message.quoted.id == sent
        assert not message.mentions_others
        assert not message.mentions_bot


async def test_a_reply_to_somebody_else_is_quoted_and_addressed_to_them() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada, bob = server.add_channel("general"), server.add_user("ada"), server.add_user("bob")
        async with running(server) as (_, desk):
            first = await server.say(bob, channel, "lunch?")
            await server.say(ada, channel, "yes", reply_to=first)
            await desk.until(lambda: len(desk.messages) == 2)
    message = desk.messages[1]
    assert message.quoted is not None
    assert message.quoted.author == Author(str(bob.id), "bob")
    assert message.quoted.text == "lunch?"
    assert not message.quoted.by_us
    assert message.mentions_others


async def test_a_thread_has_its_parents_channel_known_before_or_looked_up() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        early = await server.start_thread(ada, channel, "early")
        async with running(server) as (_, desk):
            await server.say(ada, early, "one")
            late = await server.start_thread(ada, channel, "late", await server.say(ada, channel, "start"))
            await server.say(ada, late, "two")
            await desk.until(lambda: len(desk.messages) == 3)
            assert {m.text: m.address for m in desk.messages} == {
                "one": address_of(early),
                "start": address_of(channel),
                "two": address_of(late),
            }
            await server.send_raw(thread_forgotten(early.id, channel.id, server.guild.id))
            for text in ("three", "four"):
                await server.say(ada, early, text)
            await desk.until(lambda: len(desk.messages) == 5)
            assert [m.address for m in desk.messages[3:]] == [address_of(early)] * 2
    assert sum(r.path == f"/api/v10/channels/{early.id}" for r in server.requests) == 1


def thread_forgotten(thread: int, parent: int, guild: int) -> dict[str, object]:
    """A frame by which the client forgets a thread, though it is still there."""
    data = {"id": str(thread), "parent_id": str(parent), "guild_id": str(guild), "type": 11}
    return {"op": 0, "t": "THREAD_DELETE", "s": None, "d": data}


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_thread_that_cannot_be_looked_up_still_reaches_the_bot(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.rest.LUXURY_DEADLINE", 0.2)
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        server.faults.add("GET /channels/{channel_id}", *[Fault(status=status)] * 5)
        async with running(server) as (_, desk):
            await server.say(ada, channel, "warm up")
            await desk.until(lambda: desk.messages)
            await server.send_raw(thread_forgotten(thread.id, channel.id, server.guild.id))
            await server.say(ada, thread, "hello", mention=True)
            await desk.until(lambda: len(desk.messages) == 2)
    message = desk.messages[1]
    assert message.text == "hello"
    assert message.address.channel == str(thread.id)


async def test_edits_by_people_arrive_and_link_previews_do_not() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (_, desk):
            said = await server.say(ada, channel, "see https://example.com", mention=True)
            await server.unfurl(said)
            await server.edit(said, f"{server.bot.mention} see there")
            await desk.until(lambda: len(desk.events) == 2)
    edit = desk.events[1]
    assert isinstance(edit, MessageEdited)
    assert edit.message.text == "see there"
    assert edit.message.edited_at is not None
    assert edit.message.edited_at > edit.message.sent_at
    assert edit.message.id == str(said.id)


async def test_deletions_arrive_one_by_one_and_in_bulk() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server) as (_, desk):
            said = await server.say(ada, channel, "oops")
            await server.delete(said)
            spam = [await server.say(ada, channel, f"spam {n}") for n in range(2)]
            await server.purge(*spam)
            await desk.until(lambda: len(desk.events) == 6)
    gone = {MessageDeleted(address_of(channel), str(m.id)) for m in (said, *spam)}
    assert gone == {event for event in desk.events if isinstance(event, MessageDeleted)}


async def test_attachments_mentions_of_others_and_channels_are_named() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        bob, role = server.add_user("bob", nick="Bobby"), server.add_role("crew")
        file = Upload("notes.txt", b"hello", "text/plain")
        async with running(server) as (_, desk):
            text = f"{bob.mention} see {channel.mention} <@&{role.id}>"
            await server.say(ada, channel, text, attachments=[file])
            message = (await desk.until(lambda: desk.messages))[0]
    assert "@Bobby" in message.text
    assert "#general" in message.text
    assert "@crew" in message.text
    assert message.mentions_others
    (attachment,) = message.attachments
    assert (attachment.name, attachment.media_type, attachment.size) == ("notes.txt", "text/plain", 5)
    assert attachment.url.startswith(server.cdn_url)


async def test_the_bots_own_role_is_a_mention_of_the_bot() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        own = server.bot.roles[0]
        async with running(server) as (_, desk):
            await server.say(ada, channel, f"<@&{own.id}> hello")
            message = (await desk.until(lambda: desk.messages))[0]
    assert message.mentions_bot
    assert message.text == "hello"


async def test_who_runs_the_guild_is_known_from_ownership_and_roles() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada, bob = server.add_channel("general"), server.add_user("ada"), server.add_user("bob")
        chiefs = server.add_role("chiefs")
        chiefs.permissions = 1 << 5
        ada.roles.append(chiefs)
        async with running(server) as (_, desk):
            for user in (ada, bob, server.owner):
                await server.say(user, channel, "hi")
            await desk.until(lambda: len(desk.messages) == 3)
    assert [message.author.is_admin for message in desk.messages] == [True, False, True]
    assert [message.author.runs_workspace for message in desk.messages] == [True, False, True]


async def test_other_bots_are_marked_and_the_bots_own_messages_left_out() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, other = server.add_channel("general"), server.add_user("robot", bot=True)
        async with running(server) as (adapter, desk):
            sent = await adapter.send(address_of(channel), reply("mine"), key("t1"))
            await adapter.edit(address_of(channel), sent, reply("mine, edited"))
            await server.say(other, channel, "beep")
            await desk.until(lambda: desk.messages)
    assert [(m.text, m.author.is_bot) for m in desk.messages] == [("beep", True)]


async def test_an_event_that_the_sink_could_not_store_yet_is_left_to_it_and_the_next_is_handed_over() -> None:
    desk = Desk()
    desk.store_failures = 1
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, desk=desk):
            for text in ("not yet", "1", "2"):
                await server.say(ada, channel, text)
            await desk.until(lambda: len(desk.messages) == 2)
    assert desk.texts == ["1", "2"]


class Slow(Desk):
    """A sink that keeps one channel waiting until it is released, and trips over one text."""

    def __init__(self, held: str) -> None:
        super().__init__()
        self.held = held
        self.release = asyncio.Event()

    async def receive(self, event: Event) -> None:
        if isinstance(event, IncomingMessage) and event.text == self.held:
            await self.release.wait()
        if isinstance(event, IncomingMessage) and event.text == "poison":
            raise ValueError(event.text)
        await super().receive(event)


async def test_a_channel_that_waits_keeps_no_other_waiting() -> None:
    desk = Slow("held")
    async with DiscordServer(timing=QUICK) as server:
        one, two, ada = server.add_channel("one"), server.add_channel("two"), server.add_user("ada")
        async with running(server, desk=desk):
            await server.say(ada, one, "held")
            await server.say(ada, one, "after")
            await server.say(ada, two, "free")
            await desk.until(lambda: desk.texts == ["free"])
            desk.release.set()
            await desk.until(lambda: desk.texts == ["free", "held", "after"])


async def test_a_sink_that_trips_over_one_message_gets_the_next() -> None:
    desk = Slow("")
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("one"), server.add_user("ada")
        async with running(server, desk=desk):
            for text in ("poison", "good"):
                await server.say(ada, channel, text)
            await desk.until(lambda: desk.texts == ["good"])


async def test_what_has_arrived_is_stored_before_the_adapter_stops() -> None:
    desk = Slow("held")
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("one"), server.add_user("ada")
        async with running(server, desk=desk) as (adapter, _):
            await server.say(ada, channel, "held")
            await server.say(ada, channel, "after")
            await server.wait_for(lambda: server.sessions and server.sessions[0].seq >= 4)
            await asyncio.sleep(0.05)
            asyncio.get_running_loop().call_later(0.05, desk.release.set)
            await adapter.stop()
    assert desk.texts == ["held", "after"]


async def test_neither_texts_nor_tokens_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    with caplog.at_level(logging.DEBUG), capture_logs() as logged:
        async with DiscordServer(timing=QUICK) as server:
            channel, ada = server.add_channel("general"), server.add_user("ada")
            async with running(server, desk=desk, specs=SPECS) as (adapter, _):
                await server.wait_for(lambda: server.commands)
                desk.store_failures = 1
                await server.say(ada, channel, "a secret wish", mention=True)
                used = await server.slash(ada, channel, "parley", "help")
                await server.wait_for(lambda: used.content)
                await server.say(ada, channel, "another secret wish", mention=True)
                await desk.until(lambda: desk.messages)
                server.faults.add("POST /channels/{channel_id}/messages", Fault("answer", status=403))
                with pytest.raises(DeliveryRefused):
                    await adapter.send(address_of(channel), reply("a secret answer"), key("t1"))
                await server.dispatch_raw("MESSAGE_CREATE", {"content": "a secret wish", "author": []})
                await server.send_raw('{"op": 0, "d": "a secret wish"')
                await server.drop_gateway()
                await desk.until(lambda: len(desk.descriptions) == 2)
            secrets = ("secret", server.token, used.token)
    lines = [str(entry) for entry in logged]
    lines += [record.getMessage() for record in caplog.records if not record.name.startswith(("aiohttp", "asyncio"))]
    assert any("event_not_stored_yet" in line for line in lines)
    assert [line for line in lines for secret in secrets if secret in line] == []


def reply(text: str) -> Reply:
    """A reply that names nobody."""
    return Reply(text)


def key(turn: str, number: int = 1) -> PartKey:
    """A part's key."""
    return PartKey(turn, number)
