"""`/parley` on Discord: registered once, answered in time, for the asker's eyes alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.discord.commands import DEFERRED, is_registered, parse_invocation, registration
from adapters.discord.parsing import Surroundings
from bot.errors import ModelUnavailable, ParleyError
from bot.messages import Address, Author, CommandInvoked
from emulators.discord import DiscordServer
from emulators.discord.interactions import Interaction
from emulators.faults import Fault
from tests.discord.support import QUICK, SPECS, Desk, address_of, running

CALLBACK = "POST /interactions/{interaction_id}/{token}/callback"


async def test_commands_are_registered_once_and_again_only_when_they_differ() -> None:
    async with DiscordServer(timing=QUICK) as server:
        for specs, syncs in ((SPECS, 1), (SPECS, 1), (SPECS[:1], 2), ((), 2)):
            async with running(server, specs=specs) as (_, desk):
                await server.wait_for(lambda: server.command_syncs >= syncs)  # noqa: B023
                await server.reconnect_clients()
                await desk.until(lambda: len(desk.descriptions) == 2)
            assert server.command_syncs == syncs
        (command,) = server.commands
        assert [option["name"] for option in command["options"]] == ["help"]
        assert server.complaints == []


async def test_a_registration_that_fails_hurts_nothing() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        server.faults.add("PUT /applications/{application_id}/commands", Fault("answer", status=403))
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: any(r.method == "PUT" for r in server.requests))
            await server.say(ada, channel, "hello", mention=True)
            await desk.until(lambda: desk.messages)
    assert server.commands == []


async def test_commands_that_cannot_be_listed_are_registered_once_a_run() -> None:
    async with DiscordServer(timing=QUICK) as server:
        server.faults.add("GET /applications/{application_id}/commands", Fault("answer", status=403))
        async with running(server, specs=SPECS):
            await server.wait_for(lambda: server.commands)
    assert server.command_syncs == 1


async def test_an_answer_that_is_no_text_ends_that_command_alone() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        desk.answer = None  # type: ignore[assignment]
        await use(server, desk)
        await desk.until(lambda: desk.commands)
        desk.answer = "Here."
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)


async def test_a_command_is_carried_out_and_its_answer_seen_by_the_asker_alone() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada", nick="Ada", admin=True)
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            desk.answer = "Set. @everyone"
            used = await server.slash(ada, channel, "parley", "set", {"value": "0.2", "setting": "temperature"})
            await server.wait_for(lambda: used.content)
    author = Author(str(ada.id), "Ada", is_admin=True)
    assert desk.commands == [CommandInvoked(address_of(channel), author, "set", ("temperature", "0.2"))]
    assert used.response == DEFERRED
    assert used.ephemeral
    assert used.content is not None
    assert used.content.startswith("Set.")
    assert server.bot_pings == []
    assert server.complaints == []


async def test_a_command_in_a_thread_or_a_direct_message_knows_its_place() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread, dm = await server.start_thread(ada, channel, "talk"), server.open_dm(ada)
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            for place in (thread, dm):
                used = await server.slash(ada, place, "parley", "help")
                await server.wait_for(lambda: used.content)  # noqa: B023
    assert [command.address for command in desk.commands] == [address_of(thread), address_of(dm)]
    assert [command.author.is_admin for command in desk.commands] == [False, False]


async def test_a_long_answer_comes_in_parts_and_an_empty_one_says_done() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            desk.answer = "\n\n".join(f"Paragraph {n}: " + "word " * 60 for n in range(12))
            used = await server.slash(ada, channel, "parley", "help")
            await server.wait_for(lambda: len(used.followups) >= 1 and "Paragraph 11" in used.followups[-1].content)
            assert all(message.ephemeral for message in used.messages)
            assert all(len(message.content) <= 2000 for message in used.messages)
            desk.answer = ""
            other = await server.slash(ada, channel, "parley", "help")
            await server.wait_for(lambda: other.content)
            assert other.content == "Done."


@pytest.mark.parametrize(
    ("failure", "sentence"), [(ModelUnavailable(), ModelUnavailable.sentence), (KeyError("x"), ParleyError.sentence)]
)
async def test_a_command_that_fails_says_so_in_one_sentence(failure: Exception, sentence: str) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            desk.answer = failure
            used = await server.slash(ada, channel, "parley", "help")
            await server.wait_for(lambda: used.content)
    assert used.content == sentence


async def use(server: DiscordServer, desk: Desk, *faults: Fault) -> Interaction:
    """Somebody gives `/parley help` while the first responses fail."""
    channel, ada = server.add_channel("general"), server.add_user("ada")
    await server.wait_for(lambda: server.commands)
    server.faults.add(CALLBACK, *faults)
    return await server.slash(ada, channel, "parley", "help")


@pytest.mark.parametrize("kind", ["reset", "lost_reply"])
async def test_a_first_response_that_is_lost_is_given_again(kind: Any) -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        used = await use(server, desk, Fault(kind))
        await server.wait_for(lambda: used.content)
        assert len(desk.commands) == 1


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("answer", status=404, body={"message": "Unknown interaction", "code": 10062})],
        [Fault("answer", status=400, body={"message": "already acknowledged", "code": 40060})],
        [Fault("reset"), Fault("reset")],
    ],
)
async def test_an_interaction_that_is_not_ours_any_more_is_left_alone(faults: list[Fault]) -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        await use(server, desk, *faults)
        async with asyncio.timeout(2):
            while server.faults.pending:
                await asyncio.sleep(0.01)
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)
        assert len(desk.commands) == 1


def channel_of(server: DiscordServer) -> Any:
    """The one channel of the guild."""
    return next(c for c in server.world.channels.values() if c.name == "general")


async def test_an_answer_that_cannot_be_shown_hurts_nothing() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        path = "PATCH /webhooks/{application_id}/{token}/messages/{message_id}"
        server.faults.add(path, Fault("answer", status=404, body={"message": "gone", "code": 10015}))
        await use(server, desk)
        await server.wait_for(lambda: not server.faults.pending)
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)


GIVEN: dict[str, Any] = {
    "id": "1",
    "token": "t",
    "type": 2,
    "application_id": "9",
    "channel_id": "5",
    "guild_id": "6",
    "member": {"user": {"id": "8", "username": "ada"}, "permissions": "32"},
    "data": {"name": "parley", "options": [{"type": 1, "name": "set", "options": []}]},
}


def test_an_invocation_is_read_from_its_payload() -> None:
    found = parse_invocation(GIVEN, SPECS, Surroundings("9", "Parley"))
    assert found is not None
    assert found.command == CommandInvoked(Address("discord", "6", "5"), Author("8", "ada", is_admin=True), "set")
    assert (found.id, found.token, found.application_id) == ("1", "t", "9")


def test_arguments_of_a_command_that_is_not_known_keep_their_order() -> None:
    options = [{"name": "b", "type": 3, "value": "1"}, {"name": "a", "type": 4, "value": 2}]
    data = {"name": "parley", "options": [{"type": 1, "name": "later", "options": options}]}
    found = parse_invocation({**GIVEN, "data": data}, SPECS, Surroundings("9", "Parley"))
    assert found is not None
    assert found.command.arguments == ("1", "2")


@pytest.mark.parametrize(
    "change",
    [
        {"type": 3},
        {"data": None},
        {"data": {"name": "other"}},
        {"member": None},
        {"member": {"user": {}}},
        {"channel_id": None},
        {"id": "x"},
        {"token": None},
        {"token": "a/../b"},
        {"token": "\ud800"},
        {"token": "two words"},
    ],
)
def test_what_is_no_use_of_the_command_is_none(change: dict[str, Any]) -> None:
    assert parse_invocation({**GIVEN, **change}, SPECS, Surroundings("9", "Parley")) is None


def test_a_registration_is_recognised_with_what_discord_adds_to_it() -> None:
    wanted = registration(SPECS)
    returned = [{**wanted[0], "id": "1", "version": "2", "nsfw": False, "dm_permission": True}]
    assert is_registered(returned, wanted)
    assert not is_registered([], wanted)
    assert not is_registered("text", wanted)
    assert not is_registered([None], wanted)
    assert not is_registered([{**returned[0], "description": "other"}], wanted)
    assert registration(()) == []
