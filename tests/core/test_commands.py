"""The settings commands: what they change, what they refuse, and what they say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.commands import COMMANDS, Commands
from bot.controls import CONTROLS, effective
from bot.messages import Address, Author, CommandInvoked
from bot.settings import Settings
from storage import Store

HERE = Address("slack", "T1", "C1", "1.0")
THERE = Address("slack", "T1", "C2")
ADMIN = Author("U1", "Ada", is_admin=True)
MEMBER = Author("U2", "Bob")
SETTINGS = Settings(_env_file=None, parley_admins=frozenset({"U3"}), openai_model="gpt-5.4-mini")  # type: ignore[call-arg]


@pytest.fixture
async def commands(tmp_path: Path) -> AsyncIterator[Commands]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield Commands(store.controls, SETTINGS)
    await store.close()


def command(name: str, *arguments: str, author: Author = ADMIN, address: Address = HERE) -> CommandInvoked:
    return CommandInvoked(address, author, name, arguments)


async def test_a_value_holds_in_its_channel_until_it_is_taken_back(commands: Commands) -> None:
    assert "0.2" in await commands.run(command("set", "temperature", "0,2"))
    assert effective(SETTINGS, await commands.controls.at(HERE)).temperature == 0.2
    assert effective(SETTINGS, await commands.controls.at(THERE)).temperature is None
    assert "(this channel): 0.2" in await commands.run(command("show"))
    await commands.run(command("reset", "temperature"))
    assert effective(SETTINGS, await commands.controls.at(HERE)).temperature is None
    assert "nothing to take back" in await commands.run(command("reset", "temperature"))


async def test_a_system_message_may_have_several_lines(commands: Commands) -> None:
    await commands.run(command("set", "system", "One.\nTwo.\n\n- three"))
    assert effective(SETTINGS, await commands.controls.at(HERE)).system == "One.\nTwo.\n\n- three"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("temperature", "9", "from 0 to 2"),
        ("temperature", "warm", "from 0 to 2"),
        ("temperature", "nan", "from 0 to 2"),
        ("max_tokens", "3", "from 16 to 200,000"),
        ("max_tokens", "many", "from 16 to 200,000"),
        ("model", "two words", "one word"),
        ("system", "   ", "can't be empty"),
        ("system", "x" * 20_001, "at most 20,000"),
    ],
)
async def test_a_wrong_value_gets_the_range_and_an_example_and_changes_nothing(
    commands: Commands, name: str, value: str, said: str
) -> None:
    answer = await commands.run(command("set", name, value))
    assert said in answer and f"/parley set {name}" in answer
    assert not await commands.controls.at(HERE)


@pytest.mark.parametrize("verb", ["set", "reset"])
async def test_a_mistyped_name_gets_the_nearest(commands: Commands, verb: str) -> None:
    arguments = ("temprature", "1") if verb == "set" else ("temprature",)
    assert "Did you mean **temperature**?" in await commands.run(command(verb, *arguments))
    assert "There is no setting `zzz`" in await commands.run(command(verb, "zzz", *arguments[1:]))


@pytest.mark.parametrize("verb", ["set", "reset"])
async def test_a_member_is_refused_audibly_and_can_still_look(commands: Commands, verb: str) -> None:
    arguments = ("model", "gpt-4o") if verb == "set" else ("model",)
    assert "Only" in await commands.run(command(verb, *arguments, author=MEMBER))
    assert not await commands.controls.at(HERE)
    assert "gpt-5.4-mini" in await commands.run(command("show", author=MEMBER))


async def test_a_named_admin_may_set_without_running_the_place(commands: Commands) -> None:
    assert "gpt-4o" in await commands.run(command("set", "model", "gpt-4o", author=Author("U3", "Eve")))


async def test_half_a_command_is_explained(commands: Commands) -> None:
    assert "/parley set temperature 0.2" in await commands.run(command("set", "temperature"))
    assert "/parley reset system" in await commands.run(command("reset"))
    assert "`dance`" in await commands.run(command("dance"))
    for name in ("help", ""):
        assert "/parley show" in await commands.run(command(name))


async def test_a_long_system_message_is_shown_by_its_beginning(commands: Commands) -> None:
    await commands.run(command("set", "system", "word " * 200))
    assert "(999 characters)" in await commands.run(command("show"))


async def test_every_command_that_is_offered_is_known(commands: Commands) -> None:
    for spec in COMMANDS:
        arguments = ["model", "gpt-4o"][: len(spec.options)]
        assert "I don't know the command" not in await commands.run(command(spec.name, *arguments))


def test_every_controls_example_is_a_value_it_takes() -> None:
    for control in CONTROLS.values():
        assert control.check(control.example)
        assert control.default(SETTINGS) == "" or control.check(control.default(SETTINGS))
