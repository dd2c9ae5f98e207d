"""The core's forms as Discord's modals: opened in time or told in words, filled, and taken in or sent back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.discord import modals
from adapters.discord.interactions import Filled, parse_interaction
from adapters.discord.people import Surroundings
from adapters.discord.responses import DEFERRED, MESSAGE, MODAL
from adapters.discord.timing import Timing
from bot.interactions import CommandAnswer, Form, FormField, FormSubmitted
from bot.messages import Address, Author
from emulators.discord import Channel, DiscordServer, User
from emulators.discord.interactions import Interaction
from emulators.discord.modals import check_modal
from emulators.faults import Fault
from tests.discord.support import FAST, QUICK, SPECS, Desk, address_of, running

EAGER = replace(FAST, deferral=0.05)
CALLBACK = "POST /interactions/{interaction_id}/{token}/callback"
SYSTEM = FormField("system", "system", "lines", value="Be brief.\nBe kind.", hint="What I am told first", longest=3_000)
MODE = FormField("reply_mode", "reply_mode", "choice", choices=("mention", "thread", "all"))


def form_about(address: Address, *fields: FormField) -> Form:
    """A form of the settings there."""
    return Form("settings", "Settings here", address, fields or (SYSTEM, MODE))


async def ask(server: DiscordServer, desk: Desk, ada: User, place: Channel, form: Form) -> Interaction:
    """Somebody gives a command that answers with a form."""
    await server.wait_for(lambda: server.commands)
    desk.answer = CommandAnswer("Give it a value.", form=form)
    return await server.slash(ada, place, "parley", "set", {"setting": "system"})


async def test_a_form_is_opened_filled_with_several_lines_and_taken_in() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        async with running(server, specs=SPECS) as (_, desk):
            form = form_about(address_of(channel))
            for place in (channel, thread):
                used = await ask(server, desk, ada, place, form)
                assert await server.wait_for(lambda: used.modal)  # noqa: B023
                sent = await server.submit_modal(ada, used, {"system": "First.\n\nSecond."})
                assert await server.wait_for(lambda: sent.content) == "Done."  # noqa: B023
                assert (used.response, sent.response) == (MODAL, MESSAGE)
                assert sent.ephemeral
    author = Author(str(ada.id), "ada", roles=frozenset())
    values = {"system": "First.\n\nSecond.", "reply_mode": ""}
    assert desk.forms == [FormSubmitted(address_of(channel), author, "settings", values)] * 2
    assert server.complaints == []


async def test_a_form_shows_what_stands_there_and_what_there_is_to_choose() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            used = await ask(server, desk, ada, channel, form_about(address_of(channel)))
            modal: Any = await server.wait_for(lambda: used.modal)
    system, mode = modal["components"]
    assert modal["title"] == "Settings here"
    assert (system["label"], system["description"]) == ("system", "What I am told first")
    assert system["component"]["value"] == SYSTEM.value
    assert (system["component"]["style"], system["component"]["max_length"]) == (2, 3_000)
    assert (mode["component"]["style"], mode["component"]["placeholder"]) == (1, "mention, thread, all")
    assert not system["component"]["required"]


async def test_what_is_wrong_in_a_form_is_told_with_what_was_written_at_length() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            used = await ask(server, desk, ada, channel, form_about(address_of(channel)))
            await server.wait_for(lambda: used.modal)
            desk.form_answer = CommandAnswer("Nothing was changed.", problems={"reply_mode": "It is one of three."})
            sent = await server.submit_modal(ada, used, {"system": "Mind:\n```\ncode\n```", "reply_mode": "never"})
            said = await server.wait_for(lambda: sent.content)
    assert said is not None
    assert said.startswith("Nothing was changed.\n")
    assert "**reply_mode**: It is one of three." in said
    assert "Mind:" in said
    assert "never" not in said
    assert sent.ephemeral


async def test_a_slow_form_is_deferred_and_its_answer_put_in_place_later() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS, timing=EAGER) as (_, desk):
            used = await ask(server, desk, ada, channel, form_about(address_of(channel)))
            await server.wait_for(lambda: used.modal)
            desk.open.clear()
            sent = await server.submit_modal(ada, used, {})
            assert await server.wait_for(lambda: sent.response) == DEFERRED
            desk.open.set()
            assert await server.wait_for(lambda: sent.content) == "Done."
            assert sent.ephemeral
    assert server.complaints == []


def fields(count: int) -> tuple[FormField, ...]:
    """So many lines."""
    return tuple(FormField(f"field{number}", f"Field {number}", "line") for number in range(count))


@pytest.mark.parametrize(
    ("shown", "timing", "said"),
    [
        (fields(6), FAST, "Give it a value."),
        ((replace(SYSTEM, value="x" * 4_001),), FAST, "**system** (4,001 characters)"),
        ((SYSTEM,), EAGER, "Give it a value."),
    ],
    ids=["too many fields", "too long a text", "too late"],
)
async def test_a_form_that_cannot_be_opened_is_told_in_words(shown: Any, timing: Timing, said: str) -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS, timing=timing) as (_, desk):
            if timing is EAGER:
                desk.open.clear()
            used = await ask(server, desk, ada, channel, form_about(address_of(channel), *shown))
            await server.wait_for(lambda: used.response or timing is FAST)
            desk.open.set()
            text = await server.wait_for(lambda: used.content)
    assert used.modal is None
    assert text is not None
    assert said in text
    assert server.complaints == []


async def test_a_form_that_discord_refuses_is_told_in_words() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            server.faults.add(CALLBACK, Fault("answer", status=400, body={"message": "Invalid", "code": 50035}))
            used = await ask(server, desk, ada, channel, form_about(address_of(channel)))
            assert await server.wait_for(lambda: used.content) == "Give it a value."


async def test_a_form_whose_opening_got_no_answer_counts_as_open() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        async with running(server, specs=SPECS) as (_, desk):
            server.faults.add(CALLBACK, Fault("lost_reply"))
            used = await ask(server, desk, ada, channel, form_about(address_of(channel)))
            await server.wait_for(lambda: used.modal)
            sent = await server.submit_modal(ada, used, {})
            await server.wait_for(lambda: sent.content)
        assert used.messages == []


HERE = Address("discord", "6", "5")


def submitted(custom_id: str, components: Any = (), **more: Any) -> dict[str, Any]:
    """A MODAL_SUBMIT in channel 5 of guild 6."""
    member = {"user": {"id": "8", "username": "ada"}, "permissions": "16"}
    place = {"channel_id": "5", "guild_id": "6", "member": member}
    data = {"custom_id": custom_id, "components": list(components)}
    return {"id": "1", "token": "t", "type": 5, "application_id": "9", **place, "data": data, **more}


@pytest.mark.parametrize(
    ("custom_id", "accepted"),
    [
        (modals.modal(form_about(HERE))["custom_id"], True),
        ("form:6:5:7:settings", False),
        ("form:6:4::settings", False),
        ("form:4:5::settings", False),
        ("form::5::settings", False),
        ("form:6:5:settings", False),
        ("form:6:x::settings", False),
        ("form:6:5::what somebody wrote", False),
        ("form:6:5:", False),
        ("other:6:5::settings", False),
        ("", False),
    ],
)
def test_a_form_counts_only_where_it_was_opened(custom_id: str, accepted: bool) -> None:
    found = parse_interaction(submitted(custom_id), SPECS, Surroundings("9", "Parley"))
    assert isinstance(found, Filled) is accepted


def test_the_texts_of_rows_and_labels_are_read() -> None:
    components = [
        {"type": 1, "components": [{"type": 4, "custom_id": "a", "value": "one"}]},
        {"type": 18, "component": {"type": 4, "custom_id": "b", "value": "two"}},
        {"type": 10},
    ]
    found = parse_interaction(submitted("form:6:5::settings", components), SPECS, Surroundings("9", "Parley"))
    assert isinstance(found, Filled)
    assert found.form == FormSubmitted(HERE, Author("8", "ada", is_admin=True), "settings", {"a": "one", "b": "two"})


def test_a_form_of_the_longest_texts_keeps_to_discords_limits() -> None:
    everything = FormField("n" * 100, "L" * 60, "choice", "v" * 4_000, "h " * 200, tuple("choice" * 40), 9_000)
    form = Form("settings", "T" * 90, Address("discord", "9" * 20, "8" * 20, "7" * 20), (everything,))
    assert modals.can_show(form)
    check_modal(modals.modal(form))
    bare = Form("settings", "", HERE, (FormField("n", "", "line", longest=0),))
    check_modal(modals.modal(bare))
    assert not modals.can_show(replace(form, name="x" * 60))
    assert not modals.can_show(replace(form, fields=()))
