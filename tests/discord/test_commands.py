"""`/parley` on Discord: answered in time, for the asker's eyes alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.discord.interactions import Given, Typing, parse_interaction
from adapters.discord.people import Surroundings
from adapters.discord.responses import DEFERRED, MESSAGE
from adapters.discord.timing import Timing
from bot.errors import ModelUnavailable, ParleyError
from bot.interactions import CommandAnswer, OutgoingFile
from bot.messages import Address, Author, CommandInvoked
from emulators.discord import DiscordServer, DiscordTiming, Permission
from emulators.discord.interactions import Interaction
from emulators.faults import Fault
from tests.discord.support import FAST, QUICK, SPECS, Desk, address_of, running

CALLBACK = "POST /interactions/{interaction_id}/{token}/callback"
EDIT = "PATCH /webhooks/{application_id}/{token}/messages/{message_id}"
EAGER = replace(FAST, deferral=0.05)
"""Defers what is not done almost at once."""
CHART = OutgoingFile("usage.png", "image/png", b"\x89PNG" + bytes(2_000), "A chart of what was asked in March")


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
    roles = frozenset(str(role.id) for role in ada.roles)
    author = Author(str(ada.id), "Ada", is_admin=True, runs_workspace=True, roles=roles)
    arguments = ("temperature", "0.2")
    assert desk.commands == [CommandInvoked(address_of(channel), author, "set", arguments, id=str(used.id))]
    assert used.response == MESSAGE
    assert used.ephemeral
    assert used.content is not None
    assert used.content.startswith("Set.")
    assert answers_to(server, used) == ["POST callback"]
    assert server.bot_pings == []
    assert server.complaints == []


def answers_to(server: DiscordServer, used: Interaction) -> list[str]:
    """The requests that answered an interaction, in order."""
    paths = [(r.method, r.path) for r in server.requests if used.token in r.path]
    return [
        f"{method} {path.rpartition(used.token)[2].strip('/') or path.rpartition('/')[2]}" for method, path in paths
    ]


async def test_a_slow_command_is_deferred_in_time_and_its_answer_put_in_place_later() -> None:
    async with DiscordServer(timing=DiscordTiming(identify_spacing=0)) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS, timing=replace(Timing(), identify_gap=0)) as (_, desk):
            await server.wait_for(lambda: server.commands)
            desk.open.clear()
            used = await server.slash(ada, channel, "parley", "help")
            await server.wait_for(lambda: used.response, 3)
            assert used.responded_at is not None
            assert 1.0 <= used.responded_at - used.at < 3.0
            assert used.deferred
            assert used.ephemeral
            desk.open.set()
            assert await server.wait_for(lambda: used.content) == "All well."
        assert answers_to(server, used) == ["POST callback", "PATCH messages/@original"]
    assert used.response == DEFERRED
    assert len(desk.commands) == 1
    assert server.complaints == []


async def test_a_slow_command_whose_interaction_another_worker_took_is_given_up() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS, timing=EAGER) as (_, desk):
        desk.open.clear()
        await use(server, desk, Fault("answer", status=400, body={"message": "already", "code": 40060}))
        await server.wait_for(lambda: not server.faults.pending)
        desk.open.set()
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)
        assert len([r for r in server.requests if "/webhooks/" in r.path and other.token not in r.path]) == 0


@pytest.mark.parametrize("timing", [FAST, EAGER])
async def test_a_file_is_shown_with_the_answer_and_what_is_on_it(timing: Timing) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS, timing=timing) as (_, desk):
            await server.wait_for(lambda: server.commands)
            desk.answer = CommandAnswer("This month:", file=CHART)
            used = await server.slash(ada, channel, "parley", "help")
            assert await server.wait_for(lambda: used.content) == "This month:"
            desk.answer = CommandAnswer("", file=CHART)
            bare = await server.slash(ada, channel, "parley", "help")
            await server.wait_for(lambda: bare.message and bare.message.attachments)
    for shown in (used, bare):
        assert shown.ephemeral
        assert shown.message is not None
        (attachment,) = shown.message.attachments
        assert (attachment.filename, attachment.data) == (CHART.name, CHART.data)
        assert attachment.description == CHART.description
    assert server.complaints == []


async def test_a_file_that_is_not_taken_leaves_the_text_and_a_word_about_it() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            for text in ("This month:", ""):
                server.faults.add(EDIT, Fault("answer", status=413, body={"message": "too large", "code": 40005}))
                desk.answer = CommandAnswer(text, file=CHART)
                used = await server.slash(ada, channel, "parley", "help")
                await server.wait_for(lambda: used.messages and "did not take" in used.messages[-1].content)  # noqa: B023
                assert used.content is not None
                assert used.content.startswith(text)
                assert all(message.ephemeral for message in used.messages)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"setting": "system", "value": "Be brief.", "scope": "workspace"}, ("system", "Be brief.", "workspace")),
        ({"setting": "system", "scope": "thread"}, ("system", "", "thread")),
        ({"setting": "system"}, ("system",)),
    ],
)
async def test_arguments_come_in_the_order_of_the_specification(options: Any, arguments: Any) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            used = await server.slash(ada, channel, "parley", "set", options)
            await server.wait_for(lambda: used.content)
    assert [command.arguments for command in desk.commands] == [arguments]
    assert server.complaints == []


async def test_who_may_manage_the_channel_is_an_admin_there_and_roles_are_told() -> None:
    async with DiscordServer(timing=QUICK) as server:
        here, there, ada = server.add_channel("general"), server.add_channel("other"), server.add_user("ada")
        keepers = server.add_role("keepers")
        server.overwrite(here, keepers, allow=Permission.MANAGE_CHANNELS)
        ada.roles.append(keepers)
        async with running(server, specs=SPECS) as (_, desk):
            await server.wait_for(lambda: server.commands)
            for channel in (here, there, server.open_dm(ada)):
                used = await server.slash(ada, channel, "parley", "help")
                await server.wait_for(lambda: used.content)  # noqa: B023
    assert [command.author.is_admin for command in desk.commands] == [True, False, False]
    assert not any(command.author.runs_workspace for command in desk.commands)
    roles = frozenset({str(keepers.id)})
    assert [command.author.roles for command in desk.commands] == [roles, roles, None]


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
        used = await use(server, desk, *faults)
        await server.wait_for(lambda: not server.faults.pending)
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)
        assert used.response is None
        assert answers_to(server, used) == ["POST callback"] * len(faults)


def channel_of(server: DiscordServer) -> Any:
    """The one channel of the guild."""
    return next(c for c in server.world.channels.values() if c.name == "general")


async def test_an_answer_that_cannot_be_shown_hurts_nothing() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS, timing=EAGER) as (_, desk):
        desk.open.clear()
        used = await use(server, desk)
        await server.wait_for(lambda: used.response)
        server.faults.add(EDIT, Fault("answer", status=404, body={"message": "gone", "code": 10015}))
        desk.open.set()
        await server.wait_for(lambda: not server.faults.pending)
        other = await server.slash(next(iter(server.world.users.values())), channel_of(server), "parley", "help")
        await server.wait_for(lambda: other.content)
        assert used.content is None


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
    found = parse_interaction(GIVEN, SPECS, Surroundings("9", "Parley"))
    assert isinstance(found, Given)
    author = Author("8", "ada", is_admin=True, runs_workspace=True)
    assert found.command == CommandInvoked(Address("discord", "6", "5"), author, "set", id="1")
    assert (found.ticket.id, found.ticket.token, found.ticket.application_id) == ("1", "t", "9")


@pytest.mark.parametrize(
    ("permissions", "is_admin", "runs_workspace"),
    [
        ("8", True, True),
        ("16", True, False),
        ("32", True, True),
        ("2048", False, False),
        ("", False, False),
        (16, False, False),
        ("x", False, False),
    ],
)
def test_administrators_and_who_manages_guild_or_channel_are_admins_and_the_last_run_a_channel_alone(
    permissions: Any, is_admin: bool, runs_workspace: bool
) -> None:
    member = {"user": {"id": "8"}, "permissions": permissions, "roles": ["3", "4"]}
    found = parse_interaction({**GIVEN, "member": member}, SPECS, Surroundings("9", "Parley"))
    assert isinstance(found, Given)
    assert found.command.author.is_admin is is_admin
    assert found.command.author.runs_workspace is runs_workspace
    assert found.command.author.roles == frozenset({"3", "4"})


def test_what_is_being_typed_comes_with_the_options_before_it() -> None:
    def typing(*options: dict[str, Any]) -> Any:
        data = {"name": "parley", "options": [{"type": 1, "name": "set", "options": list(options)}]}
        return parse_interaction({**GIVEN, "type": 4, "data": data}, SPECS, Surroundings("9", "Parley"))

    setting, scope = {"name": "setting", "value": "model"}, {"name": "scope", "value": "thread"}
    value = {"name": "value", "value": "gp", "focused": True}
    found = typing(scope, value, setting)
    assert isinstance(found, Typing)
    assert (found.command.name, found.command.arguments) == ("set", ("model",))
    assert (found.option, found.typed) == ("value", "gp")
    assert typing(value).command.arguments == ()
    assert typing(setting, scope) is None


def test_arguments_of_a_command_that_is_not_known_keep_their_order() -> None:
    options = [{"name": "b", "type": 3, "value": "1"}, {"name": "a", "type": 4, "value": 2}]
    data = {"name": "parley", "options": [{"type": 1, "name": "later", "options": options}]}
    found = parse_interaction({**GIVEN, "data": data}, SPECS, Surroundings("9", "Parley"))
    assert isinstance(found, Given)
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
    assert parse_interaction({**GIVEN, **change}, SPECS, Surroundings("9", "Parley")) is None
