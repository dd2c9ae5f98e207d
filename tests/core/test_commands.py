"""The settings commands: what they change, for whom, what they refuse, and what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.command_line import in_message, split_command
from bot.commands import COMMANDS, Commands
from bot.controls.effective import Effective
from bot.controls.held import HeldControls
from bot.controls.table import CONTROLS, TABLE, Control
from bot.interactions import FormSubmitted
from bot.messages import Address, Author, CommandInvoked
from bot.results import Result
from bot.setting_commands import SettingCommands
from bot.settings import Settings
from storage import Store

HERE = Address("slack", "T1", "C1", "1.0")
THERE = Address("slack", "T1", "C2")
ADMIN = Author("U1", "Ada", is_admin=True, runs_workspace=True)
MEMBER = Author("U2", "Bob")
SETTINGS = Settings(_env_file=None, parley_admins="U3", openai_model="gpt-5.4-mini")  # type: ignore[call-arg, arg-type]


async def no_such_model(control: Control, after: Effective, address: Address) -> str:
    return "there is no such model" if control.name == "model" and after.model == "nothing" else ""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield store
    await store.close()


@pytest.fixture
def held(store: Store) -> HeldControls:
    return HeldControls(store.controls, SETTINGS)


@pytest.fixture
def commands(held: HeldControls) -> Commands:
    return Commands(SettingCommands(held, SETTINGS, [no_such_model]), {})


def command(
    name: str, *arguments: str, author: Author = ADMIN, address: Address = HERE, in_message: bool = False
) -> CommandInvoked:
    return CommandInvoked(address, author, name, arguments, in_message=in_message)


def said(result: Result) -> str:
    return result.answer.text


async def test_a_value_holds_in_its_channel_until_it_is_taken_back(commands: Commands, held: HeldControls) -> None:
    result = await commands.run(command("set", "temperature", "0,2"))
    assert "0.2" in said(result)
    assert result.notice == "Ada set **temperature** to 0.2 in this channel."
    assert (await held.at(HERE)).temperature == 0.2
    assert (await held.at(THERE)).temperature is None
    assert "- **temperature**: 0.2 _(set for this channel)_" in said(await commands.run(command("show")))
    result = await commands.run(command("reset", "temperature"))
    assert result.notice == "Ada took **temperature** back in this channel."
    assert (await held.at(HERE)).temperature is None
    nothing = await commands.run(command("reset", "temperature"))
    assert "nothing to take back" in said(nothing) and not nothing.notice


async def test_the_nearest_scope_wins_and_show_tells_which_it_is(commands: Commands, held: HeldControls) -> None:
    for scope, value in (("thread", "3000"), ("workspace", "1000"), ("channel", "2000")):
        await commands.run(command("set", "max_tokens", value, scope))
    assert (await held.at(HERE)).max_tokens == 3000
    assert (await held.at(Address("slack", "T1", "C1", "2.0"))).max_tokens == 2000
    assert (await held.at(THERE)).max_tokens == 1000
    assert (await held.at(Address("slack", "T2", "C1"))).max_tokens == 4096
    shown = said(await commands.run(command("show")))
    assert "**max_tokens**: 3000 _(set for this thread)_" in shown
    assert "**model**: gpt-5.4-mini _(set by the host)_" in shown
    assert "**reply_mode**: thread _(default)_" in shown


async def test_a_thread_is_asked_for_where_a_command_knows_of_none(commands: Commands) -> None:
    result = await commands.run(command("set", "model", "gpt-4o", "thread", address=THERE))
    assert "`!set thread model" in said(result) and not result.notice


async def test_a_setting_is_refused_where_it_makes_no_sense(commands: Commands) -> None:
    assert "can be set for the whole workspace, not for this channel" in said(
        await commands.run(command("set", "user_budget", "5", "channel"))
    )


async def test_a_system_message_may_have_several_lines_and_its_notice_one(
    commands: Commands, held: HeldControls
) -> None:
    result = await commands.run(command("set", "system", "One.\nTwo.\n\n- three"))
    assert (await held.at(HERE)).system == "One.\nTwo.\n\n- three"
    assert "\n" not in result.notice


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("temperature", "9", "from 0 to 2"),
        ("temperature", "warm", "from 0 to 2"),
        ("temperature", "nan", "from 0 to 2"),
        ("max_tokens", "3", "from 16 to 200,000"),
        ("max_tokens", "many", "from 16 to 200,000"),
        ("model", "two words", "one word"),
        ("model", "nothing", "there is no such model"),
        ("system", "x" * 20_001, "at most 20,000"),
        ("reasoning_effort", "lots", "none, minimal, low, medium, high or xhigh"),
        ("reply_mode", "never", "mention, thread or all"),
        ("streaming", "perhaps", "on or off"),
        ("budget", "much", "US dollars"),
        ("budget", "-1", "US dollars"),
        ("price", "cheap", "IN/OUT or IN/CACHED/OUT"),
        ("key", "sk-abcdefghijklmnop", "the name of a secret"),
        ("allow_users", "<> !", "a list of people"),
        ("allow_users", "bob", "a list of people"),
        ("allow_channels", "general", "a list of channels"),
        ("allow_roles", "<!subteam^S1>", "a list of roles"),
        ("max_tokens", "0000000010009999999", "from 16 to 200,000"),
        ("budget", "0.0000001", "a millionth of a dollar"),
        ("language", "sk-proj-abcdefghijklmnop", "looks like a key"),
        ("system", "use sk-proj-abcdefghijklmnop", "looks like a key"),
    ],
)
async def test_a_wrong_value_gets_the_range_and_an_example_and_changes_nothing(
    commands: Commands, store: Store, name: str, value: str, why: str
) -> None:
    result = await commands.run(command("set", name, value))
    helped = f"/parley set {name} {CONTROLS[name].example}"
    assert why in said(result) and (helped in said(result) or "looks like a key" in said(result))
    assert not result.notice and value not in said(result)
    assert not await store.controls.of_workspace("slack", "T1")


async def test_the_way_out_is_told_as_the_command_was_given(commands: Commands) -> None:
    assert "`!set temperature 0.2`" in said(await commands.run(command("set", "temperature", "9", in_message=True)))


@pytest.mark.parametrize("verb", ["set", "reset"])
async def test_a_mistyped_name_gets_the_nearest(commands: Commands, verb: str) -> None:
    arguments = ("temprature", "1") if verb == "set" else ("temprature",)
    assert "Did you mean **temperature**?" in said(await commands.run(command(verb, *arguments)))
    assert "There is no setting `zzz`" in said(await commands.run(command(verb, "zzz", *arguments[1:])))


@pytest.mark.parametrize("verb", ["set", "reset"])
async def test_a_member_is_refused_audibly_and_can_still_look(commands: Commands, store: Store, verb: str) -> None:
    arguments = ("model", "gpt-4o") if verb == "set" else ("model",)
    refused = await commands.run(command(verb, *arguments, author=MEMBER))
    assert "Only admins" in said(refused) and "PARLEY_ADMINS" in said(refused) and not refused.notice
    assert not await store.controls.of_workspace("slack", "T1")
    assert "gpt-5.4-mini" in said(await commands.run(command("show", author=MEMBER)))


async def test_who_is_named_by_the_host_may_set(commands: Commands) -> None:
    result = await commands.run(command("set", "model", "gpt-4o", author=Author("U3", "Cleo")))
    assert result.notice


async def test_rights_for_everyone_open_what_is_not_the_admins_alone(commands: Commands) -> None:
    await commands.run(command("set", "rights", "everyone"))
    assert (await commands.run(command("set", "temperature", "1", author=MEMBER))).notice
    for name, value in (("rights", "everyone"), ("budget", "5"), ("block_users", "U9")):
        refused = await commands.run(command("set", name, value, author=MEMBER))
        assert f"Only admins may change **{name}**" in said(refused) and not refused.notice
    assert not (await commands.run(command("set", "temperature", "1", "workspace", author=MEMBER))).notice
    assert not (
        await commands.run(command("set", "temperature", "1", author=Author("B1", "a bot", is_bot=True)))
    ).notice


async def test_a_conversation_outside_of_every_workspace_sets_for_none(commands: Commands) -> None:
    direct = Address("discord", "", "D1")
    refused = await commands.run(command("set", "model", "gpt-4o", "workspace", address=direct))
    assert "PARLEY_ADMINS" in said(refused) and not refused.notice


async def test_people_may_be_mentioned_in_a_list(commands: Commands, held: HeldControls) -> None:
    await commands.run(command("set", "block_users", "<@U7|eve>, <@!88> U9"))
    assert (await held.at(HERE)).block_users == frozenset({"U7", "88", "U9"})


async def test_without_a_value_a_form_opens_with_what_is_set(commands: Commands) -> None:
    await commands.run(command("set", "system", "Be brief."))
    form = (await commands.run(command("set", "system"))).answer.form
    assert form is not None and form.address == Address("slack", "T1", "C1")
    [field] = form.fields
    assert (field.name, field.kind, field.value) == ("system", "lines", "Be brief.")


async def test_the_form_of_a_channel_changes_what_was_changed_in_it(commands: Commands, held: HeldControls) -> None:
    await commands.run(command("set", "language", "Deutsch"))
    opened = (await commands.run(command(""))).answer.form
    assert opened is not None
    values = {field.name: field.value for field in opened.fields}
    assert values["language"] == "Deutsch" and values["model"] == ""
    values |= {"language": "", "temperature": "0.5", "system": "Line one.\nLine two."}
    result = await commands.submit(FormSubmitted(opened.address, ADMIN, opened.name, values))
    assert result.notice == "Ada changed **system**, **temperature**, **language** in this channel."
    now = await held.at(HERE)
    assert (now.system, now.temperature, now.language) == ("Line one.\nLine two.", 0.5, None)


async def test_a_form_with_one_wrong_field_changes_nothing_and_says_which(commands: Commands, store: Store) -> None:
    values = {"temperature": "9", "model": "gpt-4o", "streaming": "off"}
    result = await commands.submit(FormSubmitted(THERE, ADMIN, "settings", values))
    assert list(result.answer.problems) == ["temperature"]
    assert not await store.controls.of_workspace("slack", "T1")
    refused = await commands.submit(FormSubmitted(THERE, MEMBER, "settings", {"model": "gpt-4o"}))
    assert "Only admins" in refused.answer.problems["model"]


async def test_a_member_who_may_change_nothing_gets_no_form(commands: Commands) -> None:
    result = await commands.run(command("", author=MEMBER))
    assert result.answer.form is None and "gpt-5.4-mini" in said(result)


def test_every_field_of_the_form_offers_choices_only_where_nothing_else_is_possible() -> None:
    offered = {control.name: control.kind.choices for control in TABLE if control.kind.choices}
    assert {"temperature", "model", "reply_mode", "streaming"} <= offered.keys()


async def test_names_and_values_are_completed(commands: Commands) -> None:
    complete = commands.setting.complete
    assert complete(command("set"), "setting", "temp") == ["temperature"]
    assert complete(command("set"), "setting", "temprature")[0] == "temperature"
    assert complete(command("set", "reply_mode"), "value", "") == ["mention", "thread", "all"]
    assert complete(command("set", "model"), "value", "4O")[0] == "gpt-4o"
    assert complete(command("set", "nothing"), "value", "") == []


async def test_every_command_that_is_offered_is_known_to_the_grammar(commands: Commands) -> None:
    for spec in COMMANDS:
        assert in_message(f"!{spec.name} x") is not None


@pytest.mark.parametrize(
    ("typed", "name", "arguments"),
    [
        ("", "", ()),
        ("SHOW", "show", ()),
        ("set temperature 0.2", "set", ("temperature", "0.2", "")),
        ("set workspace model gpt-4o", "set", ("model", "gpt-4o", "workspace")),
        ("set thread system One.\n Two.", "set", ("system", "One.\n Two.", "thread")),
        ("set system “Be brief.”", "set", ("system", "Be brief.", "")),
        ('set system " a\n b "\n', "set", ("system", " a\n b ", "")),
        ("set system “Talk like a “pirate””", "set", ("system", "“Talk like a “pirate””", "")),
        ("set system “Say " + '"arr"' + "”", "set", ("system", 'Say "arr"', "")),
        ('set system "a" or "b"', "set", ("system", '"a" or "b"', "")),
        ('set system "half', "set", ("system", '"half', "")),
        ('set system ""', "set", ("system", "", "")),
        ('set system Say "hi" often', "set", ("system", 'Say "hi" often', "")),
        ("set system", "set", ("system",)),
        ("set", "set", ()),
        ("reset channel model", "reset", ("model", "channel")),
        ("reset model", "reset", ("model", "")),
        ("usage week user", "usage", ("week", "user")),
        ("usage 'week", "usage", ("'week",)),
        ("try temperature=0 | why is 'x' so?", "try", ("temperature=0 | why is 'x' so?",)),
    ],
)
def test_what_is_typed_is_taken_apart(typed: str, name: str, arguments: tuple[str, ...]) -> None:
    assert split_command(typed) == (name, arguments)


@pytest.mark.parametrize(
    "text", ["set x y", "!", "!!set x", "! set x", "!important: do it", "!showcase", "so !set x y"]
)
def test_what_only_looks_like_a_command_is_a_question(text: str) -> None:
    assert in_message(text) is None


def test_a_command_in_a_message_is_found() -> None:
    assert in_message("  !Set temperature 1") == ("set", ("temperature", "1", ""))
    assert in_message("!stop") == ("stop", ())


async def test_who_runs_one_channel_sets_nothing_for_the_workspace(commands: Commands) -> None:
    manager = Author("U5", "Mo", is_admin=True)
    assert (await commands.run(command("set", "temperature", "1", author=manager))).notice
    assert (await commands.run(command("set", "budget", "5", author=manager))).notice
    for arguments in (("temperature", "1", "workspace"), ("block_channels", "C9"), ("key", "research")):
        refused = await commands.run(command("set", *arguments, author=manager))
        assert "Only admins may change" in said(refused) and not refused.notice


async def test_who_is_blocked_gives_no_commands_by_any_door(commands: Commands, store: Store) -> None:
    await commands.run(command("set", "rights", "everyone"))
    await commands.run(command("set", "block_users", MEMBER.id))
    before = await store.controls.of_workspace("slack", "T1")
    for given in (command("set", "temperature", "1", author=MEMBER), command("show", author=MEMBER)):
        assert "only some people" in said(await commands.run(given))
    submitted = await commands.submit(FormSubmitted(HERE, MEMBER, "settings", {"temperature": "1"}))
    assert "only some people" in submitted.answer.problems["temperature"]
    assert await store.controls.of_workspace("slack", "T1") == before
    assert "Mention me" in said(await commands.run(command("help", author=MEMBER)))


async def test_a_value_is_checked_where_it_is_to_hold_and_before_it_is_taken_back(
    held: HeldControls, store: Store
) -> None:
    async def unpriced(control: Control, after: Effective, address: Address) -> str:
        return "its price is unknown" if after.model == "odd" and after.budgets else ""

    commands = Commands(SettingCommands(held, SETTINGS, [unpriced]), {})
    await commands.run(command("set", "model", "gpt-4o"))
    assert (await commands.run(command("set", "model", "odd", "workspace"))).notice, "there is no budget yet"
    await commands.run(command("set", "budget", "5"))
    assert "without it, its price is unknown" in said(await commands.run(command("reset", "model")))
    assert (await held.at(HERE)).model == "gpt-4o"
    await commands.run(command("set", "model", "odd", address=THERE))
    refused = await commands.run(command("set", "budget", "9", "workspace", address=HERE))
    assert "its price is unknown" in said(refused) and not refused.notice


async def test_thousands_may_be_set_off_in_an_amount(commands: Commands, held: HeldControls) -> None:
    for typed, micros in (
        ("1,000", 1_000_000_000),
        ("2,50", 2_500_000),
        ("$12.5", 12_500_000),
        ("1,000.5", 1_000_500_000),
    ):
        await commands.run(command("set", "budget", typed))
        assert (await held.at(HERE)).budget == micros
