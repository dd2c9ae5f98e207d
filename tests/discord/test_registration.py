"""`/parley` as Discord is told of it: once, whole, and again only where Discord has something else."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.registration import is_registered, registration
from bot.commands import COMMANDS
from bot.interactions import CommandOption, CommandSpec
from emulators.discord import DiscordServer
from emulators.faults import Fault
from tests.discord.support import QUICK, SPECS, running


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


async def test_the_commands_of_the_bot_are_taken_as_they_are() -> None:
    async with DiscordServer(timing=QUICK) as server:
        async with running(server, specs=COMMANDS):
            await server.wait_for(lambda: server.commands)
        async with running(server, specs=COMMANDS):
            await server.wait_for(
                lambda: sum(r.method == "GET" and r.path.endswith("/commands") for r in server.requests) == 2
            )
        assert server.command_syncs == 1
        assert server.complaints == []
        (command,) = server.commands
    assert [option["name"] for option in command["options"]] == [spec.name for spec in COMMANDS]
    assert command["contexts"] == [0, 1]


def test_choices_are_offered_suggestions_asked_for_and_what_is_required_comes_first() -> None:
    spec = CommandSpec(
        "x",
        "X",
        (
            CommandOption("a", "A", required=False, choices=("one", "two"), suggests=True),
            CommandOption("b", "B", suggests=True),
            CommandOption("c", "C"),
        ),
    )
    (command,) = registration([spec])
    assert command["options"][0]["options"] == [
        {"type": 3, "name": "b", "description": "B", "required": True, "autocomplete": True},
        {"type": 3, "name": "c", "description": "C", "required": True},
        {
            "type": 3,
            "name": "a",
            "description": "A",
            "required": False,
            "choices": [{"name": "one", "value": "one"}, {"name": "two", "value": "two"}],
        },
    ]


WANTED = registration(SPECS)


def changed(**option: Any) -> list[dict[str, Any]]:
    """What Discord returns, with another first option of `set`."""
    (command,) = WANTED
    show, change, *others = command["options"]
    first, *rest = change["options"]
    return [{**command, "options": [show, {**change, "options": [{**first, **option}, *rest]}, *others]}]


@pytest.mark.parametrize(
    ("there", "same"),
    [
        ([{**WANTED[0], "id": "1", "version": "2", "nsfw": False, "dm_permission": True}], True),
        ([{**WANTED[0], "contexts": [1, 0]}], True),
        ([{**WANTED[0], "contexts": None}], True),
        ([{**WANTED[0], "contexts": [0]}], False),
        ([{**WANTED[0], "contexts": "all"}], False),
        ([{**WANTED[0], "description": "other"}], False),
        (changed(name_localizations=None), True),
        (changed(autocomplete=False), False),
        (changed(choices=[{"name": "a", "value": "a"}]), False),
        (changed(required=False), False),
        ([WANTED[0], WANTED[0]], False),
        ([], False),
        ("text", False),
        ([None], False),
    ],
)
def test_a_registration_is_recognised_with_what_discord_adds_to_it(there: Any, same: bool) -> None:
    assert is_registered(there, WANTED) is same


def test_without_subcommands_there_is_nothing_to_register() -> None:
    assert registration(()) == []
