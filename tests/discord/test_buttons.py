"""Buttons on Discord: how a message with some looks, presses and reactions on their way in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.discord.outgoing import changed_message, new_message
from bot.errors import MessageGone
from bot.interactions import CommandAnswer
from bot.messages import Button, PartKey, ReactionAdded, ReactionRemoved, Reply
from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.state import Message
from emulators.faults import Fault
from tests.discord.support import FAST, QUICK, address_of, bodies, running

ALL: tuple[Button, ...] = ("continue", "regenerate", "good", "bad")


def ids(message: Message) -> list[str]:
    return [button["custom_id"] for row in message.components for button in row["components"]]


def test_a_new_message_names_its_buttons_and_a_changed_one_says_that_it_has_none() -> None:
    key = PartKey("t", 1)
    assert "components" not in new_message(Reply("words"), key, None)
    assert changed_message(Reply("words"))["components"] == []
    [row] = new_message(Reply("words", buttons=ALL), key, None)["components"]
    assert [each["custom_id"] for each in row["components"]] == [f"parley:{each}" for each in ALL]
    assert [each.get("label") or each["emoji"]["name"] for each in row["components"]] == [
        "Continue", "Regenerate", "👍", "👎",
    ]  # fmt: skip


async def test_buttons_are_posted_changed_and_taken_off() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, _):
        channel = server.add_channel("general")
        where = address_of(channel)
        message_id = await adapter.send(where, Reply("words", buttons=("stop",)), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        assert ids(message) == ["parley:stop"]
        await adapter.edit(where, message_id, Reply("more words", buttons=ALL))
        assert ids(message) == [f"parley:{each}" for each in ALL]
        await adapter.set_buttons(where, message_id, ("again",))
        assert (ids(message), message.content) == (["parley:again"], "more words")
        await adapter.edit(where, message_id, Reply("more words"))
        assert ids(message) == []
        await server.delete(message)
        with pytest.raises(MessageGone):
            await adapter.set_buttons(where, message_id, ("again",))


async def test_a_send_that_meets_its_earlier_self_puts_the_buttons_right() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, _):
        channel = server.add_channel("general")
        where, key = address_of(channel), PartKey("t", 1)
        await adapter.send(where, Reply("words", buttons=("stop",)), key)
        await adapter.send(where, Reply("words", buttons=ALL), key)
        [message] = server.bot_messages(channel)
        assert ids(message) == [f"parley:{each}" for each in ALL]
        patches = bodies(server, "PATCH", f"/messages/{message.id}")
        await adapter.send(where, Reply("words", buttons=ALL), key)
        assert bodies(server, "PATCH", f"/messages/{message.id}") == patches


@pytest.mark.parametrize("place", ["channel", "thread", "dm"])
async def test_a_press_comes_in_from_where_it_was_and_is_acknowledged_without_a_word(place: str) -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, general = server.add_user("ada", admin=True), server.add_channel("general")
        channel = server.open_dm(ada) if place == "dm" else general
        if place == "thread":
            channel = await server.start_thread(ada, general, "talk")
        where = address_of(channel)
        message_id = await adapter.send(where, Reply("words", buttons=ALL), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        interaction = await server.press(ada, message, "parley:good")
        await server.wait_for(lambda: interaction.response)
        [press] = desk.presses
        assert (press.address, press.message_id, press.action) == (where, message_id, "good")
        assert (press.author.id, press.id) == (str(ada.id), str(interaction.id))
        assert press.author.is_admin is (place != "dm")
        assert interaction.response == 6
        assert message.edited_timestamp is None


async def test_a_refusal_is_for_the_eyes_of_who_pressed() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, channel = server.add_user("ada"), server.add_channel("general")
        desk.press_answer = CommandAnswer("Only who asked may do that.")
        await adapter.send(address_of(channel), Reply("words", buttons=ALL), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        interaction = await server.press(ada, message, "parley:regenerate")
        await server.wait_for(lambda: interaction.content)
        assert (interaction.ephemeral, interaction.content) == (True, "Only who asked may do that.")


async def test_what_takes_long_is_not_acknowledged_as_done_before_it_is() -> None:
    timing = type(FAST)(deferral=0.05, first_response=60.0)
    server_timing = DiscordTiming(identify_spacing=0, first_response=60.0)
    async with (
        DiscordServer(timing=server_timing, limits="none") as server,
        running(server, timing=timing) as (adapter, desk),
    ):
        ada, channel = server.add_user("ada"), server.add_channel("general")
        await adapter.send(address_of(channel), Reply("words", buttons=ALL), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        desk.open.clear()
        interaction = await server.press(ada, message, "parley:regenerate")
        await server.wait_for(lambda: interaction.deferred)
        assert interaction.ephemeral
        desk.open.set()
        await server.wait_for(lambda: interaction.content == "Done.")


async def test_a_button_that_is_none_of_ours_is_left_alone() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, channel = server.add_user("ada"), server.add_channel("general")
        await adapter.send(address_of(channel), Reply("words", buttons=ALL), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        message.components[0]["components"][0]["custom_id"] = "parley:fly"
        await server.press(ada, message, "parley:fly")
        known = await server.press(ada, message, "parley:good")
        await server.wait_for(lambda: known.response)
        assert [press.action for press in desk.presses] == ["good"]


async def test_thumbs_come_in_from_channels_threads_and_direct_messages() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, general = server.add_user("ada"), server.add_channel("general")
        thread = await server.start_thread(ada, general, "talk")
        for channel in (general, thread, server.open_dm(ada)):
            desk.events.clear()
            message_id = await adapter.send(address_of(channel), Reply("words"), PartKey(str(channel.id), 1))
            message = server.bot_messages(channel)[-1]
            await server.react(ada, message, "👍🏽")
            await server.unreact(ada, message, "👍🏽")
            await desk.until(lambda: len(desk.events) == 2)
            added, removed = desk.events
            assert isinstance(added, ReactionAdded) and isinstance(removed, ReactionRemoved)
            assert added.address == removed.address == address_of(channel)
            assert (added.message_id, added.emoji, added.author.id) == (message_id, "👍🏽", str(ada.id))


async def test_reactions_to_people_with_a_servers_own_emoji_and_by_bots_say_nothing_of_an_answer() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, robot, channel = server.add_user("ada"), server.add_user("robot", bot=True), server.add_channel("general")
        said = await server.say(ada, channel, "hello")
        await adapter.send(address_of(channel), Reply("words"), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        await server.react(ada, said, "👍")
        await server.react(ada, message, "thumbsup:123456789012345678")
        await server.react(server.bot, message, "👍")
        await server.react(robot, message, "👍")
        await server.react(ada, message, "👎")
        reactions: list[Any] = await desk.until(
            lambda: [found for found in [[e for e in desk.events if isinstance(e, ReactionAdded)]] if len(found) == 2]
        )
        assert [(each.emoji, each.author.is_bot) for each in reactions[0]] == [("👍", True), ("👎", False)]


async def test_a_press_whose_answer_discord_loses_is_not_carried_out_twice() -> None:
    async with DiscordServer(timing=QUICK, limits="none") as server, running(server) as (adapter, desk):
        ada, channel = server.add_user("ada"), server.add_channel("general")
        await adapter.send(address_of(channel), Reply("words", buttons=ALL), PartKey("t", 1))
        [message] = server.bot_messages(channel)
        server.faults.add("POST /interactions/{interaction_id}/{token}/callback", Fault("lost_reply"))
        interaction = await server.press(ada, message, "parley:good")
        await server.wait_for(lambda: interaction.response)
        await asyncio.sleep(0.1)
        assert len(desk.presses) == 1
