"""What is suggested while somebody types a command: in time, within Discord's limits, nothing rather than a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.discord.responses import SUGGESTIONS
from bot.messages import CommandInvoked
from emulators.discord import DiscordServer
from emulators.discord.interactions import Interaction
from emulators.faults import Fault
from tests.discord.support import FAST, QUICK, SPECS, Desk, address_of, running

EAGER = replace(FAST, deferral=0.05)


async def begin(server: DiscordServer, typed: str, focused: str = "setting", **options: str) -> Interaction:
    """Somebody types in an option of `/parley set`."""
    channel, ada = server.add_channel("general"), server.add_user("ada")
    await server.wait_for(lambda: server.commands)
    return await server.autocomplete(ada, channel, "parley", "set", focused=focused, value=typed, options=options)


async def test_what_may_be_meant_is_suggested() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        desk.suggestions = ("temperature", "system", "max_tokens")
        typed = await begin(server, "te")
        await server.wait_for(lambda: typed.response)
        both = [{"name": name, "value": name} for name in ("temperature", "system")]
    assert typed.response == SUGGESTIONS
    assert typed.choices == both
    assert server.complaints == []


async def test_the_options_before_it_are_told() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        desk.suggestions = ("gpt-4o", "gpt-4o-mini")
        typed = await begin(server, "mini", "value", setting="model", scope="channel")
        await server.wait_for(lambda: typed.response)
    ((command, option, text),) = desk.asked
    assert (option, text) == ("value", "mini")
    assert (command.name, command.arguments, command.address) == ("set", ("model",), address_of(typed.channel))
    assert isinstance(command, CommandInvoked)
    assert [choice["value"] for choice in typed.choices] == ["gpt-4o-mini"]


@pytest.mark.parametrize(
    ("suggestions", "count"),
    [([f"value{n}" for n in range(40)], 25), (["", "x" * 101, "x" * 100, "y", "y"], 2), (RuntimeError("no"), 0)],
    ids=["too many", "of wrong lengths", "failed"],
)
async def test_no_more_is_suggested_than_discord_takes(suggestions: Sequence[str] | Exception, count: int) -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS) as (_, desk):
        desk.suggestions = suggestions
        typed = await begin(server, "")
        await server.wait_for(lambda: typed.response)
    assert len(typed.choices) == count
    assert server.complaints == []


async def test_suggestions_that_take_too_long_are_none() -> None:
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS, timing=EAGER) as (_, desk):
        desk.suggestions = ("temperature",)
        desk.open.clear()
        typed = await begin(server, "te")
        await server.wait_for(lambda: typed.response)
        assert typed.choices == []


async def test_suggestions_that_cannot_be_shown_hurt_nothing() -> None:
    desk = Desk()
    desk.suggestions = ("temperature",)
    async with DiscordServer(timing=QUICK) as server, running(server, specs=SPECS, desk=desk):
        callback = "POST /interactions/{interaction_id}/{token}/callback"
        server.faults.add(callback, Fault("answer", status=404, body={"message": "Unknown", "code": 10062}))
        typed = await begin(server, "te")
        await server.wait_for(lambda: not server.faults.pending)
        again = await server.autocomplete(
            typed.user, typed.channel, "parley", "set", focused="setting", value="tem", options={}
        )
        await server.wait_for(lambda: again.choices)
